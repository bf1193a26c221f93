"""A POST that may be sent twice and shall act once."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Answer:
    """What the first request was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """The claim of one request on a key: ``owner`` tells it from a later request that took the key over."""

    user_id: int
    key: str
    owner: UUID


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key in use; ``answer`` is None while the first request runs. Its body is stored encrypted."""

    fingerprint: bytes
    answer: Answer | None
