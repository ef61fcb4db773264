"""Many videos, in many processes, on many machines: lists, results, resume."""
