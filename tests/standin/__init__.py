"""A Jikan stand-in: a process that answers like Jikan, misbehaves on demand and counts calls."""

from tests.standin.client import JikanStandin, Stats
from tests.standin.journal import Call

__all__ = ["Call", "JikanStandin", "Stats"]
