"""Events of a transaction: rows of the same commit, a cursor without gaps, published afterwards."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import text

from app.container import Container
from app.schemas.events import EntryChanged, EpisodeReleased, Event
from app.utils.db.database import Transaction
from tests.fixtures.accounts import SignedIn

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def episode(title_id: int, ordinal: float = 1.0) -> EpisodeReleased:
    return EpisodeReleased(title_id, ordinal, "Title", None, None, AT)


async def _emit(container: Container, *events: Event, fail: bool = False) -> None:
    async with container.db.transaction() as tx:
        for event in events:
            tx.emit(event)
        assert 1 / (not fail)


async def test_a_durable_event_is_stored_with_its_transaction_once(container: Container) -> None:
    hints: list[bytes] = []
    container.bus.attach("releases", hints.append)
    with pytest.raises(ZeroDivisionError):
        await _emit(container, episode(1), fail=True)
    assert (await container.events.read("releases", after=0), hints) == ([], [])
    for _ in range(2):
        await _emit(container, episode(1), episode(1, 2.5))
    stored = await container.events.read("releases", after=0)
    assert [one.event for one in stored] == [episode(1), episode(1, 2.5)]
    assert hints == [b"", b""]
    assert [one.id for one in await container.events.read("releases", after=stored[0].id)] == [stored[1].id]
    assert await container.events.read("releases", after=0, since=stored[1].stored_at) == [stored[1]]
    assert await container.events.read("entries", after=0) == []
    assert await container.events.last_id() == stored[1].id


async def test_a_smaller_id_never_appears_after_a_greater_one(container: Container) -> None:
    """For any overlap of transactions, a reader that follows the cursor misses none."""

    async def write(title_id: int) -> None:
        async with container.db.transaction() as tx:
            await tx.session.execute(text("select pg_sleep(:seconds)"), {"seconds": title_id % 5 / 100})
            tx.emit(episode(title_id))

    seen: list[int] = []

    async def follow() -> None:
        cursor = 0
        while len(seen) < 60:
            for one in await container.events.read("releases", after=cursor, limit=7):
                assert isinstance(one.event, EpisodeReleased)
                seen.append(one.event.title_id)
                cursor = one.id

    async with asyncio.timeout(30):
        await asyncio.gather(follow(), *(write(title_id) for title_id in range(60)))
    assert sorted(seen) == list(range(60))


async def test_reactions_run_inside_of_the_transaction(container: Container) -> None:
    told: list[Event] = []

    async def refuse(tx: Transaction, events: Sequence[EpisodeReleased]) -> None:
        told.extend(events)
        raise RuntimeError

    container.events.react(EpisodeReleased, refuse)
    with pytest.raises(RuntimeError):
        await _emit(container, episode(9))
    assert told == [episode(9)]
    assert await container.events.read("releases", after=0) == []


async def test_every_way_to_change_an_entry_emits_an_event(
    client: httpx.AsyncClient, container: Container, user: SignedIn
) -> None:
    async with container.db.transaction() as tx:
        await tx.session.execute(text("insert into anime (title, mal_id, episodes) values ('A', 5, 12)"))
    told: list[EntryChanged] = []
    container.bus.attach("entries", lambda message: told.append(EntryChanged.decode(message)))
    client.headers.update(user.headers)
    seen = {"episode": 4, "progress_percent": 95}
    url = "/users/me/list"
    added = await client.post(url, json={"mal_id": 5, "status": "watching"})
    anime_id, entry_id = added.json()["anime_id"], added.json()["id"]
    for answer in (
        await client.patch(f"{url}/{anime_id}", json={"progress": 3}),
        await client.post("/watch/progress", json=seen | {"anime_id": anime_id}),
        await client.post(f"{url}/{anime_id}/undo"),
        await client.post(
            f"{url}/batch", json={"operations": [{"op": "update", "anime_id": anime_id, "score": 7}]}
        ),
        await client.delete(f"{url}/{anime_id}"),
    ):
        assert answer.is_success, answer.text
    assert {(event.user_id, event.entry_ids) for event in told[1:]} == {(user.id, (entry_id,))}
    assert len(told[1:]) == 5
    assert await container.db.scalar("select count(*) from events") == 0, "their history is their record"
