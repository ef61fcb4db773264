"""Frozen graph -> IR on disk -> compiled model."""
