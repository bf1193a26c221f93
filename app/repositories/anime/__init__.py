"""Reads of the catalogue: JSON built in PostgreSQL, one statement per page."""

from app.repositories.anime.genres import GenreIndex
from app.repositories.anime.reads import AnimeRepository, PageRead

__all__ = ["AnimeRepository", "GenreIndex", "PageRead"]
