"""Jikan, the unofficial MyAnimeList API."""
