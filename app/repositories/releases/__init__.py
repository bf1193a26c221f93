"""SQL of releases and episodes: reads, writes, links to anime, and the state of polling."""

from app.repositories.releases.answers import AnswerRepository
from app.repositories.releases.polls import PollRepository
from app.repositories.releases.reads import ReleaseRepository
from app.repositories.releases.writes import Known, ReleaseWriter

__all__ = ["AnswerRepository", "Known", "PollRepository", "ReleaseRepository", "ReleaseWriter"]
