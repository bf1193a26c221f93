"""How long what an upstream said counts as fresh: every such time stands in this table."""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta

from app.schemas.domain.anime import Status

# An airing title moves with every episode, a finished one only in its score.
FRESH_FOR: Mapping[Status | None, timedelta] = {
    "airing": timedelta(hours=6),
    "upcoming": timedelta(hours=24),
    "finished": timedelta(days=7),
    None: timedelta(hours=24),
}
ABSENT_FOR = timedelta(minutes=10)  # "MAL has no such title" is believed for about this long
RAW_FOR = timedelta(minutes=5)  # answers of Jikan that are passed through
HIANIME_FOR = timedelta(minutes=2)
HIANIME_SOURCES_FOR = timedelta(seconds=30)  # addresses of streams run out soon
SUGGESTIONS_FOR = timedelta(minutes=15)  # titles that a search of AniList or MangaDex finds
REQUESTED_FOR = timedelta(minutes=1)  # a refresh that was just queued is not queued again


def is_fresh(status: Status | None, synced_at: datetime | None, now: datetime) -> bool:
    """Whether a title can be served without a thought; one that no upstream confirmed cannot."""
    return synced_at is not None and now - synced_at < FRESH_FOR[status]


def stale_before(now: datetime) -> dict[Status | None, datetime]:
    """For each status, the instant before which a sync has grown stale."""
    return {status: now - ttl for status, ttl in FRESH_FOR.items()}


def age_in_seconds(synced_at: datetime | None, now: datetime) -> int | None:
    """How long ago the upstream was asked; never negative, though clocks differ."""
    return None if synced_at is None else max(0, int((now - synced_at).total_seconds()))


def jittered(ttl: timedelta) -> timedelta:
    """Within a tenth of ``ttl``, so that what began together does not end together."""
    return ttl * random.uniform(0.9, 1.1)
