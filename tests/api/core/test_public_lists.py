"""Profile settings, and what others see of a public list."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from dirty_equals import IsPartialDict
from sqlalchemy import text

from app.container import Container
from app.services.library import LibraryService, Operation, Target
from app.utils.db.database import Database
from tests.fixtures.accounts import SignedIn

ME = "/users/me"


@pytest.fixture
async def titles(database: Database) -> list[int]:
    async with database.transaction() as tx:
        rows = await tx.session.execute(
            text("insert into anime (title, episodes) select 'T', 12 from generate_series(1, 3) returning id")
        )
        return list(rows.scalars())


async def test_settings_have_defaults_and_are_changed_one_by_one(
    client: httpx.AsyncClient, user: SignedIn
) -> None:
    client.headers.update(user.headers)
    assert (await client.get(ME)).json() == IsPartialDict(
        timezone="UTC", title_language="romaji", adult=False, list_visibility="private"
    )
    for change in (
        {"timezone": "Asia/Tokyo"},
        {"title_language": "russian"},
        {"adult": True},
        {"list_visibility": "public"},
    ):
        assert (await client.patch(ME, json=change)).json() == IsPartialDict(change)
    form = {"adult": "false", "timezone": "Europe/Berlin"}
    assert (await client.patch(ME, data=form)).json() == IsPartialDict(
        adult=False, timezone="Europe/Berlin", title_language="russian", list_visibility="public"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"timezone": "Mars/Olympus"},
        *({"timezone": name} for name in ("localtime", "Factory", "right/UTC", "Europe", "europe/berlin")),
        {"timezone": "../etc/passwd"},
        {"timezone": None},
        {"timezone": ""},
        {"title_language": "klingon"},
        {"adult": "yes"},
        {"adult": None},
        {"list_visibility": "friends"},
    ],
)
async def test_settings_that_do_not_exist_are_refused(
    client: httpx.AsyncClient, user: SignedIn, change: dict[str, Any]
) -> None:
    answer = await client.patch(ME, json=change, headers=user.headers)
    assert answer.status_code == 422
    [error] = answer.json()["details"]["errors"]
    assert error["field"] == next(iter(change))


async def test_a_list_is_seen_by_others_once_it_is_public(
    client: httpx.AsyncClient, user: SignedIn, titles: list[int]
) -> None:
    for number, id_ in enumerate(titles):
        body = {"status": "watching", "progress": 3, "score": 8, "notes": "mine", "is_private": number == 0}
        await client.put(f"/users/me/list/{id_}", json=body, headers=user.headers)
    paths = (f"/users/by-name/{user.username.upper()}", f"/users/{user.id}/list", f"/users/{user.id}/stats")
    for path in paths:
        assert (await client.get(path)).status_code == 404, path
    await client.patch(ME, json={"list_visibility": "public"}, headers=user.headers)
    profile, listed, stats = [(await client.get(path)).json() for path in paths]
    assert profile["id"] == user.id
    assert [entry["anime_id"] for entry in listed] == titles[:0:-1]
    assert all({"notes", "is_private"}.isdisjoint(entry) for entry in listed)
    assert stats == IsPartialDict(total=2, episodes=6, mean_score=8)
    assert sum(day["episodes"] for day in stats["activity"]) == 6
    some = await client.get(f"/users/{user.id}/list?fields=id,notes&status=watching&limit=1&expand=anime")
    assert [list(entry) for entry in some.json()] == [["id"]]
    assert some.headers["X-Total-Count"] == "2"
    await client.patch(ME, json={"list_visibility": "private"}, headers=user.headers)
    for path in paths:
        assert (await client.get(path)).status_code == 404, path


@pytest.mark.parametrize(
    ("zone", "day"),
    [("UTC", "2026-11-28"), ("Pacific/Kiritimati", "2026-11-29"), ("Pacific/Pago_Pago", "2026-11-27")],
)
async def test_dates_use_the_users_time_zone(
    client: httpx.AsyncClient,
    container: Container,
    database: Database,
    user: SignedIn,
    titles: list[int],
    zone: str,
    day: str,
) -> None:
    await client.patch(ME, json={"timezone": zone}, headers=user.headers)
    library = LibraryService(database, clock=lambda: datetime(2026, 11, 28, 10, 30, tzinfo=UTC))
    operation = Operation("add", Target(anime_id=titles[0]), {"status": "watching", "progress": 1})
    await library.edit(user.id, operation, origin="api")
    entry = (await client.get(f"/users/me/list/{titles[0]}", headers=user.headers)).json()
    assert entry["started_at"] == day


async def test_field_errors_are_machine_readable_too(
    client: httpx.AsyncClient, user: SignedIn, other_user: SignedIn, titles: list[int]
) -> None:
    async def errors(answer: httpx.Response) -> list[Any]:
        details = answer.json()["details"]
        assert set(details["fields"]) == {error["field"] for error in details["errors"]}
        return [(error["field"], error["code"], error["params"]) for error in details["errors"]]

    client.headers.update(user.headers)
    path = f"/users/me/list/{titles[0]}"
    await client.put(path, json={"status": "watching"})
    assert await errors(await client.patch(path, json={"progress": 99})) == [
        ("progress", "above_total", {"max": 12})
    ]
    assert await errors(await client.patch(path, json={"status": "seen", "x": 1})) == [
        (
            "status",
            "not_allowed",
            {"allowed": ["watching", "completed", "plan_to_watch", "dropped", "on_hold"]},
        ),
        ("x", "unknown", {}),
    ]
    assert await errors(await client.get("/anime?limt=3")) == [("limt", "unknown", {"nearest": "limit"})]
    assert await errors(await client.get("/anime?limit=300")) == [("limit", "too_large", {"max": 100})]
    assert await errors(await client.get("/anime?limit=x")) == [("limit", "wrong_type", {})]
    taken = await client.patch(ME, json={"username": other_user.username})
    assert (taken.status_code, await errors(taken)) == (409, [("username", "taken", {})])
    again = {"email": "twice@example.org", "password": "a long password 1"}
    assert (await client.post("/auth/register", json=again)).status_code == 201
    refused = await client.post("/auth/register", json=again)
    assert (refused.status_code, await errors(refused)) == (409, [("email", "taken", {})])
    wrong = await client.post(
        "/auth/password", json={"current_password": "no", "new_password": "another long one 2"}
    )
    assert (wrong.status_code, await errors(wrong)) == (403, [("current_password", "wrong", {})])
    named = await client.patch(ME, json={"username": "no spaces"})
    assert "^" not in named.text
    assert await errors(named) == [("username", "wrong_format", {})]


async def test_personal_responses_are_cached_and_revalidated(
    client: httpx.AsyncClient, user: SignedIn, titles: list[int]
) -> None:
    client.headers.update(user.headers)
    for path in ("/users/me", "/users/me/list", "/users/me/stats"):
        first = await client.get(path)
        assert first.headers["Cache-Control"] == "private, no-cache"
        known = {"If-None-Match": first.headers["ETag"]}
        again = await client.get(path, headers=known)
        assert (again.status_code, again.content) == (304, b""), path
        await client.patch(ME, json={"full_name": path})
        await client.put(
            f"/users/me/list/{titles[0]}", json={"status": "watching", "notes": path, "score": len(path) % 10}
        )
        assert (await client.get(path, headers=known)).status_code == 200, path
