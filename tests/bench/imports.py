"""The cost of an import relative to a bare COPY of the same rows: `python -m tests.bench imports`."""

import gc
import gzip
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from app.logs import configure_logs
from app.services.catalogue.dumps import DumpService
from app.utils.db import migrations
from app.utils.db.database import Database
from app.utils.processes.embedded import EmbeddedServers
from tests.factories import dumps

_SHARED = Path(__file__).parents[2].parent / "shared"
_MADE = 32_000

INDEXED = "create table bare (like anime including all)"
UNINDEXED = "create table bare (like anime including defaults including generated)"


@dataclass
class Contestant:
    """One way to store the rows, and its shortest time so far."""

    title: str
    seconds: float = float("inf")
    cpu: float = float("inf")
    """Seconds of processor time, of this process and of PostgreSQL's backends."""

    async def measure(self, admin: asyncpg.Connection, work: Callable[[], Awaitable[Any]]) -> None:
        gc.collect()
        spent, begun = await _processor_time(admin), time.perf_counter()
        await work()
        self.seconds = min(self.seconds, time.perf_counter() - begun)
        self.cpu = min(self.cpu, await _processor_time(admin) - spent)


@dataclass(frozen=True)
class Outcome:
    """The import, a second one, and the floors: COPY into a table like ours, and into one without indexes."""

    first: Contestant
    second: Contestant
    indexed: Contestant
    unindexed: Contestant
    rows: int

    @property
    def all(self) -> Sequence[Contestant]:
        return self.indexed, self.unindexed, self.first, self.second

    @property
    def speed(self) -> float:
        """The speed relative to a COPY into a table like ours, by the clock or by processor time.

        Other load on the machine distorts one or the other, and never makes an import faster.
        """
        by_clock, by_cpu = self.indexed.seconds / self.first.seconds, self.indexed.cpu / self.first.cpu
        return max(by_clock, by_cpu)


async def compare(database: Database, path: Path, *, rounds: int) -> Outcome:
    """In turns, so that a noisy period affects all. Empties the catalogue."""
    service = DumpService(database)
    await service.run(path)
    url = database.engine.url.render_as_string(hide_password=False).replace("+asyncpg", "")
    admin = await asyncpg.connect(url)
    columns, rows = await _rows(admin)
    outcome = Outcome(
        first=Contestant("import"),
        second=Contestant("the same file again"),
        indexed=Contestant("bare COPY, table like ours"),
        unindexed=Contestant("bare COPY, no index"),
        rows=len(rows),
    )

    async def copy() -> None:
        await admin.copy_records_to_table("bare", records=rows, columns=columns)

    gc.freeze()  # the rows in memory do not count for the import
    for _ in range(rounds):
        for floor, definition in ((outcome.indexed, INDEXED), (outcome.unindexed, UNINDEXED)):
            await admin.execute(definition)
            await floor.measure(admin, copy)
            await admin.execute("drop table bare")
        await admin.execute("truncate anime, genres, studios restart identity cascade")
        await outcome.first.measure(admin, lambda: service.run(path))
        await outcome.second.measure(admin, lambda: service.run(path))
    gc.unfreeze()
    await admin.close()
    return outcome


async def _rows(admin: asyncpg.Connection) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The rows of the catalogue in COPY format, in memory."""
    await admin.set_type_codec("jsonb", schema="pg_catalog", format="binary", encoder=bytes, decoder=bytes)
    found = await admin.fetch(
        "select attname::text from pg_attribute where attrelid = 'anime'::regclass"
        " and attnum > 0 and not attisdropped and attgenerated = ''"
    )
    columns = [row[0] for row in found]
    rows = await admin.fetch(f"select {', '.join(columns)} from anime order by id")
    return columns, [tuple(row) for row in rows]


async def _processor_time(admin: asyncpg.Connection) -> float:
    pids = await admin.fetch("select pid from pg_stat_activity where backend_type = 'client backend'")
    times = [psutil.Process(row["pid"]).cpu_times() for row in pids]
    return time.process_time() + sum(one.user + one.system for one in times)


def dump_file(folder: Path, *, rows: int = _MADE) -> Path:
    """The first rows of the real catalogue if available, otherwise as many synthetic ones."""
    real = _SHARED / "datasets" / "catalogue.jsonl.gz"
    if not real.exists():
        return dumps.write_made(folder, rows)
    path = folder / real.name
    with gzip.open(real, "rb") as source, gzip.open(path, "wb", compresslevel=1) as target:
        target.writelines(islice(source, rows))
    return path


def table(outcome: Outcome) -> str:
    floor = outcome.indexed
    lines = [
        f"{outcome.rows} titles{'':16}{'seconds':>10}{'rows/s':>10}{'CPU s':>8}{'speed':>8}{'by CPU':>8}"
    ]
    lines += [
        f"{row.title:28}{row.seconds:10.2f}{outcome.rows / row.seconds:10.0f}{row.cpu:8.2f}"
        f"{floor.seconds / row.seconds:8.2f}{floor.cpu / row.cpu:8.2f}"
        for row in outcome.all
    ]
    return "\n".join(lines)


async def main() -> None:
    """Print the table, on newly started servers."""
    configure_logs("WARNING")
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServers(Path(folder) / "servers", fast=True) as urls,
    ):
        await migrations.upgrade(urls.database_url)
        database = Database.connect(urls.database_url)
        outcome = await compare(database, dump_file(Path(folder)), rounds=5)
        await database.close()
        print(table(outcome), flush=True)  # noqa: T201  # the table is what was asked for
