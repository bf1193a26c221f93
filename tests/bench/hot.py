"""The hot paths relative to bare statements: `python -m tests.bench hot`."""

# Sixteen clients each, two for statistics. A floor is bare ASGI with asyncpg that does the necessary
# work in one statement: find the session, read or write, build the same JSON.

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import asyncpg

from app.container import issuer_of
from app.repositories.accounts import AccountRepository
from app.repositories.anime.rendering import columns, joins
from app.repositories.library.rendering import SHAPES
from app.schemas.domain.accounts import ClientInfo
from app.schemas.domain.catalogue import ANIME_KEYS
from app.utils.db.database import Database
from app.utils.processes.embedded import EmbeddedServers
from tests.bench.catalogue import ANEW, Place, make_place, real_or_made
from tests.bench.contestants import settings_of
from tests.bench.pinning import can_pin
from tests.bench.stage import Ask, Contestant, in_turns, on_stage

PEOPLE, WATCHERS = 16, 2
LONG, ITEMS, HISTORY = 5_000, 600, 60_000
WORDS = (
    "naruto",
    "monogatari",
    "titan",
    "alchemist",
    "piece",
    "gundam",
    "pokemon",
    "bleach",
    "fate",
    "death",
)
_CLIENTS = 200
CYRILLIC = ("наруто", "ковбой", "атака", "титанов", "стальной", "магия", "демон", "город", "мир", "дракон")


@dataclass(frozen=True)
class Person:
    """A user with a list, and an unfinished anime on it."""

    user_id: int
    token: str
    session: str
    anime_id: int

    def ask(self, path: str, method: str = "GET", body: str = "") -> Ask:
        headers = {"authorization": f"Bearer {self.token}"}
        if body:
            headers["content-type"] = "application/json"
        return Ask(
            path.format(anime=self.anime_id), headers, method, body.replace("ANIME", str(self.anime_id))
        )

    def floor(self, path: str, *arguments: object) -> Ask:
        return Ask(f"{path}?{'&'.join(str(argument) for argument in (self.session, *arguments))}")


@dataclass(frozen=True)
class People:
    """``readers`` have lists of 5,000 anime, ``trackers`` and ``writers`` of 600.

    ``watchers`` are like the readers, with 60,000 history rows each.
    """

    readers: Sequence[Person]
    trackers: Sequence[Person]
    writers: Sequence[Person]
    watchers: Sequence[Person]


@dataclass(frozen=True)
class Row:
    """One hot path: the requests to ours and to the floors, and the required share of the better floor."""

    title: str
    target: float
    ours: Callable[[People], list[Ask]]
    floors: Callable[[People], list[list[Ask]]]
    against_ours: bool = False
    """The floor is an answer of ours too."""
    connections: int = PEOPLE
    reached: bool = True
    """Whether the share is reached, and may not be lost again."""

    @property
    def required(self) -> float:
        """The share below which the benchmark fails: the target, less what measurements vary by."""
        return 0.8 * self.target if self.reached else 0.0


@dataclass
class Measured:
    row: Row
    ours: Contestant
    floor: Contestant

    @property
    def ratio(self) -> float:
        """Our throughput per core as a fraction of the floor's."""
        return self.floor.cost / self.ours.cost


_WHO = "(select user_id from sessions where id = $1::text::uuid and expires_at > now())"
_PAGE = """
    select coalesce(json_agg(body), '[]')::text from (
        select {shape} as body from entries e left join anime a on a.id = e.anime_id
        where e.user_id = {who} and e.media_type = 'anime' order by {order}, e.id desc limit {limit}
    ) page
"""
_ANIME, _JOINS = f"select {columns(ANIME_KEYS)} from", f"a {joins(ANIME_KEYS)}"
_FOUND = """
    select * from anime where search_text like '%' || $1 || '%' order by score desc nulls last limit 20
"""
STATEMENTS = {
    "/me": f"""
        select json_build_object('id', id, 'username', username, 'email', email, 'full_name', full_name)::text
        from users where id = {_WHO}
    """,
    "/title": f"""
        select to_json(p)::text from ({_ANIME} (select * from anime where id = $1::text::int) {_JOINS}) p
    """,
    "/search": f"""
        select coalesce(json_agg(p), '[]')::text
        from ({_ANIME} ({_FOUND}) {_JOINS} order by a.score desc nulls last) p
    """,
    "/edit": f"""
        with e as (
            update entries e set score = $3::text::int, version = version + 1, updated_at = clock_timestamp()
            where user_id = {_WHO} and anime_id = $2::text::int
            returning *
        ), line as (
            insert into entry_changes (user_id, entry_id, anime_id, origin, before, after, changed_at)
            select user_id, id, anime_id, 'api', '{{"score": 1}}', jsonb_build_object('score', score),
                   clock_timestamp() from e
        )
        select {SHAPES["core"]}::text from e join anime a on a.id = e.anime_id
    """,
    "/progress": f"""
        insert into watch_progress as w
            (user_id, anime_id, episode, position_seconds, progress_percent, reported_at, last_watched_at)
        values ({_WHO}, $2::text::int, 1, $3::text::int, 50, now(), now())
        on conflict (user_id, anime_id, episode) do update set
            position_seconds = excluded.position_seconds, progress_percent = excluded.progress_percent,
            reported_at = excluded.reported_at, last_watched_at = excluded.last_watched_at
        returning to_json(w)::text
    """,
    "/list": _PAGE.format(shape=SHAPES["core"], who=_WHO, order="e.created_at desc", limit=100),
    "/items": _PAGE.format(shape=SHAPES["tracker"], who=_WHO, order="e.updated_at desc", limit=ITEMS),
    "/items/rows": f"""
        select e.id, coalesce(a.title, e.title) as title, e.media_type as type, e.source,
               coalesce(a.image_url, e.cover_url) as cover_url, e.status, e.progress,
               coalesce(e.max_progress, a.episodes) as max_progress, a.anilist_id, a.mal_id, a.type as format,
               e.site_url, e.updated_at
        from entries e left join anime a on a.id = e.anime_id
        where e.user_id = {_WHO} and e.media_type = 'anime' order by e.updated_at desc, e.id desc
        limit {ITEMS}
    """,
}


def _edits(people: People) -> list[Ask]:
    return [
        person.ask("/users/me/list/{anime}", "PATCH", f'{{"score": {score}}}')
        for score in (7, 8)
        for person in people.writers
    ]


def _reports(people: People) -> list[Ask]:
    body = '{"anime_id": ANIME, "episode": 1, "progress_percent": 50, "position_seconds": %d}'
    return [
        person.ask("/watch/progress", "POST", body % seconds)
        for seconds in (600, 700)
        for person in people.writers
    ]


def _each(who: str, path: str) -> Callable[[People], list[Ask]]:
    return lambda people: [person.ask(path) for person in getattr(people, who)]


def _floors(who: str, *paths: str) -> Callable[[People], list[list[Ask]]]:
    return lambda people: [[person.floor(path) for person in getattr(people, who)] for path in paths]


def _titles(path: str) -> Callable[[People], list[Ask]]:
    return lambda people: [Ask(path.format(person.anime_id), ANEW) for person in people.readers]


def _words(path: str, words: Sequence[str]) -> list[Ask]:
    """Asked from many addresses, since each may search only so often."""
    return [
        Ask(path.format(quote(word)), {**ANEW, "x-forwarded-for": f"198.51.100.{client}"})
        for client in range(_CLIENTS)
        for word in words
    ]


def _search(title: str, words: Sequence[str]) -> Row:
    return Row(
        title,
        0.6,
        lambda _: _words("/search/anime?q={}&limit=20", words),
        lambda _: [_words("/search?{}", words)],
        connections=len(words),
        reached=False,
    )


def _written(path: str, *values: int) -> Callable[[People], list[list[Ask]]]:
    return lambda people: [
        [person.floor(path, person.anime_id, value) for value in values for person in people.writers]
    ]


ROWS = (
    Row("GET /users/me", 0.25, _each("readers", "/users/me"), _floors("readers", "/me")),
    Row("a title, not kept", 0.5, _titles("/anime/{}"), lambda people: [_titles("/title?{}")(people)]),
    _search("search, 20 of exact words", WORDS),
    _search("search, Cyrillic", CYRILLIC),
    Row("PATCH an entry, with its history", 0.4, _edits, _written("/edit", 70, 80)),
    Row("POST /watch/progress", 0.35, _reports, _written("/progress", 600, 700)),
    Row(
        f"own list, 100 of {LONG}",
        0.7,
        _each("readers", "/users/me/list?limit=100"),
        _floors("readers", "/list"),
        reached=False,
    ),
    Row(
        f"tracker items, all {ITEMS}",
        0.8,
        _each("trackers", "/api/library/items"),
        _floors("trackers", "/items", "/items/rows"),
    ),
    Row(
        f"statistics, {HISTORY} changes, to none",
        0.8,
        _each("watchers", "/users/me/stats"),
        lambda people: [_each("readers", "/users/me/stats")(people)[:WATCHERS]],
        against_ours=True,
        connections=WATCHERS,
    ),
)


async def measure(
    place: Place, people: People, rows: Sequence[Row] = ROWS, *, rounds: int, seconds: float
) -> list[Measured]:
    """Every row against the best of its floors, in turns."""
    order = {"database_url": place.database_url, "redis_url": place.redis_url, "home": str(place.home)}
    async with AsyncExitStack() as stack:
        port, process = await stack.enter_async_context(
            on_stage("bare_statements", {"dsn": place.dsn, "statements": STATEMENTS})
        )
        floor = Contestant("floor", port, process, place.dsn)
        port, process = await stack.enter_async_context(on_stage("ours", order))
        ours = Contestant("ours", port, process, place.dsn)
        measured = []
        for row in rows:
            base = ours if row.against_ours else floor
            floors = [replace(base, asks=asks) for asks in row.floors(people)]
            one = replace(ours, asks=row.ours(people))
            await in_turns([*floors, one], rounds=rounds, seconds=seconds, connections=row.connections)
            measured.append(Measured(row, one, min(floors, key=lambda each: each.cost)))
        return measured


async def settle(place: Place) -> People:
    """Store the users with their lists and histories."""
    database = Database.connect(place.database_url)
    connection = await asyncpg.connect(place.dsn)
    try:
        anime = await connection.fetch(
            "select id from anime order by (status = 'airing') desc nulls last, id limit $1", LONG
        )
        ids = [row["id"] for row in anime]
        readers = await _people(place, database, connection, ids, PEOPLE)
        trackers = await _people(place, database, connection, ids[:ITEMS], PEOPLE)
        watchers = await _people(place, database, connection, ids, WATCHERS)
        for watcher in watchers:
            await connection.execute(_LINES, watcher.user_id, HISTORY)
        await connection.execute("vacuum analyze entries, entry_changes, watch_progress, sessions, users")
        return People(readers, trackers, trackers, watchers)
    finally:
        await connection.close()
        await database.close()


_LINES = """
    insert into entry_changes (user_id, entry_id, anime_id, origin, before, after, changed_at)
    select e.user_id, e.id, e.anime_id, 'api', '{"progress": 3}', '{"progress": 4}',
           now() - n * interval '8 minutes'
    from generate_series(1, $2::int) n
    join (select *, row_number() over (order by id) as place from entries where user_id = $1) e
      on e.place = 1 + n % (select count(*) from entries where user_id = $1)
"""
_ENTRIES = """
    insert into entries (user_id, media_type, anime_id, status, progress, score, source)
    select $1, 'anime', id, (array['watching', 'completed', 'plan_to_watch'])[1 + id % 3], id % 5,
           nullif(id % 11, 0) * 10, 'anisync'
    from unnest($2::int[]) id
"""


async def _people(
    place: Place, database: Database, connection: asyncpg.Connection, anime_ids: Sequence[int], count: int
) -> list[Person]:
    settings = settings_of(
        {"database_url": place.database_url, "redis_url": place.redis_url, "home": str(place.home)}
    )
    issuer = issuer_of(settings)
    people = []
    for number, anime_id in enumerate(islice(cycle(anime_ids), count)):
        name = f"person_{uuid4().hex[:12]}_{number}"
        async with database.transaction() as tx:
            account = await AccountRepository(tx).insert(
                username=name, email=f"{name}@example.org", full_name=None, password_hash="-", role="user"
            )
            if account is None:
                raise AssertionError("the name is taken")
            tokens = await issuer.open(tx, account.id, ClientInfo("192.0.2.1", "192.0.2.1", "bench"))
        await connection.execute(_ENTRIES, account.id, anime_ids)
        session = await connection.fetchval("select id from sessions where user_id = $1", account.id)
        people.append(Person(account.id, tokens.access_token, str(session), anime_id))
    return people


def table(measured: Sequence[Measured]) -> str:
    """Rates are those of the best rounds.

    ``ratio`` compares processor time, the server's plus PostgreSQL's.
    """
    heads = (
        f"{'ours/s':>8}{'floor/s':>9}{'ours µs':>15}{'floor µs':>15}{'ratio':>7}{'target':>8}{'at least':>10}"
    )
    lines = [f"{'':36}{heads}"]
    for one in measured:
        spent = (
            f"{each.server_time:.0f} + {each.database_time:.0f}".rjust(15) for each in (one.ours, one.floor)
        )
        lines.append(
            f"{one.row.title:36}{one.ours.per_second:8.0f}{one.floor.per_second:9.0f}{''.join(spent)}"
            f"{one.ratio:7.2f}{one.row.target:8.2f}{one.row.required:10.2f}"
        )
    return "\n".join(lines)


async def main() -> None:
    """Print the table; takes a few minutes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServers(Path(folder) / "servers", fast=False) as urls,
    ):
        place = await make_place(urls, Path(folder), "bench_hot", real_or_made())
        people = await settle(place)
        if not can_pin():
            _say("This machine has one core, or cannot pin: the figures say less.")
        _say(table(await measure(place, people, rounds=2, seconds=1)))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # the table is what was asked for
