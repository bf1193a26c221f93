"""Releases and episodes in PostgreSQL: reading, storing what a source says, linking, following a source."""

from app.repositories.releases.answers import AnswerRepository
from app.repositories.releases.polls import PollRepository
from app.repositories.releases.reads import ReleaseRepository
from app.repositories.releases.writes import Known, ReleaseWriter

__all__ = ["AnswerRepository", "Known", "PollRepository", "ReleaseRepository", "ReleaseWriter"]
