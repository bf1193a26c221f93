"""A Jikan of our own: a process that answers like it, misbehaves on demand and counts every call."""

from tests.standin.client import AniLibriaStandin, JikanStandin, Stats
from tests.standin.journal import Call

__all__ = ["AniLibriaStandin", "Call", "JikanStandin", "Stats"]
