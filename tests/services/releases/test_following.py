"""Polling AniLibria: each new episode or release becomes one event, whoever reads it first."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.config import Settings
from app.container import Container, build
from app.errors import UpstreamFailure
from app.schemas.events import EpisodeReleased, Event, ReleaseAdded, ReleaseStatusChanged
from app.utils.db.database import Database
from app.utils.redis.rate_limit import Rate
from tests.standin import AniLibriaStandin
from tests.standin.anilibria import made_episode, made_release

pytestmark = pytest.mark.xdist_group("anilibria")


@pytest.fixture
async def container(
    settings: Settings, database: Database, anilibria_standin: AniLibriaStandin
) -> AsyncIterator[Container]:
    told = settings.model_copy(update={"anilibria_base_url": anilibria_standin.base_url})
    rate = Rate.of(per_second=3000, per_minute=180_000)
    async with build(told, db=database, anilibria_rate=rate) as container:
        yield container


def release(
    standin: AniLibriaStandin, title_id: int, *ordinals: float, status: bool | None = None, **fields: Any
) -> None:
    """Give a title these episodes, released now."""
    now = datetime.now(UTC)
    episodes = [{**made_episode(title_id, one), "updated_at": now.isoformat()} for one in ordinals]
    told = {"episodes": episodes, "fresh_at": (now + timedelta(seconds=1)).isoformat(), **fields}
    standin.change(title_id, **told)


async def events(container: Container) -> list[Event]:
    return [stored.event for stored in await container.events.read("releases", after=0)]


def told(found: list[Event]) -> list[tuple[int, float]]:
    return [(one.title_id, one.ordinal) for one in found if isinstance(one, EpisodeReleased)]


async def test_the_first_poll_announces_nothing(
    container: Container, anilibria_standin: AniLibriaStandin
) -> None:
    assert await container.releases.following.poll() == 0
    assert anilibria_standin.stats().total == 1
    assert await container.releases.following.poll() == 0
    assert await events(container) == []


async def test_a_new_episode_is_announced_once_whoever_reads_it_first(
    container: Container, anilibria_standin: AniLibriaStandin
) -> None:
    following, titles = container.releases.following, container.releases.titles
    await following.poll()
    known = (await titles.title(100)).body
    release(anilibria_standin, 100, 1, 2, 2.5, 3, 4)
    release(anilibria_standin, 60, 1, 2, 2.5, 3, 4, 5)  # not in the newest fifty before
    await asyncio.gather(*(following.poll() for _ in range(4)))
    assert await following.poll() == 0
    assert told(await events(container)) == [(100, 4), (60, 5)] or told(await events(container)) == [
        (60, 5),
        (100, 4),
    ]
    assert (await titles.title(100)).body != known, "every level was told"
    release(anilibria_standin, 100, 1, 2, 2.5, 3, 4, 5)
    await titles.clear("title:100")
    await titles.title(100)
    async with asyncio.timeout(10):
        while len(await events(container)) < 3:  # noqa: ASYNC110  # the refresh runs in the background
            await asyncio.sleep(0.05)
    await following.poll()
    assert told(await events(container))[2:] == [(100, 5)]
    release(anilibria_standin, 100, 1, 2, 3)
    await following.poll()
    release(anilibria_standin, 100, 1, 2, 2.5, 3, 4, 5)
    await following.poll()
    assert len(await events(container)) == 3, "an episode that is uploaded again is not new"


async def test_new_titles_and_status_changes_are_announced(
    container: Container, anilibria_standin: AniLibriaStandin
) -> None:
    following = container.releases.following
    await following.poll()
    await following.mirror()
    assert await events(container) == []
    now = datetime.now(UTC) + timedelta(seconds=2)
    fields = {**made_release(5000), "created_at": now.isoformat(), "fresh_at": now.isoformat()}
    anilibria_standin.change(5000, **{**fields, "is_ongoing": True, "episodes": [made_episode(5000, 1)]})
    release(anilibria_standin, 100, 1, 2, 2.5, 3, is_ongoing=False)
    await following.poll()
    await following.poll()
    found = await events(container)
    added = [one for one in found if isinstance(one, ReleaseAdded)]
    assert [(one.title_id, one.title) for one in added] == [(5000, "Тайтл номер 5000")]
    assert told(found) == [(5000, 1)]
    (changed,) = [one for one in found if isinstance(one, ReleaseStatusChanged)]
    assert (changed.title_id, changed.old_status, changed.new_status) == (100, "airing", "finished")


async def test_a_title_that_appears_in_the_lists_is_new_whatever_its_dates_are(
    container: Container, anilibria_standin: AniLibriaStandin
) -> None:
    """Its dates are of 2025, as of a release that the source had hidden, or one without dates."""
    following = container.releases.following
    await following.poll()
    anilibria_standin.change(5999, **{**made_release(119), "id": 5999, "name": {"main": "До обхода"}})
    await following.poll()
    await following.mirror()
    assert await events(container) == [], "before the catalogue is known an unknown title may be an old one"
    anilibria_standin.change(6000, **{**made_release(118), "id": 6000, "name": {"main": "Из списка"}})
    undated = {"created_at": None, "fresh_at": None, "updated_at": None}
    anilibria_standin.change(6001, **{**made_release(1), "id": 6001, "episodes": [], **undated})
    await following.poll()
    await following.mirror()
    await following.poll()
    found = await events(container)
    added = [one.title_id for one in found if isinstance(one, ReleaseAdded)]
    assert (sorted(added), told(found)) == ([6000, 6001], [(6000, 3)])


async def test_a_newer_last_episode_in_the_list_is_enough(
    container: Container, anilibria_standin: AniLibriaStandin
) -> None:
    """The dates of the release do not change, and its details were never fetched."""
    following = container.releases.following
    await following.poll()
    episodes = [made_episode(120, ordinal) for ordinal in (1, 2, 2.5, 3, 4)]
    anilibria_standin.change(120, episodes=episodes)
    await following.poll()
    await following.poll()
    assert told(await events(container)) == [(120, 4)]
    bare = {key: value for key, value in made_release(110).items() if key != "episodes"}
    anilibria_standin.behave("body", match="/releases/110$", body=json.dumps(bare))
    latest = [{**bare, "latest_episode": made_episode(110, 5)}]
    anilibria_standin.behave("body", match="/latest", body=json.dumps(latest))
    for _ in range(3):
        await following.poll()
    assert told(await events(container)) == [(120, 4), (110, 5)]
    assert [call.target for call in anilibria_standin.calls()].count("/api/v1/anime/releases/110") == 1


async def test_events_during_an_outage_are_delivered_after_it(
    container: Container, anilibria_standin: AniLibriaStandin
) -> None:
    following = container.releases.following
    await following.poll()
    anilibria_standin.behave("html")
    release(anilibria_standin, 90, 1, 2, 2.5, 3, 4)
    with pytest.raises(UpstreamFailure):
        await following.poll()
    anilibria_standin.clear()
    anilibria_standin.behave("status", match="/releases/90$", times=1, status=404)
    await following.poll()
    assert told(await events(container)) == [], "its details could not be read"
    await following.poll()
    assert told(await events(container)) == [(90, 4)]


async def test_the_mirror_holds_every_release_once(container: Container) -> None:
    count = await container.releases.following.mirror()
    assert count >= 120
    assert await container.db.scalar("select count(*) from releases") == count
    assert not await container.releases.following.is_mirror_due()


async def test_details_without_episodes_or_instants_are_fetched_once(
    container: Container, anilibria_standin: AniLibriaStandin
) -> None:
    following = container.releases.following
    await following.poll()
    bare = {key: value for key, value in made_release(119).items() if key != "episodes"}
    anilibria_standin.behave("body", match="/releases/119$", body=json.dumps(bare))
    release(anilibria_standin, 119, 1, 2, 2.5, 3)
    no_instants = {"id": 7000, "name": {"main": "Без дат"}}
    anilibria_standin.behave("body", match="/releases/7000$", body=json.dumps(no_instants))
    anilibria_standin.behave("body", match="/latest", body=json.dumps([bare, no_instants]))
    for _ in range(4):
        await following.poll()
    calls = [call.target.rpartition("/")[2] for call in anilibria_standin.calls()]
    assert (calls.count("119"), calls.count("7000")) == (0, 1), "119 has not changed since the first poll"
    later = {**bare, "fresh_at": (datetime.now(UTC) + timedelta(seconds=5)).isoformat()}
    anilibria_standin.behave("body", match="/releases/119$", body=json.dumps(later))
    anilibria_standin.behave("body", match="/latest", body=json.dumps([later, no_instants]))
    for _ in range(3):
        await following.poll()
    calls = [call.target.rpartition("/")[2] for call in anilibria_standin.calls()]
    assert (calls.count("119"), calls.count("7000")) == (1, 1)


async def test_a_change_that_is_delivered_twice_is_one_event(
    container: Container, anilibria_standin: AniLibriaStandin
) -> None:
    following, titles = container.releases.following, container.releases.titles
    await following.poll()
    release(anilibria_standin, 100, 1, 2, 2.5, 3, 4)
    twice = [{**made_release(100), "latest_episode": made_episode(100, 4)}] * 2
    anilibria_standin.behave("body", match="/latest", body=json.dumps(twice), times=2)
    await following.poll()
    await following.poll()
    await asyncio.gather(*(following.sync(100, force=True) for _ in range(3)), following.poll())
    await titles.updates(page=1, limit=10)
    assert told(await events(container)) == [(100, 4)]
