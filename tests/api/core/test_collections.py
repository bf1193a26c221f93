"""Collections over HTTP."""

from urllib.parse import urlsplit

import httpx
import pytest
from dirty_equals import IsDatetime, IsInt, IsPartialDict
from sqlalchemy import text

from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn

COLLECTIONS = "/collections"


@pytest.fixture
async def titles(database: Database) -> list[int]:
    async with database.transaction() as tx:
        rows = await tx.session.execute(
            text("insert into anime (title) values ('One'), ('Two'), ('Three'), ('Four') returning id")
        )
        return list(rows.scalars())


@pytest.fixture
async def path(mine: httpx.AsyncClient) -> str:
    answer = await mine.post(COLLECTIONS, json={"name": "Rainy days"})
    assert answer.status_code == 201
    return f"{COLLECTIONS}/{answer.json()['id']}"


async def order(mine: httpx.AsyncClient, path: str) -> list[str]:
    rows = (await mine.get(f"{path}/items")).json()
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["anime"]["title"] for row in rows]


async def test_making_changing_and_deleting(mine: httpx.AsyncClient, path: str, user: SignedIn) -> None:
    shown = (await mine.get(path)).json()
    assert shown == {
        "id": IsInt,
        "owner": {"id": user.id, "username": user.username, "avatar": None},
        "name": "Rainy days",
        "description": None,
        "is_public": False,
        "shared": False,
        "items_count": 0,
        "covers": [],
        "created_at": IsDatetime(iso_string=True),
        "updated_at": IsDatetime(iso_string=True),
    }
    assert (await mine.get(COLLECTIONS)).json() == [shown]
    renamed = (await mine.patch(path, json={"name": "Snow", "description": "For winter"})).json()
    assert renamed == IsPartialDict(name="Snow", description="For winter", is_public=False)
    assert (await mine.patch(path, json={})).status_code == 422
    assert (await mine.patch(path, json={"name": " "})).status_code == 422
    assert (await mine.delete(path)).status_code == 204
    assert (await mine.get(path)).status_code == 404


async def test_titles_keep_their_order(mine: httpx.AsyncClient, path: str, titles: list[int]) -> None:
    for anime_id in titles[:3]:
        assert (await mine.post(f"{path}/items", json={"anime_id": anime_id})).status_code == 201
    assert (await mine.post(f"{path}/items", json={"anime_id": titles[0]})).status_code == 409
    await mine.post(f"{path}/items", json={"anime_id": titles[3], "position": 2})
    assert await order(mine, path) == ["One", "Four", "Two", "Three"]
    await mine.post(f"{path}/items", json={"anime_id": titles[2], "position": 1})
    assert await order(mine, path) == ["Three", "One", "Four", "Two"]
    await mine.post(f"{path}/items", json={"anime_id": titles[2], "position": 99})
    assert await order(mine, path) == ["One", "Four", "Two", "Three"]
    for _ in range(2):
        assert (await mine.delete(f"{path}/items/{titles[3]}")).status_code == 204
    assert await order(mine, path) == ["One", "Two", "Three"]
    assert (await mine.get(path)).json()["items_count"] == 3
    assert (await mine.post(f"{path}/items", json={"anime_id": 999_999})).status_code == 404
    assert await order(mine, path) == ["One", "Two", "Three"]


async def test_private_collections_of_other_users_are_not_found(
    mine: httpx.AsyncClient, path: str, titles: list[int], other_user: SignedIn
) -> None:
    theirs = other_user.headers
    for method, where, body in (
        ("GET", path, None),
        ("PATCH", path, {"name": "Mine now"}),
        ("DELETE", path, None),
        ("GET", f"{path}/items", None),
        ("POST", f"{path}/items", {"anime_id": titles[0]}),
        ("DELETE", f"{path}/items/{titles[0]}", None),
        ("POST", f"{path}/share", None),
        ("DELETE", f"{path}/share", None),
    ):
        assert (await mine.request(method, where, json=body, headers=theirs)).status_code == 404
    await mine.patch(path, json={"is_public": True})
    assert (await mine.get(path, headers=theirs)).status_code == 200
    assert (await mine.patch(path, json={"name": "Mine now"}, headers=theirs)).status_code == 404


async def test_a_share_link_works_without_signing_in_until_it_is_revoked(
    mine: httpx.AsyncClient, path: str, titles: list[int]
) -> None:
    await mine.post(f"{path}/items", json={"anime_id": titles[0]})
    link = urlsplit((await mine.post(f"{path}/share")).json()["share_url"]).path
    anonymous = {"Authorization": ""}
    shown = (await mine.get(link, headers=anonymous)).json()
    assert shown == IsPartialDict(name="Rainy days", items=[IsPartialDict(anime_id=titles[0])])
    newer = urlsplit((await mine.post(f"{path}/share")).json()["share_url"]).path
    assert (await mine.get(link, headers=anonymous)).status_code == 404
    assert (await mine.get(newer, headers=anonymous)).status_code == 200
    assert (await mine.delete(f"{path}/share")).status_code == 204
    assert (await mine.get(newer, headers=anonymous)).status_code == 404


async def test_a_share_link_leads_a_browser_to_the_page_and_a_program_to_the_collection(
    mine: httpx.AsyncClient, path: str
) -> None:
    link = urlsplit((await mine.post(f"{path}/share")).json()["share_url"]).path
    navigation = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    led = await mine.get(link, headers={"Authorization": "", "Accept": navigation})
    assert led.status_code == 303
    assert led.headers["Location"] == f"/shared/{link.rpartition('/')[2]}"
    page = await mine.get(led.headers["Location"], headers={"Accept": navigation})
    assert page.headers["Content-Type"].startswith("text/html")
    for accept in ("*/*", "application/json"):
        shown = await mine.get(link, headers={"Authorization": "", "Accept": accept})
        assert shown.json()["name"] == "Rainy days"
    assert "Accept" in shown.headers["Vary"]
    assert "Accept" in led.headers["Vary"]


async def test_a_share_link_can_be_shown_again_to_its_owner(
    mine: httpx.AsyncClient, path: str, database: Database, other_user: SignedIn
) -> None:
    assert (await mine.get(f"{path}/share")).status_code == 404
    for _ in range(2):
        made = (await mine.post(f"{path}/share")).json()
        assert (await mine.get(f"{path}/share")).json() == made
        assert (await mine.get(path)).json()["shared"] is True
    token = made["share_url"].rpartition("/")[2].encode()
    async with database.transaction() as tx:
        stored = (await tx.session.execute(text("select share_hash, share_token from collections"))).one()
    assert token not in stored.share_hash + stored.share_token, "who reads the database has no link"
    await mine.patch(path, json={"is_public": True})
    theirs = await mine.get(f"{path}/share", headers=other_user.headers)
    assert theirs.status_code == 404
    await mine.delete(f"{path}/share")
    assert (await mine.get(f"{path}/share")).status_code == 404
    assert (await mine.get(path)).json()["shared"] is False


async def test_older_share_links_still_work_and_can_be_replaced(
    mine: httpx.AsyncClient, path: str, database: Database
) -> None:
    link = urlsplit((await mine.post(f"{path}/share")).json()["share_url"]).path
    for old in (None, b"encrypted with a secret that is gone"):
        async with database.transaction() as tx:
            await tx.session.execute(text("update collections set share_token = :old"), {"old": old})
        assert (await mine.get(f"{path}/share")).status_code == 404
        assert (await mine.get(link, headers={"Authorization": ""})).status_code == 200
    await mine.post(f"{path}/share")
    assert (await mine.get(f"{path}/share")).status_code == 200


async def test_collections_show_whose_they_are_and_their_first_four_covers(
    mine: httpx.AsyncClient,
    path: str,
    titles: list[int],
    user: SignedIn,
    other_user: SignedIn,
    database: Database,
) -> None:
    async with database.transaction() as tx:
        more = "insert into anime (title) values ('Five'), ('Six') returning id"
        titles = [*titles, *(await tx.session.execute(text(more))).scalars()]
        covered = [titles[0], *titles[2:]]
        await tx.session.execute(
            text("update anime set image_url = 'https://img.example/' || title where id = any(:ids)"),
            {"ids": covered},
        )
    for anime_id in titles:
        await mine.post(f"{path}/items", json={"anime_id": anime_id})
    covers = [f"https://img.example/{name}" for name in ("One", "Three", "Four", "Five")]
    owner = {"id": user.id, "username": user.username, "avatar": None}
    link = (await mine.post(f"{path}/share")).json()["share_url"]
    await mine.patch(path, json={"is_public": True})
    for shown in (
        (await mine.get(path)).json(),
        (await mine.get(COLLECTIONS)).json()[0],
        (await mine.get(path, headers=other_user.headers)).json(),
        (await mine.get(urlsplit(link).path, headers={"Authorization": ""})).json(),
    ):
        assert shown == IsPartialDict(owner=owner, covers=covers, items_count=6, shared=True)


async def test_edits_without_a_change_have_no_effect(
    mine: httpx.AsyncClient, path: str, titles: list[int]
) -> None:
    for anime_id in titles[:2]:
        await mine.post(f"{path}/items", json={"anime_id": anime_id})
    before = (await mine.get(path)).json()
    moved = await mine.post(f"{path}/items", json={"anime_id": titles[1], "position": 2})
    assert moved.json()["position"] == 2
    for answer in (
        await mine.delete(f"{path}/items/{titles[3]}"),
        await mine.delete(f"{path}/items/999999"),
        await mine.post(f"{path}/items", json={"anime_id": titles[0]}),
        await mine.post(f"{path}/items", json={"anime_id": titles[1], "position": 99}),
        await mine.patch(path, json={"name": before["name"]}),
        await mine.patch(path, json={"description": None, "is_public": False}),
        await mine.post(f"{path}/share"),
        await mine.delete(f"{path}/share"),
    ):
        assert answer.status_code < 500
        assert (await mine.get(path)).json() == before
    await mine.delete(f"{path}/items/{titles[0]}")
    after = (await mine.get(path)).json()
    assert after["updated_at"] > before["updated_at"]
    await mine.patch(path, json={"name": "Snow"})
    assert (await mine.get(path)).json()["updated_at"] > after["updated_at"]
