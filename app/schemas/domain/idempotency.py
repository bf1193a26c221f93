"""Claims and stored responses of idempotency keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to the first request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """A request's claim on a key; ``owner`` distinguishes it from a later request that took over."""

    user_id: int
    key: str
    owner: UUID


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key in use; ``answer`` is None while the first request runs. The stored body is encrypted."""

    fingerprint: bytes
    answer: Answer | None
