"""Video files, and frames that are decoded already, as RGB frames at 25 per second and as clips."""
