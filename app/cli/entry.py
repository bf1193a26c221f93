"""The `anisync` command with all its subcommands; expected failures end in one line on stderr."""

import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from app.cli import catalog, document, jobs, programs, recommend, users
from app.cli.context import echo, echo_error
from app.config import SettingsError

cli = typer.Typer(
    help="AniSync: the backend that anime trackers are built on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        echo(f"anisync {version('anisync')}")
        raise typer.Exit


@cli.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Options of `anisync` itself."""


for command in (
    programs.up,
    programs.api,
    programs.worker,
    programs.scheduler,
    programs.migrate,
    programs.doctor,
    document.openapi,
):
    cli.command()(command)
cli.add_typer(catalog.commands, name="catalog")
cli.add_typer(users.commands, name="users")
cli.add_typer(jobs.commands, name="jobs")
cli.add_typer(recommend.commands, name="recommend")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command with its arguments, by default those of this process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        cli(arguments)
    except SettingsError as error:
        echo_error(f"anisync: {error}")
        sys.exit(2)
    except _expected_failures() as error:
        echo_error(f"anisync: {error}")
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        echo_error(f"anisync: {error.filename}: {error.strerror}")
        sys.exit(1)


def _expected_failures() -> tuple[type[Exception], ...]:
    """Imported only after a failure, so that `--help` stays fast."""
    from app.errors import AppError
    from app.utils.db.database import DatabaseUnavailable, UnstorableValue
    from app.utils.db.migrations import LoginRefused, SchemaNotReady
    from app.utils.processes.embedded import EmbeddedError
    from app.utils.processes.serving import CannotListen

    startup = (CannotListen, EmbeddedError, LoginRefused, SchemaNotReady)
    return *startup, AppError, DatabaseUnavailable, UnstorableValue
