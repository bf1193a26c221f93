"""`anisync jobs`: list and retry background jobs."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import echo, run
from app.schemas.jobs import JobStatus

if TYPE_CHECKING:
    from app.container import Container
    from app.schemas.domain.jobs import JobState

commands = typer.Typer(help="Background jobs.", no_args_is_help=True)


@commands.command("list")
def show(
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
) -> None:
    """Show background jobs, newest first."""

    async def print_page(services: "Container") -> int:
        page = await services.jobs.list(status=status, limit=limit)
        echo(_line("ID", "STATUS", "DONE", "CREATED (UTC)", "TOOK", "KEY", "ERROR"))
        for job in page.jobs:
            done = f"{job.done}/{job.total}" if job.total else "-"
            made = job.created_at.strftime("%Y-%m-%d %H:%M:%S")
            echo(_line(str(job.id), job.status, done, made, _duration(job), job.key, job.error or ""))
        echo(f"{len(page.jobs)} of {page.total} jobs")
        return 0

    run(print_page)


def _line(number: str, status: str, done: str, made: str, took: str, key: str, error: str) -> str:
    return f"{number:>8}  {status:<9}  {done:>11}  {made:<19}  {took:>8}  {key}  {error}".rstrip()


def _duration(job: "JobState") -> str:
    """The duration of its last attempt, so far if it is still running."""
    from app.utils.clock import utc_now

    if job.started_at is None:
        return "-"
    return f"{((job.finished_at or utc_now()) - job.started_at).total_seconds():.1f} s"


@commands.command("retry")
def retry(ids: Annotated[list[int], typer.Argument(metavar="ID...")]) -> None:
    """Queue failed jobs again."""

    async def requeue(services: "Container") -> int:
        for job_id in ids:
            job = await services.jobs.retry(job_id)
            echo(f"{job.id} {job.key} is {job.status}")
        return 0

    run(requeue)
