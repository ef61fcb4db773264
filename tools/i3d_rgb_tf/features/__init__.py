"""Videos -> features: the settings, windows, times, and files of features."""
