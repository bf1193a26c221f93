"""A Jikan stand-in: a process that answers like Jikan, misbehaves on demand and counts calls."""

from tests.standin.client import AniLibriaStandin, JikanStandin, Stats
from tests.standin.journal import Call

__all__ = ["AniLibriaStandin", "Call", "JikanStandin", "Stats"]
