"""The app: drop a video in a browser, and see its timeline."""
