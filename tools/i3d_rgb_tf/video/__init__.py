"""Read video files as RGB frames at 25 per second, and as clips."""
