"""Limits on password attempts: per account and address, per address, per account, and overall."""

import asyncio
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.errors import RateLimited, ServiceUnavailable
from app.repositories.throttles import Counted, ThrottleRepository
from app.schemas.domain.accounts import ClientInfo
from app.services.accounts.audit import count_event
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database, Transaction
from app.utils.redis.quotas import Quota, Quotas, Standing, rate_headers

PAIR = Quota("tries of an account from an address", 5, 60)
ADDRESS = Quota("tries from an address", 20, 60)
ACCOUNT = Quota("tries of an account", 100, 3600)
OVERALL = Quota("failed tries", 1000, 60)

_POLL_INTERVAL, _MOST_POLLS = 0.02, 100  # seconds, number; while waiting for concurrent attempts


@dataclass(frozen=True, slots=True)
class Attempt:
    """A running attempt: the limits it counts against, and their state before it."""

    client: ClientInfo
    at: datetime
    keys: dict[str, Quota]
    counted: dict[str, Counted]

    @property
    def pair_key(self) -> str:
        return next(key for key, quota in self.keys.items() if quota is PAIR)


class LoginThrottle:
    """The limits are kept in PostgreSQL, so that they hold across processes and without Redis.

    An attempt is counted before its password is verified, so that concurrent attempts gain nothing. The
    overall limit is kept in Redis and rejects nobody: once it is reached, attempts from networks that are
    new to the account are serialised at that rate.
    """

    def __init__(
        self,
        db: Database,
        quotas: Quotas,
        *,
        overall: Quota = OVERALL,
        most_waiting: int = 200,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self._quotas = quotas
        self._overall = overall
        self._pace = asyncio.Lock()
        self._waiting = 0
        self._most_waiting = most_waiting
        self._clock = clock

    async def pace(self, *, known_here: bool) -> None:
        """Delay the attempt while the overall limit is exceeded, unless the network is known.

        The delay is a few seconds at most: raises :class:`ServiceUnavailable` if too many are waiting.
        """
        if known_here or (await self._quotas.peek(self._overall, "")).allowed:
            return
        if self._waiting >= self._most_waiting:
            count_event("throttled")
            raise ServiceUnavailable("Too many people are signing in right now.", retry_after=2)
        self._waiting += 1
        try:
            async with self._pace:
                await asyncio.sleep(self._overall.period / self._overall.limit)
        finally:
            self._waiting -= 1

    async def begin(self, subject: str, client: ClientInfo, *, known_here: bool) -> Attempt:
        """Count an attempt for the account ``subject``; raises :class:`RateLimited` if a limit is reached."""
        try:
            return await self._begin(subject, client, known_here=known_here)
        except RateLimited:
            count_event("throttled")
            raise

    async def _begin(self, subject: str, client: ClientInfo, *, known_here: bool) -> Attempt:
        keys = _keys(subject, client.network, known_here=known_here)
        for _ in range(_MOST_POLLS):
            attempt = await self._try(keys, client)
            if attempt is not None:
                return attempt
            await asyncio.sleep(_POLL_INTERVAL)
        raise RateLimited(retry_after=1)

    async def fail(self, attempt: Attempt) -> None:
        """Record that the password was wrong."""
        async with self._db.transaction() as tx:
            await ThrottleRepository(tx).end(list(attempt.keys), attempt.at, failed=True)
        await self._quotas.take(self._overall, "")
        _report(attempt.client, [_standing(attempt, key, more=1) for key in attempt.keys])

    async def succeed(self, tx: Transaction, attempt: Attempt) -> None:
        """Uncount the attempt, and forget the failures of this account from this address."""
        pair = attempt.pair_key
        await ThrottleRepository(tx).end(list(attempt.keys), attempt.at, failed=False, cleared=pair)
        _report(attempt.client, [_standing(attempt, key) for key in attempt.keys if key != pair] + [_UNTRIED])

    async def _try(self, keys: dict[str, Quota], client: ClientInfo) -> Attempt | None:
        """None if the result depends on concurrent attempts that have not finished."""
        periods = [quota.period for quota in keys.values()]
        now = self._clock()
        try:
            async with self._db.transaction() as tx:
                counted = await ThrottleRepository(tx).begin(list(keys), periods, now)
                attempt = Attempt(client, now, keys, counted)
                _check(attempt)
        except _StillPending:
            return None
        return attempt


class _StillPending(Exception):
    """Concurrent attempts use up what is left of a limit."""


_UNTRIED = (PAIR, Standing(True, PAIR.limit, PAIR.limit, 0.0))


def subject_of(user_id: int) -> str:
    """The subject under which attempts of an account are counted."""
    return f"id {user_id}"


def _keys(subject: str, network: str, *, known_here: bool) -> dict[str, Quota]:
    keys = {_key(PAIR, subject, network): PAIR, _key(ADDRESS, network): ADDRESS}
    if not known_here:
        keys[_key(ACCOUNT, subject)] = ACCOUNT
    return keys


def _key(quota: Quota, *parts: str) -> str:
    """Keys are hashed, because users sometimes type their password into the name field."""
    return hashlib.sha256("\n".join((quota.name, *parts)).encode()).hexdigest()[:32]


def _check(attempt: Attempt) -> None:
    """Raise if a limit is reached, which also rolls back the counting."""
    standings = [_standing(attempt, key) for key in attempt.keys]
    if spent := [pair for pair in standings if not pair[1].allowed]:
        _report(attempt.client, spent)
        raise RateLimited(
            "Too many failed attempts; wait a moment.",
            retry_after=max(standing.reset_after for _, standing in spent),
        )
    pending = {quota: attempt.counted[key].pending for key, quota in attempt.keys.items()}
    if any(pending[quota] > standing.remaining for quota, standing in standings):
        raise _StillPending


def _standing(attempt: Attempt, key: str, *, more: int = 0) -> tuple[Quota, Standing]:
    """The state of a limit, with ``more`` failures added to those counted."""
    quota, failed = attempt.keys[key], attempt.counted[key].failed
    used = len(failed) + more
    oldest = failed[-min(len(failed), quota.limit)] if failed else attempt.at
    reset = quota.period - (attempt.at - oldest).total_seconds() if used else 0.0
    return quota, Standing(used < quota.limit, quota.limit, max(0, quota.limit - used), max(reset, 0.0))


def _report(client: ClientInfo, standings: Sequence[tuple[Quota, Standing]]) -> None:
    """Report the tightest limit in the response headers."""
    quota, standing = min(standings, key=lambda pair: (pair[1].remaining, -math.ceil(pair[1].reset_after)))
    client.headers.update(rate_headers(quota, standing))
