"""Timelines as text, documents, subtitles, a page, a picture and a video."""
