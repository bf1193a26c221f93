"""The cost of an import job and of a long list, relative to bare statements in the same run."""

import json
import time
from collections.abc import Awaitable, Callable
from functools import partial

import httpx
import psutil
import pytest
from sqlalchemy import text

from app.container import Container
from app.external.list_files import read_list
from app.repositories.library.states import STATE_COLUMNS, state_values
from app.schemas.domain.library import EntryState
from app.tasks import performer
from app.utils.db.database import Database
from app.utils.processes.heap import tune_garbage_collector
from tests.fixtures.accounts import SignedIn, make_account
from tests.fixtures.statements import StatementLog

pytestmark = pytest.mark.bench

ROWS, CHUNK, ROUNDS = 10_000, 1000, 4
STATUSES = ("Watching", "Completed", "On-Hold", "Dropped", "Plan to Watch")
ROW = """<anime>
<series_animedb_id>{number}</series_animedb_id><series_title><![CDATA[Title {number}]]></series_title>
<series_type>TV</series_type><series_episodes>26</series_episodes><my_id>0</my_id>
<my_watched_episodes>{progress}</my_watched_episodes><my_start_date>2017-10-03</my_start_date>
<my_finish_date>0000-00-00</my_finish_date><my_rated></my_rated><my_score>{score}</my_score>
<my_storage></my_storage><my_storage_value>0.00</my_storage_value><my_status>{status}</my_status>
<my_comments><![CDATA[]]></my_comments><my_times_watched>0</my_times_watched>
<my_rewatch_value></my_rewatch_value><my_priority>LOW</my_priority><my_tags><![CDATA[jazz]]></my_tags>
<my_rewatching>0</my_rewatching><my_rewatching_ep>0</my_rewatching_ep><my_discuss>1</my_discuss>
<my_sns>default</my_sns><update_on_import>0</update_on_import>
</anime>
"""
RECORD = ", ".join(f"{name} {kind}" for name, kind in STATE_COLUMNS.items())
COLUMNS = ", ".join(STATE_COLUMNS)
BARE_UPSERT = f"""
insert into entries (user_id, media_type, anime_id, {COLUMNS})
select :user_id, 'anime', r.anime_id, {", ".join(f"r.{name}" for name in STATE_COLUMNS)}
from jsonb_to_recordset(cast(:rows as jsonb)) as r(anime_id int, {RECORD})
on conflict (user_id, anime_id) do update
set {", ".join(f"{name} = excluded.{name}" for name in STATE_COLUMNS)}
"""


def mal_file(count: int) -> bytes:
    rows = (
        ROW.format(number=n, progress=n % 27, score=n % 11, status=STATUSES[n % 5])
        for n in range(1, count + 1)
    )
    return f"<myanimelist>{''.join(rows)}</myanimelist>".encode()


@pytest.fixture
async def catalogue(database: Database) -> Database:
    """A title for every row of the file."""
    for last in range(CHUNK, ROWS + 1, CHUNK):
        async with database.transaction() as tx:
            await tx.session.execute(text("set local plan_cache_mode = 'auto'"))
            await tx.session.execute(
                text(
                    "insert into anime (mal_id, title, episodes, status) "
                    "select n, 'Title ' || n, 26, 'finished' "
                    "from generate_series(cast(:first as int), cast(:last as int)) n order by n"
                ),
                {"first": last - CHUNK + 1, "last": last},
            )
    async with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("vacuum analyze anime"))
    return database


async def seconds_of(database: Database, work: Callable[[], Awaitable[None]]) -> float:
    """Processor time, ours plus PostgreSQL's, so that other load does not count."""
    tune_garbage_collector()  # as the worker does; the tests' own modules do not count
    begun = await processor_time(database)
    await work()
    return await processor_time(database) - begun


async def processor_time(database: Database) -> float:
    async with database.reader() as connection:
        found = await connection.execute(
            text("select pid from pg_stat_activity where backend_type = 'client backend'")
        )
        backends = [psutil.Process(row.pid).cpu_times() for row in found]
    return time.process_time() + sum(times.user + times.system for times in backends)


async def test_the_job_of_an_import_is_at_most_2_5_times_the_bare_upsert_of_its_rows(
    catalogue: Database, container: Container
) -> None:
    content = mal_file(ROWS)
    states = {row.subject.mal_id: state_values(EntryState(**row.fields)) for row in read_list(content).rows}
    async with catalogue.reader() as connection:
        known = await connection.execute(text("select mal_id, id from anime order by mal_id"))
        rows = [{"anime_id": row.id, **states[row.mal_id]} for row in known]

    async def bare() -> None:
        user = await make_account(container)

        async def upsert() -> None:
            for start in range(0, ROWS, CHUNK):
                chunk = json.dumps(rows[start : start + CHUNK])
                async with catalogue.transaction() as tx:
                    await tx.session.execute(text(BARE_UPSERT), {"user_id": user.id, "rows": chunk})

        floors.append(await seconds_of(catalogue, upsert))

    async def ours() -> None:
        user = await make_account(container)

        job = await container.library.imports.start(user.id, content, filename="list.xml")
        run = partial(container.jobs.run, job.id, performer(container))
        spent.append(await seconds_of(catalogue, run))
        async with catalogue.reader() as connection:
            entries = await connection.execute(
                text("select count(*) from entries where user_id = :id and anime_id is not null"),
                {"id": user.id},
            )
            changes = await connection.execute(
                text("select count(*) from entry_changes where user_id = :id"), {"id": user.id}
            )
            assert (entries.scalar_one(), changes.scalar_one()) == (ROWS, ROWS)

    floors: list[float] = []
    spent: list[float] = []
    for _ in range(ROUNDS):  # in turns, so that a noisy period affects all
        await bare()
        await ours()
    ratio = min(spent) / min(floors)
    # The target is 2; 0.8 of it is asserted. The rows also have a history and a report, which the floor does
    # not have.
    assert ratio < 2.5, f"bare {floors}, import {spent}: {ratio:.2f} times as long"


async def test_the_first_page_of_a_long_list_is_one_query_and_as_fast_as_of_a_short_one(
    catalogue: Database, container: Container, client: httpx.AsyncClient
) -> None:
    short, long = await make_account(container), await make_account(container)
    for user, count in ((short, 50), (long, 5000)):
        async with catalogue.transaction() as tx:
            await tx.session.execute(
                text(
                    "insert into entries (user_id, media_type, anime_id, status) "
                    "select :user_id, 'anime', id, 'watching' from anime order by id limit :count"
                ),
                {"user_id": user.id, "count": count},
            )
    async with catalogue.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("vacuum analyze entries"))
    wire = StatementLog(catalogue)
    spent: dict[int, list[float]] = {short.id: [], long.id: []}
    for _ in range(40):
        for user, total in ((short, "50"), (long, "5000")):
            spent[user.id].append(await seconds_of_page(client, user, total))
    about_entries = [statement for statement in await wire.take() if "from entries" in statement]
    assert len(about_entries) == len(spent[short.id]) + len(spent[long.id])
    ratio = min(spent[long.id]) / min(spent[short.id])
    assert ratio < 1.5, f"the page of 5000 takes {ratio:.2f} times as long as that of 50"


async def seconds_of_page(client: httpx.AsyncClient, user: SignedIn, total: str) -> float:
    begun = time.perf_counter()
    page = await client.get("/users/me/list", headers=user.headers)
    took = time.perf_counter() - begun
    assert (page.status_code, page.headers["X-Total-Count"], len(page.json())) == (200, total, 20)
    return took
