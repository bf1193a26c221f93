"""How often a password may be tried: per account and address, per address, per account, and overall."""

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

_PAUSE, _PAUSES = 0.02, 100  # seconds; how often to look whether attempts under way have ended


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try under way: the rules it counts for, and where they stood before it."""

    client: ClientInfo
    at: datetime
    keys: dict[str, Quota]
    counted: dict[str, Counted]

    @property
    def pair_key(self) -> str:
        return next(key for key, quota in self.keys.items() if quota is PAIR)


class LoginThrottle:
    """The rules live in PostgreSQL, so they hold over all processes and without Redis.

    An attempt is counted before its password is looked at, so that many at once gain nothing. The rule
    over everybody is kept in Redis: it refuses nobody, and once it is spent, attempts from networks that
    the account does not know begin one after the other, no faster than it allows.
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
        """Wait for one's turn while there are many failures anywhere; a known network need not.

        It takes some seconds at most: raises :class:`ServiceUnavailable` where too many wait already.
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
        """Count a try; raises :class:`RateLimited` where a rule is spent. ``subject`` names the account."""
        try:
            return await self._begin(subject, client, known_here=known_here)
        except RateLimited:
            count_event("throttled")
            raise

    async def _begin(self, subject: str, client: ClientInfo, *, known_here: bool) -> Attempt:
        keys = _keys(subject, client.network, known_here=known_here)
        for _ in range(_PAUSES):
            attempt = await self._try(keys, client)
            if attempt is not None:
                return attempt
            await asyncio.sleep(_PAUSE)
        raise RateLimited(retry_after=1)

    async def fail(self, attempt: Attempt) -> None:
        async with self._db.transaction() as tx:
            await ThrottleRepository(tx).end(list(attempt.keys), attempt.at, failed=True)
        await self._quotas.take(self._overall, "")
        _tell(attempt.client, [_standing(attempt, key, more=1) for key in attempt.keys])

    async def succeed(self, tx: Transaction, attempt: Attempt) -> None:
        """Take the attempt back; what failed for this account from this address is forgiven."""
        pair = attempt.pair_key
        await ThrottleRepository(tx).end(list(attempt.keys), attempt.at, failed=False, cleared=pair)
        _tell(attempt.client, [_standing(attempt, key) for key in attempt.keys if key != pair] + [_UNTRIED])

    async def _try(self, keys: dict[str, Quota], client: ClientInfo) -> Attempt | None:
        """None where it only depends on attempts whose end is not known yet."""
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
    """As many attempts are under way as the rule has left."""


_UNTRIED = (PAIR, Standing(True, PAIR.limit, PAIR.limit, 0.0))


def subject_of(user_id: int) -> str:
    """What tries of an account are counted by."""
    return f"id {user_id}"


def _keys(subject: str, network: str, *, known_here: bool) -> dict[str, Quota]:
    keys = {_key(PAIR, subject, network): PAIR, _key(ADDRESS, network): ADDRESS}
    if not known_here:
        keys[_key(ACCOUNT, subject)] = ACCOUNT
    return keys


def _key(quota: Quota, *parts: str) -> str:
    """A hash: what people type into the name field may be their password."""
    return hashlib.sha256("\n".join((quota.name, *parts)).encode()).hexdigest()[:32]


def _check(attempt: Attempt) -> None:
    """Raise, and so roll back the counting, where a rule has nothing left."""
    standings = [_standing(attempt, key) for key in attempt.keys]
    if spent := [one for one in standings if not one[1].allowed]:
        _tell(attempt.client, spent)
        raise RateLimited(
            "Too many failed attempts; wait a moment.",
            retry_after=max(standing.reset_after for _, standing in spent),
        )
    pending = {quota: attempt.counted[key].pending for key, quota in attempt.keys.items()}
    if any(pending[quota] > standing.remaining for quota, standing in standings):
        raise _StillPending


def _standing(attempt: Attempt, key: str, *, more: int = 0) -> tuple[Quota, Standing]:
    """Where a rule stands with ``more`` failures than were counted."""
    quota, failed = attempt.keys[key], attempt.counted[key].failed
    used = len(failed) + more
    oldest = failed[-min(len(failed), quota.limit)] if failed else attempt.at
    reset = quota.period - (attempt.at - oldest).total_seconds() if used else 0.0
    return quota, Standing(used < quota.limit, quota.limit, max(0, quota.limit - used), max(reset, 0.0))


def _tell(client: ClientInfo, standings: Sequence[tuple[Quota, Standing]]) -> None:
    """Put the tightest rule on the answer."""
    quota, standing = min(standings, key=lambda one: (one[1].remaining, -math.ceil(one[1].reset_after)))
    client.headers.update(rate_headers(quota, standing))
