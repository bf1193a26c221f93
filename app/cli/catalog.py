"""`anisync catalog`: fill the catalogue from a dump file or from MyAnimeList."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import echo, echo_error, run
from app.schemas.domain.anime import Season
from app.schemas.domain.jobs import EnqueuedJob
from app.utils.text.cleaning import INT_MAX

if TYPE_CHECKING:
    from app.container import Container

commands = typer.Typer(help="The catalogue.", no_args_is_help=True)

_OUTCOMES = ("added", "updated", "unchanged", "skipped", "failed")


@commands.command("import")
def load_dump(
    file: Annotated[Path, typer.Argument(help="A dump file, also compressed as .gz or .zst.")],
) -> None:
    """Import a dump file; needs no network."""
    from app.errors import DumpUnreadable
    from app.utils.progress import progress

    _require_readable(file)

    async def load(services: "Container") -> int:
        with progress(file.name) as report:
            try:
                summary = await services.catalogue.dumps.run(
                    file,
                    on_progress=lambda step: report(step.consumed, step.size, f"{step.rows} rows"),
                    on_fault=lambda fault: echo_error(f"line {fault.line}: {fault.outcome}: {fault.reason}"),
                )
            except DumpUnreadable as error:
                echo_error(f"anisync: {error}")
                counts, code = error.details or {}, 2
            else:
                counts, code = {name: getattr(summary, name) for name in _OUTCOMES}, 0
        echo(_counts(counts))
        return code

    run(load)


@commands.command("sync")
def sync(
    what: Annotated[list[str], typer.Argument(metavar="top|season|MAL_ID...")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Number of titles for `top`.")] = 25,
    year: Annotated[int | None, typer.Option(min=1900, max=2100, help="The year of `season`.")] = None,
    season: Annotated[
        Season | None, typer.Option(help="The season of `season`; the current one by default.")
    ] = None,
) -> None:
    """Fetch titles from MyAnimeList as jobs; works without a running worker."""
    from app.services.jobs.follow import follow
    from app.tasks import performer
    from app.utils.progress import progress

    for word in what:
        if word not in {"top", "season"} and not (word.isdecimal() and 0 < int(word) <= INT_MAX):
            raise typer.BadParameter(f"{word} is neither top, season nor a MyAnimeList id")

    async def sync_all(services: "Container") -> int:
        failed = 0
        for word in what:
            job = await _request(services, word, limit, year, season)
            with progress(job.key) as report:
                finished = await follow(
                    services.jobs, job.id, performer(services), report, on_wait=partial(_say_waiting, job.key)
                )
            echo(f"{finished.key} {finished.status}" + (f": {finished.error}" if finished.error else ""))
            failed += finished.status == "failed"
        return 1 if failed else 0

    run(sync_all)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {counts.get(name, 0)}" for name in _OUTCOMES)


def _require_readable(file: Path) -> None:
    """Exit before servers are started if the file cannot be opened."""
    try:
        with file.open("rb"):
            return
    except OSError as error:
        echo_error(f"anisync: {file}: {error.strerror}")
        echo(_counts({}))
        raise typer.Exit(2) from None


def _say_waiting(key: str, reason: str) -> None:
    echo_error(f"{key} waits: {reason}")


async def _request(
    services: "Container", word: str, limit: int, year: int | None, season: Season | None
) -> EnqueuedJob:
    if word == "top":
        return await services.catalogue.sync.request_top(limit, owner_id=None)
    if word == "season":
        return await services.catalogue.sync.request_season(year, season, owner_id=None)
    return await services.catalogue.sync.request_anime(int(word), owner_id=None)
