"""Calls to an upstream on behalf of clients: one for all who ask the same, paid for by whoever begins it."""

import time
from collections.abc import Awaitable, Callable

from app.errors import NotFound, RateLimited, UpstreamFailure, UpstreamRefused, UpstreamTimeout
from app.services.catalogue.outcomes import QuotaSpentByOther, decode_result, encode_failure, encode_result
from app.utils.redis.quotas import Quota, Quotas
from app.utils.redis.single_flight import SingleFlight

# Half of what Jikan allows all of us, so that one client who walks the ids leaves room for the others.
MISSES = Quota("misses", 30, 60)

_ASK_AGAIN = 2.0  # seconds


class RequestCoalescer:
    """``patience`` is how many seconds a client waits; what it waited for goes on and serves the next."""

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
        """What ``look`` finds by now, or else what ``call`` brings.

        Raises :class:`NotFound`, ``UpstreamRefused``, :class:`UpstreamFailure`, or :class:`RateLimited` when
        the client has used up its share; a call that failed costs nothing of it.
        """

        async def work() -> bytes:
            try:
                found = await look()
                return encode_result(found) if found is not None else await self._pay(call, client)
            except (NotFound, UpstreamRefused) as refusal:
                return encode_failure(refusal)

        deadline = time.monotonic() + self._patience
        while (left := deadline - time.monotonic()) > 0:
            try:
                return decode_result(await self._flights.join(key, work, seconds=left), who=client)
            except QuotaSpentByOther:
                continue
            except TimeoutError:
                break
        raise UpstreamTimeout(retry_after=_ASK_AGAIN)

    async def _pay(self, call: Callable[[], Awaitable[bytes]], client: str) -> bytes:
        standing = await self._quotas.take(self._quota, client)
        if not standing.allowed:
            return encode_failure(RateLimited(retry_after=standing.reset_after), whose=client)
        try:
            return encode_result(await call())
        except UpstreamFailure as failure:
            await self._quotas.give_back(self._quota, client)
            return encode_failure(failure)
