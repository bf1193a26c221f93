"""Playback progress, viewing history, favourites and collections."""
