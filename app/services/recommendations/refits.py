"""Train the recommendations from all lists, and store an open dump of other people's ratings for that."""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import app
from app.errors import ServiceUnavailable
from app.external.rating_dumps import RatingDump, read_ratings
from app.repositories.recommendations import FitReads, FitRepository
from app.repositories.relations import RelationReads
from app.schemas.domain.dumps import DumpFault
from app.schemas.domain.recommendations import EvaluationReport, FitSummary
from app.utils.db.database import Database, Transaction
from app.utils.processes.child import run_child

if TYPE_CHECKING:
    from app.services.recommendations.training import Catalogue, Lists

_TIMEOUT = 1500.0  # seconds
_SCRIPT = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from app.services.recommendations.child import main
sys.exit(main())
"""
_ROOT = str(Path(app.__file__).parents[1])

Begin = Callable[[], AbstractAsyncContextManager[Transaction]]


class FitFailed(ServiceUnavailable):
    default_message = "The recommendation models could not be trained within the time and memory limits."


class RefitService:
    """NumPy is imported only when something is trained: the API process never does that."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def store_ratings(self, path: Path, on_fault: Callable[[DumpFault], None]) -> RatingDump:
        """Store the ratings of the file for this and later training runs; replaces an earlier file.

        Raises ``DumpUnreadable``.
        """
        dump = await asyncio.to_thread(read_ratings, path, on_fault)
        content = await asyncio.to_thread(_pack, dump)
        async with self._db.transaction() as tx:
            await FitRepository(tx).replace_open_ratings(path.name, content)
        return dump

    async def forget_ratings(self) -> None:
        async with self._db.transaction() as tx:
            await FitRepository(tx).forget_open_ratings()

    async def run(self, begin: Begin | None = None) -> FitSummary:
        """Train in a separate process, and serve the result from then on.

        Model and similar titles are replaced in one transaction, opened by ``begin``. Raises
        :class:`FitFailed`.
        """
        started = time.monotonic()
        catalogue, lists = await self._load_work()
        from app.services.recommendations import fits, packing

        work = await asyncio.to_thread(fits.pack_work, catalogue, lists)
        command = [sys.executable, "-I", "-c", _SCRIPT, _ROOT]
        ended = await run_child(command, work, seconds=_TIMEOUT)
        if ended.code != 0:
            raise FitFailed
        result = await asyncio.to_thread(packing.unpack, ended.output)
        similar = await asyncio.to_thread(fits.unpack_similar, result)
        content = result["model"].tobytes()
        summary = FitSummary(
            lists=lists.count,
            entries=len(lists.users),
            titles=len(catalogue.titles),
            learned=int(result["learned"]),
            size=len(content),
            seconds=round(time.monotonic() - started, 1),
        )
        async with (begin or self._db.transaction)() as tx:
            repository = FitRepository(tx)
            await repository.replace_model(content, summary)
            await repository.replace_similar(similar)
        return summary

    async def evaluate(
        self, train: Path, test: Path | None, *, seed: int, on_fault: Callable[[DumpFault], None]
    ) -> EvaluationReport:
        """Train on the lists of one file and predict those of the other, or a part of the same.

        Nothing is stored. Raises ``DumpUnreadable``.
        """
        dumps = [await asyncio.to_thread(read_ratings, path, on_fault) for path in (train, test) if path]
        async with self._db.driver() as driver:
            titles = await FitReads(driver).titles()
            edges = await RelationReads(driver).edges()
        from app.services.recommendations import comparison, packing

        catalogue = await asyncio.to_thread(packing.build_catalogue, titles, edges)
        return await asyncio.to_thread(
            comparison.compare, catalogue, titles, dumps[0], dumps[1] if test else None, seed=seed
        )

    async def _load_work(self) -> "tuple[Catalogue, Lists]":
        from app.services.recommendations import packing

        async with self._db.driver() as driver:
            reads = FitReads(driver)
            titles = await reads.titles()
            edges = await RelationReads(driver).edges()
            own = [rows async for rows in reads.lists()]
            ratings = await reads.open_ratings()
        catalogue = await asyncio.to_thread(packing.build_catalogue, titles, edges)
        lists = [await asyncio.to_thread(packing.lists_from_rows, own, catalogue.titles)]
        if ratings is not None:
            given = await asyncio.to_thread(packing.unpack, ratings)
            lists.append(await asyncio.to_thread(packing.lists_from_ratings, given, titles))
        return catalogue, packing.concatenate(lists)


def _pack(dump: RatingDump) -> bytes:
    from app.services.recommendations import packing

    return packing.pack(packing.rating_arrays(dump), compressed=True)
