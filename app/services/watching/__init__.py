"""Playback progress, the viewing log, favourites and collections."""
