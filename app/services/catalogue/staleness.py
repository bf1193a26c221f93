"""Freshness of upstream data: all time limits, and the rules that use them."""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta

from app.schemas.domain.anime import Status

# An airing title changes with every episode, a finished one only in its score.
FRESH_FOR: Mapping[Status | None, timedelta] = {
    "airing": timedelta(hours=6),
    "upcoming": timedelta(hours=24),
    "finished": timedelta(days=7),
    None: timedelta(hours=24),
}
ABSENT_FOR = timedelta(minutes=10)  # a "not found" of MyAnimeList
RAW_FOR = timedelta(minutes=5)  # raw responses of Jikan
HIANIME_FOR = timedelta(minutes=2)
HIANIME_SOURCES_FOR = timedelta(seconds=30)  # stream URLs expire soon
SUGGESTIONS_FOR = timedelta(minutes=15)  # search results of AniList and MangaDex
REQUESTED_FOR = timedelta(minutes=1)  # a refresh is not requested again within this time


def is_fresh(status: Status | None, synced_at: datetime | None, now: datetime) -> bool:
    """Whether a title is fresh; one that was never synced is not."""
    return synced_at is not None and now - synced_at < FRESH_FOR[status]


def stale_before(now: datetime) -> dict[Status | None, datetime]:
    """For each status, the time before which a sync is stale."""
    return {status: now - ttl for status, ttl in FRESH_FOR.items()}


def age_in_seconds(synced_at: datetime | None, now: datetime) -> int | None:
    """Seconds since the last sync; never negative, even if clocks differ."""
    return None if synced_at is None else max(0, int((now - synced_at).total_seconds()))


def jittered(ttl: timedelta) -> timedelta:
    """``ttl`` plus or minus a tenth, so that entries stored together do not expire together."""
    return ttl * random.uniform(0.9, 1.1)
