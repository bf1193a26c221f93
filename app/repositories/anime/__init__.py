"""Reads of the catalogue: JSON built in PostgreSQL, one statement per page."""

from app.repositories.anime.genres import GenreIndex
from app.repositories.anime.reads import AnimeRepository, PageRead
from app.repositories.anime.search import has_trigrams

__all__ = ["AnimeRepository", "GenreIndex", "PageRead", "has_trigrams"]
