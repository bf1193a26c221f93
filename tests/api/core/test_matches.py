"""Entries whose titles are added to the catalogue later: their history and undo."""

from typing import Any

import httpx
import pytest
from dirty_equals import IsPartialDict
from sqlalchemy import text

from app.container import Container
from app.tasks import performer
from app.utils.db.database import Database
from tests.fixtures.importing import undo_import

LIST, IMPORT, ITEMS = "/users/me/list", "/users/me/import", "/api/library/items"


class Story:
    """A user who imports titles 77 and 78 before they are in the catalogue, and what follows."""

    def __init__(self, mine: httpx.AsyncClient, container: Container) -> None:
        self.mine = mine
        self.container = container

    async def imports(self, *mal_ids: int, progress: int = 3) -> int:
        rows = "".join(
            f"<anime><series_animedb_id>{mal_id}</series_animedb_id><series_title>File</series_title>"
            f"<series_episodes>24</series_episodes><my_status>Watching</my_status>"
            f"<my_watched_episodes>{progress}</my_watched_episodes></anime>"
            for mal_id in mal_ids
        )
        files = {"file": ("list.xml", f"<myanimelist>{rows}</myanimelist>".encode())}
        job = int((await self.mine.post(IMPORT, files=files)).json()["job_id"])
        await self.container.jobs.run(job, performer(self.container))
        return job

    async def learns(self, *mal_ids: int, episodes: int | None = 12) -> None:
        async with self.container.db.transaction() as tx:
            await tx.session.execute(
                text(
                    "insert into anime (mal_id, title, episodes) "
                    "select n, 'Known ' || n, :episodes from unnest(cast(:mal_ids as int[])) n"
                ),
                {"mal_ids": list(mal_ids), "episodes": episodes},
            )
        assert await self.container.library.entries.match() == len(mal_ids)

    async def undoes(self, job: int) -> int:
        return await undo_import(self.container, self.mine, job)

    async def entries(self) -> dict[int, dict[str, Any]]:
        listed = (await self.mine.get(LIST)).json()
        return {entry["anime"]["mal_id"]: entry for entry in listed}


@pytest.fixture
def story(mine: httpx.AsyncClient, container: Container) -> Story:
    return Story(mine, container)


async def test_an_import_is_undone_after_its_titles_were_added_to_the_catalogue(story: Story) -> None:
    job = await story.imports(77, 78)
    await story.learns(77)
    assert await story.undoes(job) == 2
    assert await story.entries() == {}


async def test_edits_after_the_match_are_kept(story: Story, mine: httpx.AsyncClient) -> None:
    job = await story.imports(77, 78)
    await story.learns(77, 78)
    known = (await story.entries())[77]["anime_id"]
    await mine.patch(f"{LIST}/{known}", json={"progress": 5})
    assert await story.undoes(job) == 1
    assert (await story.entries()) == {77: IsPartialDict(anime_id=known, progress=5)}


async def test_edits_before_the_match_are_kept(story: Story, mine: httpx.AsyncClient) -> None:
    job = await story.imports(77)
    [item] = (await mine.get(ITEMS)).json()
    await mine.patch(f"{ITEMS}/{item['id']}", json={"progress": 5})
    await story.learns(77)
    assert await story.undoes(job) == 0
    assert (await story.entries())[77]["progress"] == 5


@pytest.mark.parametrize("episodes", [12, None])
async def test_an_updated_entry_is_restored_and_stays_linked(
    story: Story, mine: httpx.AsyncClient, database: Database, episodes: int | None
) -> None:
    own = {"title": "Mine", "type": "anime", "source": "me", "mal_id": 77, "progress": 1, "max_progress": 30}
    await mine.post(ITEMS, json={**own, "status": "watching"})
    job = await story.imports(77, progress=9)
    await story.learns(77, episodes=episodes)
    # the total may be learnt later
    async with database.transaction() as tx:
        await tx.session.execute(text("update anime set episodes = 12"))
    assert await story.undoes(job) == 1
    entry = (await story.entries())[77]
    assert entry["progress"] == 1
    assert entry["anime"] == IsPartialDict(id=entry["anime_id"], title="Known 77")
    assert entry["max_progress"] == (episodes or 30)
    [item] = (await mine.get(ITEMS)).json()
    assert item == IsPartialDict(title="Known 77", source="me")


async def test_the_history_moves_with_the_entry_and_records_the_match(
    story: Story, mine: httpx.AsyncClient
) -> None:
    await story.imports(77)
    before = (await story.entries())[77]
    await story.learns(77)
    entry = (await story.entries())[77]
    assert entry["id"] == before["id"]
    path = f"{LIST}/{entry['anime_id']}"
    changes = (await mine.get(f"{path}/history")).json()
    assert [(change["origin"], change["before"] is None) for change in changes] == [
        ("match", False),
        ("import", True),
    ]
    assert (changes[0]["before"]["max_progress"], changes[0]["after"]["max_progress"]) == (24, None)


async def test_undo_applies_to_the_users_change_not_to_the_match(
    story: Story, mine: httpx.AsyncClient
) -> None:
    own = {"title": "Mine", "type": "anime", "source": "me", "mal_id": 77, "status": "watching"}
    item = (await mine.post(ITEMS, json=own)).json()
    await mine.patch(f"{ITEMS}/{item['id']}", json={"progress": 4})
    await story.learns(77)
    path = f"{LIST}/{(await story.entries())[77]['anime_id']}"
    back = (await mine.post(f"{path}/undo")).json()
    assert (back["progress"], back["anime"]["title"]) == (0, "Known 77")
    assert (await mine.get(ITEMS)).json()[0]["title"] == "Known 77"
    assert (await mine.post(f"{path}/undo")).json() is None
    assert (await mine.post(f"{path}/undo")).status_code == 404


async def test_a_match_takes_the_place_of_a_deletion(story: Story, mine: httpx.AsyncClient) -> None:
    """The title was deleted, then added again by its bare id: another device must not delete it again."""
    async with story.container.db.transaction() as tx:
        await tx.session.execute(text("insert into anime (mal_id, title) values (77, 'Known')"))
    [known] = [entry["id"] for entry in (await mine.get("/anime")).json()]
    await mine.post(LIST, json={"anime_id": known, "status": "watching"})
    await mine.delete(f"{LIST}/{known}")
    async with story.container.db.transaction() as tx:
        await tx.session.execute(text("update anime set mal_id = null"))
    await story.imports(77)
    async with story.container.db.transaction() as tx:
        await tx.session.execute(text("update anime set mal_id = 77"))
    assert await story.container.library.entries.match() == 1
    changed = (await mine.get(LIST, params={"updated_since": "2020-01-01T00:00:00Z"})).json()
    assert [(entry["anime_id"], entry.get("deleted", False)) for entry in changed] == [(known, False)]


async def test_a_user_has_a_title_only_once(story: Story, mine: httpx.AsyncClient) -> None:
    """Two unmatched entries that turn out to be one title.

    The older one is linked, the other is left unchanged.
    """
    for ids in ({"mal_id": 77}, {"anilist_id": 88}):
        own = {"title": str(ids), "type": "anime", "source": "me", "status": "watching", **ids}
        assert (await mine.post(ITEMS, json=own)).status_code == 200
    async with story.container.db.transaction() as tx:
        await tx.session.execute(text("insert into anime (mal_id, anilist_id, title) values (77, 88, 'K')"))
    assert await story.container.library.entries.match() == 1
    assert await story.container.library.entries.match() == 0
    assert sorted(item["mal_id"] or 0 for item in (await mine.get(ITEMS)).json()) == [0, 77]


@pytest.mark.parametrize("how", ["core", "tracker", "batch"])
async def test_an_entry_with_a_bare_id_is_not_added_twice(
    story: Story, mine: httpx.AsyncClient, how: str
) -> None:
    """Between the addition of a title to the catalogue and the next matching job."""
    await story.imports(77, 78)
    async with story.container.db.transaction() as tx:
        rows = await tx.session.execute(
            text("insert into anime (mal_id, title) values (77, 'K') returning id")
        )
        known = rows.scalar_one()
    own = {"title": "Mine", "type": "anime", "source": "me", "mal_id": 77}
    operations = [{"op": "add", "anime_id": known, "status": "dropped"}]
    path, body = {
        "core": (LIST, {"mal_id": 77, "status": "dropped"}),
        "tracker": (ITEMS, own),
        "batch": (f"{LIST}/batch", {"operations": operations}),
    }[how]
    answer = await mine.post(path, json=body)
    status = answer.json()["results"][0]["status"] if how == "batch" else answer.status_code
    assert status == 409
    entries = await story.entries()
    assert sorted(entries) == [77, 78]
    assert await story.container.library.entries.match() == 0  # the refusal linked it
    assert (await story.entries())[77] == IsPartialDict(anime_id=known, status="watching", progress=3)
