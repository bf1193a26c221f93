"""The cost of a catalogue page relative to a minimal program: `python -m tests.bench catalogue`."""

import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg

from app.repositories.anime.rendering import columns, joins
from app.schemas.domain.catalogue import ANIME_KEYS
from app.utils.db import migrations
from app.utils.processes.embedded import EmbeddedServers, ServerUrls
from tests.bench.pinning import can_pin
from tests.bench.stage import Contestant, in_turns, on_stage
from tests.factories.catalogue import Title, make_titles, read_titles, store_titles

SMALL, LARGE = 3_000, 32_000
GENRE = "Drama"
FILTERED = f"/anime?genre={GENRE}"
PAGES = (
    "/anime",
    FILTERED,
    "/anime?genre=Mystery",
    "/anime?year_from=2010&year_to=2014&season=spring",
    "/anime?type=TV&status=finished&min_score=7",
    "/anime?genre=Action&genre_exclude=Ecchi&sfw=true&sort=popularity",
)
ANEW = {"cache-control": "no-cache"}

_SHARED = Path(__file__).parents[2].parent / "shared"


@dataclass(frozen=True)
class Place:
    """The servers of a comparison."""

    database_url: str
    redis_url: str
    home: Path

    @property
    def dsn(self) -> str:
        return self.database_url.replace("+asyncpg", "")


async def compare_filtered(place: Place, *, rounds: int, seconds: float) -> list[Contestant]:
    """The filtered page without any cache: the floor, then ours."""
    async with AsyncExitStack() as stack:
        floor = await _stand(stack, "bare ASGI, asyncpg", "bare_database", place, await _floor_order(place))
        ours = await _stand(stack, "ours, no cache", "ours", place, path=FILTERED, headers=ANEW)
        if (await floor.ask()).content != (await ours.ask()).content:
            raise AssertionError("the two do not answer the same page")
        await in_turns([floor, ours], rounds=rounds, seconds=seconds)
        return [floor, ours]


async def compare_kept(place: Place, *, rounds: int, seconds: float) -> list[Contestant]:
    """A cached page: bare ASGI, bare FastAPI, ours, ours with the cache behind the router.

    Then their 304s.
    """
    async with AsyncExitStack() as stack:
        ours = await _stand(stack, "ours", "ours", place)
        body = place.home / "page.json"
        body.write_bytes((await ours.ask()).content)
        order = {"body": str(body)}
        bare = await _stand(stack, "bare ASGI", "bare_memory", place, order)
        framework = await _stand(stack, "bare FastAPI", "fastapi_memory", place, order)
        inside = await _stand(stack, "ours, behind the router", "ours_inside", place, order, path="/inside")
        contestants = [bare, framework, ours, inside]
        contestants += [await _unchanged(one) for one in (framework, ours, inside)]
        await in_turns(contestants, rounds=rounds, seconds=seconds)
        return contestants


async def compare_sizes(
    small: Place, large: Place, paths: Sequence[str], *, rounds: int, seconds: float
) -> list[tuple[Contestant, Contestant]]:
    """The same pages of a small and of a large catalogue, without any cache."""
    async with AsyncExitStack() as stack:
        few = await _stand(stack, "few titles", "ours", small, headers=ANEW)
        many = await _stand(stack, "many titles", "ours", large, headers=ANEW)
        pairs = [(replace(few, path=path), replace(many, path=path)) for path in paths]
        for pair in pairs:
            await in_turns(pair, rounds=rounds, seconds=seconds)
        return pairs


async def _stand(
    stack: AsyncExitStack,
    title: str,
    name: str,
    place: Place,
    order: dict[str, Any] | None = None,
    **asked: Any,
) -> Contestant:
    order = {
        "database_url": place.database_url,
        "redis_url": place.redis_url,
        "home": str(place.home),
        **(order or {}),
    }
    port, process = await stack.enter_async_context(on_stage(name, order))
    return Contestant(title, port, process, place.dsn, **asked)


async def _unchanged(contestant: Contestant) -> Contestant:
    """The same request by a client that has the current version."""
    etag = (await contestant.ask()).headers["etag"]
    return replace(contestant, title=f"{contestant.title}, 304", headers={"if-none-match": etag}, status=304)


async def _floor_order(place: Place) -> dict[str, Any]:
    """The page of :data:`FILTERED` in one plain statement, without a total."""
    connection = await asyncpg.connect(place.dsn)
    genre = await connection.fetchval("select id from genres where name = $1", GENRE)
    await connection.close()
    order = "a.score desc nulls last, a.id"
    sql = f"""
        select json_agg(p)::text from (
            select {columns(ANIME_KEYS)} from (
                select a.* from anime a where a.tag_ids @> $1::int[] order by {order} limit 20
            ) a {joins(ANIME_KEYS)} order by {order}
        ) p
    """
    return {"dsn": place.dsn, "sql": sql, "arguments": [[genre]]}


async def make_place(servers: ServerUrls, home: Path, name: str, titles: Sequence[Title]) -> Place:
    """A separate migrated database with ``titles``."""
    admin = await asyncpg.connect(servers.database_url.replace("+asyncpg", ""))
    await admin.execute(f'create database "{name}"')
    await admin.close()
    before, _, after = servers.database_url.partition("?")
    place = Place(f"{before.rpartition('/')[0]}/{name}?{after}", servers.redis_url, home)
    await migrations.upgrade(place.database_url)
    connection = await asyncpg.connect(place.dsn)
    await store_titles(connection, titles)
    await connection.close()
    return place


def real_or_made() -> list[Title]:
    return list(read_titles(_SHARED)) if _SHARED.is_dir() else list(make_titles(LARGE))


def table(rows: Sequence[Contestant], against: Contestant) -> str:
    """``ratio`` is the throughput per core divided by that of ``against``."""
    lines = [f"{'':34}{'answers/s':>10}{'server µs':>11}{'database µs':>13}{'ratio':>7}"]
    lines += [
        f"{row.title:34}{row.per_second:10.0f}{row.server_time:11.0f}{row.database_time:13.0f}"
        f"{against.cost / row.cost:7.2f}"
        for row in rows
    ]
    return "\n".join(lines)


async def main() -> None:
    """Print the tables; takes a few minutes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServers(Path(folder) / "servers", fast=True) as urls,
    ):
        home = Path(folder)
        titles = real_or_made()
        large = await make_place(urls, home, "bench_large", titles)
        small = await make_place(urls, home, "bench_small", titles[:: len(titles) // SMALL])
        if not can_pin():
            _say("This machine has one core, or cannot pin: the figures say less.")
        filtered = await compare_filtered(large, rounds=5, seconds=2)
        _say(f"\n{FILTERED} of {len(titles)} titles, not kept\n{table(filtered, filtered[0])}")
        kept = await compare_kept(large, rounds=5, seconds=2)
        _say(f"\n/anime, kept; ratio to bare FastAPI\n{table(kept[:4], kept[1])}")
        _say(f"\n/anime, unchanged; ratio to bare FastAPI\n{table(kept[4:], kept[4])}")
        _say(f"\nNot kept, of {SMALL} and of {len(titles)} titles; ratio to the few")
        for few, many in await compare_sizes(small, large, PAGES, rounds=3, seconds=1):
            _say(f"{few.path}\n{table([few, many], few)}")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # tables are what was asked for
