"""Syncs: one call per page, each title once, restarts, order of stale titles."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from app.errors import NotFound, UpstreamError
from app.schemas.domain.anime import Season
from app.services.catalogue.refresh_queue import MOST_QUEUED
from app.services.catalogue.sync import current_season
from app.utils.db.database import Database
from tests.services.catalogue_parts import Parts, parts_on
from tests.standin import JikanStandin


@pytest.fixture
async def parts(jikan_standin: JikanStandin, database: Database, redis: Redis) -> AsyncIterator[Parts]:
    async with parts_on(jikan_standin, database, redis) as parts:
        yield parts


async def test_a_title_is_fetched_stored_and_announced(parts: Parts, jikan_standin: JikanStandin) -> None:
    jikan_standin.change(777, score=1.23)
    await parts.sync.sync_anime(777)
    (row,) = await parts.rows(
        "select score, synced_at from anime join anime_syncs on anime_id = id where mal_id = 777"
    )
    assert (row.score, row.synced_at) == (1.23, parts.told.now)
    assert parts.told.announced == 1


async def test_an_id_that_mal_lacks_fails_with_that_reason(parts: Parts, jikan_standin: JikanStandin) -> None:
    with pytest.raises(NotFound, match="MyAnimeList has no anime 99999999"):
        await parts.sync.sync_anime(99_999_999)
    with pytest.raises(NotFound):
        await parts.absent.check(99_999_999)
    assert await parts.rows("select id from anime") == []
    assert parts.told.announced == 0


async def test_a_title_deleted_by_mal_is_kept_and_counts_as_synced(
    parts: Parts, jikan_standin: JikanStandin
) -> None:
    await parts.sync.sync_anime(777)
    (before,) = await parts.rows("select to_jsonb(anime) as row from anime")
    jikan_standin.forget(777)
    parts.told.now += timedelta(days=90)
    with pytest.raises(NotFound):
        await parts.sync.sync_anime(777)
    (after,) = await parts.rows(
        "select to_jsonb(anime) as row, synced_at from anime join anime_syncs on anime_id = id"
    )
    assert (after.row, after.synced_at) == (before.row, parts.told.now)
    assert (parts.told.announced, parts.told.updates) == (1, [])
    assert await parts.sync.refresh_stale() == 0


async def test_a_title_that_appears_is_no_longer_absent(parts: Parts, jikan_standin: JikanStandin) -> None:
    with pytest.raises(NotFound):
        await parts.sync.sync_anime(99_999_999)
    jikan_standin.change(99_999_999, title="New")
    await parts.sync.sync_anime(99_999_999)
    await parts.absent.check(99_999_999)


@pytest.mark.parametrize(
    ("limit", "pages"), [(1, 1), (25, 1), (26, 2), pytest.param(200, 8, id="two hundred")]
)
async def test_the_top_costs_one_call_for_25_titles(
    parts: Parts, jikan_standin: JikanStandin, limit: int, pages: int
) -> None:
    await parts.sync.sync_top(limit, parts.told.note_progress)
    (stored,) = await parts.rows("select count(*) as n, max(score) as best from anime")
    assert stored.n == limit
    assert jikan_standin.stats().by_path == {"/v4/top/anime": pages}
    assert parts.told.announced == pages
    assert parts.told.progress[0] == (0, limit)
    assert parts.told.progress[-1] == (limit, limit)
    assert [done for done, _ in parts.told.progress] == sorted(done for done, _ in parts.told.progress)


async def test_a_repeated_sync_leaves_everything_as_it_is(parts: Parts) -> None:
    await parts.sync.sync_top(50, parts.told.note_progress)
    before = await parts.rows("select id, mal_id, updated_at from anime order by id")
    parts.told.now += timedelta(hours=1)
    await parts.sync.sync_top(50, parts.told.note_progress)
    assert await parts.rows("select id, mal_id, updated_at from anime order by id") == before


async def test_a_restart_in_the_middle_repeats_pages_harmlessly(
    parts: Parts, jikan_standin: JikanStandin
) -> None:
    jikan_standin.behave("status", match="page=3", status=400)
    with pytest.raises(UpstreamError):
        await parts.sync.sync_top(100, parts.told.note_progress)
    (half,) = await parts.rows("select count(*) as n from anime")
    assert half.n == 50
    jikan_standin.clear()
    await parts.sync.sync_top(100, parts.told.note_progress)
    (whole,) = await parts.rows("select count(*) as n, count(distinct mal_id) as distinct from anime")
    assert (whole.n, whole.distinct) == (100, 100)


async def test_a_list_with_repeating_pages_ends(parts: Parts, jikan_standin: JikanStandin) -> None:
    page = {
        "pagination": {"last_visible_page": 9, "has_next_page": True},
        "data": [{"mal_id": 5, "title": "Over and over"}],
    }
    jikan_standin.behave("body", body=json.dumps(page))
    await parts.sync.sync_top(200, parts.told.note_progress)
    assert jikan_standin.stats().total == 2
    assert parts.told.progress[-1] == (1, 1)


async def test_an_invalid_item_is_skipped_alone(parts: Parts, jikan_standin: JikanStandin) -> None:
    page = {
        "pagination": {"last_visible_page": 1, "has_next_page": False},
        "data": [{"mal_id": 5, "title": "Good"}, {"mal_id": "x"}, None, {"mal_id": 6, "title": "Good too"}],
    }
    jikan_standin.behave("body", body=json.dumps(page))
    await parts.sync.sync_top(25, parts.told.note_progress)
    assert [row.mal_id for row in await parts.rows("select mal_id from anime order by 1")] == [5, 6]


async def test_a_season_is_read_to_its_end(parts: Parts, jikan_standin: JikanStandin) -> None:
    await parts.sync.sync_season(2024, "spring", parts.told.note_progress)
    (stored,) = await parts.rows(
        "select count(*) as n, array_agg(distinct season) as seasons, array_agg(distinct year) as years"
        " from anime"
    )
    assert stored.n > 25
    assert (stored.seasons, stored.years) == (["spring"], [2024])
    assert jikan_standin.stats().total == -(-stored.n // 25)
    assert parts.told.progress[-1] == (stored.n, stored.n)


async def test_malformed_responses_do_not_damage_rows(parts: Parts, jikan_standin: JikanStandin) -> None:
    await parts.sync.sync_anime(777)
    before = await parts.rows("select * from anime")
    for mode in ("html", "garbage", "nan", "deep", "false_gzip"):
        jikan_standin.behave(mode)
        with pytest.raises(UpstreamError):
            await parts.sync.sync_anime(777)
        jikan_standin.clear()
    jikan_standin.behave("body", body=json.dumps({"data": {"mal_id": 5, "title": "Another one"}}))
    with pytest.raises(UpstreamError):
        await parts.sync.sync_anime(777)
    assert await parts.rows("select * from anime") == before


@pytest.mark.parametrize(
    ("now", "season"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), (2026, "winter")),
        (datetime(2026, 3, 31, 23, tzinfo=UTC), (2026, "winter")),
        (datetime(2026, 4, 1, tzinfo=UTC), (2026, "spring")),
        (datetime(2026, 9, 30, tzinfo=UTC), (2026, "summer")),
        (datetime(2026, 12, 31, tzinfo=UTC), (2026, "fall")),
    ],
)
def test_the_season_of_an_instant(now: datetime, season: tuple[int, Season]) -> None:
    assert current_season(now) == season


async def test_requests_name_the_job_and_its_owner(parts: Parts) -> None:
    owner = (
        await add(parts.db, "insert into users (username, password_hash) values ('a', 'x') returning id")
    )[0]
    first = await parts.sync.request_season(None, None, owner_id=owner)
    again = await parts.sync.request_season(2026, "fall", owner_id=None)
    assert (first.key, first.created) == ("anime.sync_season:2026:fall", True)
    assert (again.id, again.created) == (first.id, False)
    assert (await parts.jobs.get(first.id, owner_id=owner)).owner_id == owner
    assert (await parts.sync.request_top(200, owner_id=None)).key == "anime.sync_top:200"
    assert (await parts.sync.request_anime(21, owner_id=None)).key == "anime.sync:21"


async def test_airing_titles_are_refreshed_first_then_unsynced_then_the_oldest(parts: Parts) -> None:
    hours = {1: 3, 2: 7, 3: 30, 4: 24 * 6, 5: 24 * 8, 6: 24 * 40, 7: None, 8: 12}
    status = {1: "airing", 2: "airing", 3: "upcoming", 8: "airing"}
    for mal_id, age in hours.items():
        await add(
            parts.db,
            "with a as (insert into anime (mal_id, title, status)"
            " values (:mal_id, 'T', :status) returning id)"
            " insert into anime_syncs select id, :at from a where cast(:at as timestamptz) is not null"
            " returning anime_id",
            mal_id=mal_id,
            status=status.get(mal_id, "finished"),
            at=None if age is None else parts.told.now - timedelta(hours=age),
        )
    await add(parts.db, "insert into anime (title) values ('Not on MAL') returning id")
    await parts.sync.request_anime(8, owner_id=None)
    assert await parts.sync.refresh_stale() == 5
    keys = list(reversed(await parts.queued()))
    assert sorted(keys[1:]) == [f"anime.sync:{mal_id}" for mal_id in (2, 3, 5, 6, 7)]
    assert await parts.sync.refresh_stale() == 0


async def test_a_round_queues_no_more_than_there_is_room_for(parts: Parts) -> None:
    await add(
        parts.db,
        "insert into anime (mal_id, title) select i, 'T' from generate_series(1, 300) as i returning id",
    )
    for mal_id in range(1, 41):
        await parts.sync.request_anime(mal_id, owner_id=None)
    await parts.refresh_queue.queue(range(41, 61))
    assert await parts.sync.refresh_stale() == MOST_QUEUED - 20
    assert await parts.sync.refresh_stale() == 0
    assert await parts.refresh_queue.room() == 0


async def add(db: Database, sql: str, **parameters: object) -> list[int]:
    async with db.transaction() as tx:
        return list((await tx.session.execute(text(sql), parameters)).scalars())
