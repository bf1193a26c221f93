"""A POST that may be sent twice and shall act once."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What the first request was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A key in use; ``answer`` is None while the first request runs."""

    fingerprint: bytes
    answer: Answer | None
