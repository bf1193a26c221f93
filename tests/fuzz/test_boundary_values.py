"""Writes with boundary values in every field, then all reads: no 5xx, and reads stay 2xx."""

import asyncio
import json
import math
import os
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import pytest

from app.container import Container
from tests.fixtures.accounts import SignedIn, make_account

# Values that no row can hold must be rejected; values that a row can hold must not break later additions,
# multiplications or reads. So every sequence keeps an account with a list, and adds to it.
# The variable is the number of sequences; if it is set, each run generates different ones.
MORE = os.environ.get("FUZZ_EXAMPLES")
SEQUENCES = int(MORE or "200")
STEPS = 4  # per sequence
AT_ONCE = 8
BEYOND = 0.2  # probability of a value that no column of its type can hold; the others can do harm later

# A literal as written in JSON; Python has no such number.
LITERALS = ("1e400", "-1e400", "-0", "1E-320", "1.0")
WRONG: list[Any] = [None, True, [], {}, "7", "2147483648"]
LATE, EARLY = "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"
# By kind: boundary values that a column can hold, and values that no column of the kind can hold.
VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "whole": (
        [0, 1, 9_999, 10_000, 10_001, 99_999, 100_000, 100_001, 1_000_000, 1_000_001, 2**31 - 2, 2**31 - 1],
        [
            2**31, 2**63 - 1, 2**63, 2**64, 10**40, -1, -(2**31), -(2**31) - 1, -(2**63), -(2**63) - 1, 1e308,
            1.5, *(f"@{literal}" for literal in LITERALS), *WRONG,
        ],
    ),
    "number": (
        [1e-320, -0.0, 0.009, 0.01, 5.5, 10.0, 89.999, 90.0, 100.0, 10_000.0, 10_000.01, 1e308],
        [math.nan, math.inf, -math.inf, -1e308, 10**400, *(f"@{literal}" for literal in LITERALS), *WRONG],
    ),
    "day": (
        [
            "0001", "0001-01-01", "1899", "1899-12-31", "1900", "1900-01-01", "2016-02-29", "2200-12-31",
            "2201", "2201-01", "9999-12-31", "2017-10",
        ],
        ["0000", "2015-02-30", "10000-01-01", "-2000", "20171010", "", *WRONG],
    ),
    "instant": (
        [
            EARLY, LATE, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00-14:00", "1899-12-31T23:59:59Z",
            "1900-01-01T00:00:00Z", "1900-01-01T00:00:00+14:00", "1899-12-31T23:00:00-14:00",
            "2026-11-20T21:05:11.123456789Z", "2026-11-20T21:05:11+23:59", "2200-12-31T23:59:59Z",
            "2200-12-31T23:59:59-14:00", "2201-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z",
            "9999-12-31T23:59:59+14:00",
        ],
        [
            "0000-12-31T23:59:59Z", "2016-12-31T23:59:60Z", "2026-11-20T21:05:11+24:00",
            "10000-01-01T00:00:00Z", "", 2**40, *WRONG,
        ],
    ),
    "text": (
        [
            "x", "x" * 100, "x" * 101, "x" * 500, "x" * 501, "x" * 10_000, "x" * 10_001, "e\u0301" * 400,
            "\U0001f9ff" * 500, "<&>'\"]]>", "=1+1", "%_", "\u202e", "\x1f", "", " ",
        ],
        ["\x00", "\ud800", *WRONG],
    ),
    "texts": (
        [
            [], ["x"], ["x" * 100], ["x" * 1000], ["\U0001f9ff" * 1000], ["x" * 1001], [" "],
            [str(number) for number in range(50)], [str(number) for number in range(51)],
        ],
        [["\x00"], ["\ud800"], [7], *WRONG],
    ),
    "status": (["watching", "completed", "plan_to_watch", "dropped", "on_hold"], [*WRONG]),
    "word": (["planning", "CURRENT", "REPEATING", "completed", "paused"], [*WRONG]),
    "aired": (["airing", "finished", "upcoming"], [*WRONG]),
    "flag": ([True, False], [None, 1, "yes"]),
}  # fmt: skip

ENTRY = {
    "status": "status", "score": "number", "progress": "whole", "max_progress": "whole",
    "is_rewatching": "flag", "rewatch_count": "whole", "started_at": "day", "finished_at": "day",
    "notes": "text", "tags": "texts", "is_private": "flag",
}  # fmt: skip
ITEM = {
    "status": "word", "title": "text", "source": "text", "progress": "whole", "max_progress": "whole",
    "format": "text",
}  # fmt: skip
TITLE = {
    "anilist_id": "whole", "status": "aired", "year": "whole", "episodes": "whole", "score": "number",
    "duration_minutes": "number", "scored_by": "whole", "popularity": "whole", "members": "whole",
    "synopsis": "text", "aired_from": "day", "genres": "texts", "studios": "texts",
}  # fmt: skip
STOP = {
    "episode": "whole", "position_seconds": "whole", "progress_percent": "number", "client_ts": "instant",
}  # fmt: skip
VIEW = {"episode": "whole", "release_id": "whole", "at": "instant"}
COLLECTION = {"name": "text", "description": "text"}
PAGE = {"limit": "whole", "offset": "whole", "page": "whole"}
QUERIES = {
    "/users/me/list": {"updated_since": "instant", **PAGE},
    "/api/library/items": {"q": "text", **PAGE},
    "/anime": {"year": "whole", "year_from": "whole", "min_score": "number", "genre": "whole", **PAGE},
    "/users/me/recommendations": {"limit": "whole", "offset": "whole", "diversity": "number"},
    "/views": PAGE,
    "/watch/continue": PAGE,
}
COUNTED = {"duration_minutes": "number", "episodes": "whole", "scored_by": "whole", "members": "whole"}
READS = ("/users/me/stats", "/watch/continue", "/users/me/recommendations")
# Every sequence reads some of these.
OTHER_READS = (
    "/users/me/list?updated_since=2020-01-01T00:00:00Z", "/api/library/items", "/api/library/summary",
    "/views", "/users/me/export", "/users/me/export?format=mal_xml", "/users/me/export?format=json",
    "/users/me/export?format=csv",
)  # fmt: skip

Step = tuple[str, dict[str, Any]]


class Draw:
    """Boundary values in rotation: each value of a field is used once before one repeats."""

    def __init__(self, seed: int | None) -> None:
        self.chance = random.Random(seed)
        self._decks: dict[str, list[Any]] = {}

    def value(self, name: str, kind: str) -> Any:
        edges, beyond = VALUES[kind]
        if self.chance.random() < BEYOND:
            return self._next(kind, beyond)
        return self._next(f"{kind} {name}", edges)

    def some(self, fields: Mapping[str, str], most: int = 2) -> dict[str, Any]:
        """Up to this many of the fields: with more, one bad value would reject nearly every body."""
        names = self.chance.sample(sorted(fields), self.chance.randint(1, min(most, len(fields))))
        return {name: self.value(name, fields[name]) for name in names}

    def _next(self, name: str, values: list[Any]) -> Any:
        deck = self._decks.setdefault(name, [])
        if not deck:
            deck += self.chance.sample(values, len(values))
        return deck.pop()


def planned(draw: Draw) -> list[Step]:
    """A title and a list entry to begin with, random steps, then reads."""
    begin: list[Step] = [("add_title", {"sent": {**draw.some(TITLE, 1), **draw.some(COUNTED)}})]
    begin += [("add", {"place": place, "sent": draw.some(ENTRY)}) for place in range(2)]
    end: list[Step] = [("read", {"others": draw.chance.sample(OTHER_READS, 3)})]
    return begin + [_step(draw) for _ in range(STEPS)] + end


def _step(draw: Draw) -> Step:
    # most steps concern the user's own title, the newest
    kinds: dict[str, dict[str, Any]] = {
        "add_title": {"sent": draw.some(TITLE)},
        "add": {"sent": draw.some(ENTRY)},
        "patch": {"sent": draw.some(ENTRY)},
        "count_up": {
            "progress": draw.value("counted", "whole"),
            "steps": draw.chance.choice([1, 1, -1, 10_000, draw.value("steps", "whole")]),
        },
        "rewatch": {"times": draw.value("times", "whole")},
        "batch": {"sent": draw.some(ENTRY), "steps": draw.value("steps", "whole")},
        "delete": {},
        "undo": {},
        "item": {
            "kind": draw.chance.choice(["anime", "manga"]),
            "sent": draw.some(ITEM),
            "more": draw.some(ITEM),
        },
        "stop_watching": {"sent": draw.some(STOP)},
        "view": {"sent": draw.some(VIEW)},
        "collect": {"sent": draw.some(COLLECTION), "position": draw.value("place", "whole")},
        "query": {"path": (path := draw.chance.choice(sorted(QUERIES))), "sent": draw.some(QUERIES[path])},
    }
    name = draw.chance.choice(sorted(kinds))
    return name, {"place": draw.chance.choice([0, 0, 0, 1, 2, 3]), **kinds[name]}


@dataclass
class World:
    """The application, with a few titles that all sequences share."""

    client: httpx.AsyncClient
    container: Container
    operator: SignedIn
    titles: list[int] = field(default_factory=list)

    async def ask(self, person: SignedIn, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {**person.headers, "Content-Type": "application/json"}
        content = None if body is None else written(body)
        answer = await self.client.request(method, path, headers=headers, content=content)
        assert answer.status_code < 500, (method, path, body, answer.text)
        return answer


class Person:
    """One account, and its steps."""

    def __init__(self, world: World, account: SignedIn) -> None:
        self.world = world
        self.account = account
        self.titles = list(world.titles)
        self.items: list[int] = []
        self.collections: list[int] = []

    async def carry_out(self, steps: Iterable[Step]) -> None:
        for name, arguments in steps:
            await getattr(self, name)(**arguments)

    async def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.world.ask(self.account, method, path, body)

    def anime(self, place: int) -> int:
        return self.titles[-1 - place % len(self.titles)]

    async def add_title(self, *, sent: dict[str, Any], place: int = 0) -> None:
        body = {"title": "A title", "genres": ["Drama"]}
        for fields in ways(sent):
            answer = await self.world.ask(self.world.operator, "POST", "/anime", {**body, **fields})
            if answer.status_code == 201:
                self.titles.append(answer.json()["id"])
                break

    async def add(self, *, place: int, sent: dict[str, Any]) -> None:
        body = {"anime_id": self.anime(place), "status": "watching"}
        answer = await self.ask("POST", "/users/me/list", {**body, **sent})
        if answer.status_code == 422:
            await self.ask("POST", "/users/me/list", body)

    async def patch(self, *, place: int, sent: dict[str, Any]) -> None:
        await self.ask("PATCH", f"/users/me/list/{self.anime(place)}", sent)

    async def count_up(self, *, place: int, progress: Any, steps: Any) -> None:
        path = f"/users/me/list/{self.anime(place)}"
        await self.ask("PATCH", path, {"progress": progress})
        await self.ask("PATCH", path, {"progress_delta": steps})

    async def rewatch(self, *, place: int, times: Any) -> None:
        """Watched this many times, and once more to the end."""
        path = f"/users/me/list/{self.anime(place)}"
        await self.ask("PATCH", path, {"status": "completed", "is_rewatching": True, "rewatch_count": times})
        await self.ask("PATCH", path, {"status": "completed"})

    async def batch(self, *, place: int, sent: dict[str, Any], steps: Any) -> None:
        named = {"anime_id": self.anime(place)}
        operations = [
            {"op": "add", "status": "watching", **named, **sent},
            {"op": "update", **named, **sent},
            {"op": "update", "progress_delta": steps, **named},
        ]
        answer = await self.ask("POST", "/users/me/list/batch", {"operations": operations})
        results = answer.json()["results"] if answer.status_code == 200 else []
        assert all(result["status"] < 500 for result in results), (operations, results)

    async def delete(self, *, place: int) -> None:
        await self.ask("DELETE", f"/users/me/list/{self.anime(place)}")

    async def undo(self, *, place: int) -> None:
        await self.ask("POST", f"/users/me/list/{self.anime(place)}/undo")

    async def item(self, *, place: int, kind: str, sent: dict[str, Any], more: dict[str, Any]) -> None:
        body = {"title": "One of mine", "type": kind, "source": "me", **sent}
        answer = await self.ask("POST", "/api/library/items", body)
        if answer.status_code == 200:
            self.items.append(answer.json()["id"])
            await self.ask("PATCH", f"/api/library/items/{self.items[-1]}", more)

    async def stop_watching(self, *, place: int, sent: dict[str, Any]) -> None:
        body = {"anime_id": self.anime(place), "episode": 1, "position_seconds": 86_400}
        for fields in ways(sent):
            answer = await self.ask("POST", "/watch/progress", {**body, **fields})
            if answer.status_code == 200:
                break

    async def view(self, *, place: int, sent: dict[str, Any]) -> None:
        await self.ask("POST", "/views", {"anime_id": self.anime(place), "episode": 1, **sent})

    async def collect(self, *, place: int, sent: dict[str, Any], position: Any) -> None:
        answer = await self.ask("POST", "/collections", {"name": "Mine", **sent})
        if answer.status_code == 201:
            self.collections.append(answer.json()["id"])
            path = f"/collections/{self.collections[-1]}/items"
            for at in ({}, {"position": position}):
                await self.ask("POST", path, {"anime_id": self.anime(place), **at})

    async def query(self, *, place: int, path: str, sent: dict[str, Any]) -> None:
        parameters = {name: plain(value) for name, value in sent.items()}
        await self.ask("GET", str(httpx.URL(path, params=parameters)))

    async def read(self, *, others: Iterable[str]) -> None:
        """Read everything of the account and its titles."""
        page = await self.ask("GET", "/users/me/list")
        paths = [*READS, *others]
        linked = [entry["anime_id"] for entry in page.json() if entry["anime_id"] is not None]
        for anime_id in linked[:1]:
            paths += [f"/users/me/list/{anime_id}", f"/users/me/list/{anime_id}/history"]
        paths += [f"/api/library/items/{item}" for item in self.items[:1]]
        paths += [f"/collections/{made}/items" for made in self.collections[:1]]
        paths += [f"/anime/{title}" for title in self.titles[-1:]]
        for path in paths:
            answer = await self.ask("GET", path)
            assert answer.status_code == 200, (path, answer.text)


def ways(sent: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All fields together, then each alone, so that one rejected field does not hide the others."""
    yield sent
    yield from ({name: value} for name, value in sent.items() if len(sent) > 1)


def written(body: Any) -> str:
    """JSON that may contain literals that Python would not write."""
    text = json.dumps(body)
    for literal in LITERALS:
        text = text.replace(f'"@{literal}"', literal)
    return text


def plain(value: Any) -> str:
    """As part of a query string, which cannot contain a lone surrogate."""
    return str(value).removeprefix("@").encode("utf-8", "replace").decode()


@pytest.mark.timeout(900)  # four thousand requests, on a shared machine
async def test_no_boundary_value_breaks_later_requests(
    client: httpx.AsyncClient, container: Container, admin: SignedIn
) -> None:
    world = World(client, container, admin)
    for known in ({}, {"episodes": 12, "status": "finished"}, {"duration_minutes": 0.5}):
        answer = await world.ask(admin, "POST", "/anime", {"title": "A title", "genres": ["Drama"], **known})
        world.titles.append(answer.json()["id"])
    draw = Draw(None if MORE else 7)
    plans = [planned(draw) for _ in range(SEQUENCES)]
    numbers = iter(count())

    async def carry_out_the_next() -> None:
        while (number := next(numbers)) < len(plans):
            person = Person(world, await make_account(container))
            try:
                await person.carry_out(plans[number])
            except AssertionError as error:
                error.add_note(f"sequence {number}: {plans[number]}")
                raise

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(carry_out_the_next())
