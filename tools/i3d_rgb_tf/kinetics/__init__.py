"""A copy of Kinetics-400 -> a checked data set."""
