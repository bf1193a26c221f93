"""Reads of the catalogue; their JSON is built in PostgreSQL, one statement a page."""

from app.repositories.anime.genres import GenreIndex
from app.repositories.anime.reads import AnimeRepository, PageRead

__all__ = ["AnimeRepository", "GenreIndex", "PageRead"]
