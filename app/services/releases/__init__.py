"""Releases: cached reads, polling of the source, live events."""
