"""`anisync jobs`: list and retry background jobs."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import echo, run
from app.schemas.jobs import JobStatus

if TYPE_CHECKING:
    from app.container import Container

commands = typer.Typer(help="Background jobs.", no_args_is_help=True)


@commands.command("list")
def show(
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
) -> None:
    """Show background jobs, newest first."""

    async def print_page(services: "Container") -> int:
        page = await services.jobs.list(status=status, limit=limit)
        for job in page.jobs:
            done = f"{job.done}/{job.total}" if job.total else "-"
            echo(f"{job.id:>8}  {job.status:<9}  {done:>11}  {job.key}  {job.error or ''}".rstrip())
        echo(f"{len(page.jobs)} of {page.total} jobs")
        return 0

    run(print_page)


@commands.command("retry")
def retry(ids: Annotated[list[int], typer.Argument(metavar="ID...")]) -> None:
    """Queue failed jobs again."""

    async def requeue(services: "Container") -> int:
        for job_id in ids:
            job = await services.jobs.retry(job_id)
            echo(f"{job.id} {job.key} is {job.status}")
        return 0

    run(requeue)
