"""Frames -> outputs of a compiled model, asynchronously and in bounded memory."""
