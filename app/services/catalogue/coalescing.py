"""Coalesce identical upstream calls of clients: one call is made, counted for the client that starts it."""

import json
import time
from collections.abc import Awaitable, Callable

from app.errors import (
    AppError,
    NotFound,
    RateLimited,
    UpstreamError,
    UpstreamFailure,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.utils.redis.quotas import Quota, Quotas
from app.utils.redis.single_flight import SingleFlight

# Half of Jikan's limit for the whole installation, so that one client cannot use it up.
MISSES = Quota("misses", 30, 60)

_RETRY_AFTER = 2.0  # seconds, for a client whose call takes longer than it can wait


class _QuotaSpentByOther(Exception):
    """The call was not made because the client that started it has used up its quota; others may try."""


class RequestCoalescer:
    """A client waits ``patience`` seconds; a call that takes longer continues and serves the next client."""

    def __init__(
        self, flights: SingleFlight, quotas: Quotas, *, quota: Quota = MISSES, patience: float = 3.5
    ) -> None:
        self._flights = flights
        self._quotas = quotas
        self._quota = quota
        self._patience = patience

    async def make(
        self,
        key: str,
        *,
        look: Callable[[], Awaitable[bytes | None]],
        call: Callable[[], Awaitable[bytes]],
        client: str,
    ) -> bytes:
        """The result of ``look``, which another call may have stored by now, otherwise of ``call``.

        Raises :class:`NotFound`, ``UpstreamRefused``, :class:`UpstreamFailure`, or :class:`RateLimited` if
        the client has used up its quota; failed calls are not counted.
        """

        async def work() -> bytes:
            try:
                found = await look()
                return _encode_result(found) if found is not None else await self._pay(call, client)
            except (NotFound, UpstreamRefused) as refusal:
                return _encode_failure(refusal)

        deadline = time.monotonic() + self._patience
        while (left := deadline - time.monotonic()) > 0:
            try:
                return _decode_result(await self._flights.join(key, work, seconds=left), client=client)
            except _QuotaSpentByOther:
                continue
            except TimeoutError:
                break
        raise UpstreamTimeout(retry_after=_RETRY_AFTER)

    async def _pay(self, call: Callable[[], Awaitable[bytes]], client: str) -> bytes:
        standing = await self._quotas.take(self._quota, client)
        if not standing.allowed:
            return _encode_failure(RateLimited(retry_after=standing.reset_after), limited_client=client)
        try:
            return _encode_result(await call())
        except UpstreamFailure as failure:
            await self._quotas.give_back(self._quota, client)
            return _encode_failure(failure)


_SUCCESS, _FAILURE = b"+", b"-"
_TEMPORARY = {
    kind.__name__: kind for kind in (RateLimited, UpstreamError, UpstreamUnavailable, UpstreamTimeout)
}
_DEFAULT_RETRY_AFTER = 5.0  # seconds, if the upstream names no time


def _encode_result(body: bytes) -> bytes:
    return _SUCCESS + body


def _encode_failure(failure: AppError, *, limited_client: str = "") -> bytes:
    """Serialise a failure for all waiters; ``limited_client`` has used up its quota, if any."""
    after = getattr(failure, "retry_after", None)
    fields = [type(failure).__name__, failure.status, failure.message, after, limited_client]
    return _FAILURE + json.dumps(fields).encode()


def _decode_result(outcome: bytes, *, client: str) -> bytes:
    """The body of a success; otherwise raises the failure as it applies to ``client``."""
    if outcome[:1] == _SUCCESS:
        return outcome[1:]
    name, status, message, after, limited_client = json.loads(outcome[1:])
    if limited_client not in ("", client):
        raise _QuotaSpentByOther
    if name == NotFound.__name__:
        raise NotFound(message)
    if name == UpstreamRefused.__name__:
        raise UpstreamRefused(status, message, retry_after=after)
    raise _TEMPORARY.get(name, UpstreamError)(
        message, retry_after=_DEFAULT_RETRY_AFTER if after is None else after
    )
