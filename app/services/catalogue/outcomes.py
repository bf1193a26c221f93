"""How a call to an upstream ended, as bytes that all who wait for it can share, in any process."""

import json

from app.errors import (
    AppError,
    NotFound,
    RateLimited,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)

_GOOD, _BAD = b"+", b"-"
_PASSING = {
    kind.__name__: kind for kind in (RateLimited, UpstreamError, UpstreamUnavailable, UpstreamTimeout)
}
_ASK_AGAIN = 5.0  # seconds, where the upstream itself names no time


class QuotaSpentByOther(Exception):
    """The call was not made, because whoever began it may make no more; that binds nobody else."""


def encode_result(body: bytes) -> bytes:
    return _GOOD + body


def encode_failure(failure: AppError, *, whose: str = "") -> bytes:
    """``whose`` quota was spent, if that is what failed."""
    after = getattr(failure, "retry_after", None)
    told = [type(failure).__name__, failure.status, failure.message, after, whose]
    return _BAD + json.dumps(told).encode()


def decode_result(outcome: bytes, *, who: str) -> bytes:
    """The body of a good outcome; raises the failure of a bad one, as the client ``who`` is to see it."""
    if outcome[:1] == _GOOD:
        return outcome[1:]
    name, status, message, after, whose = json.loads(outcome[1:])
    if whose not in ("", who):
        raise QuotaSpentByOther
    if name == NotFound.__name__:
        raise NotFound(message)
    if name == UpstreamRefused.__name__:
        raise UpstreamRefused(status, message, retry_after=after)
    raise _PASSING.get(name, UpstreamError)(message, retry_after=_ASK_AGAIN if after is None else after)
