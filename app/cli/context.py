"""The context of a command: settings with reachable servers, a migrated schema, the services."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from app.config import Settings, load_settings

if TYPE_CHECKING:
    from app.container import Container
    from app.utils.processes.embedded import EmbeddedServers


def run(work: "Callable[[Container], Awaitable[int]]") -> NoReturn:
    """Run ``work`` with the services and exit with its result. Works with and without a running `up`."""

    async def run_with_services(settings: Settings) -> int:
        from app.container import build
        from app.logs import configure_logs
        from app.utils.processes.heap import collect_as_usual

        configure_logs(settings.log_level if "log_level" in settings.model_fields_set else "WARNING")
        await prepare(settings)
        async with build(settings) as container:
            collect_as_usual()
            return await work(container)

    with with_servers(load_settings()) as (settings, _):
        code = asyncio.run(run_with_services(settings))
    raise typer.Exit(code)


@contextmanager
def with_servers(
    settings: Settings, *, meanwhile: Callable[[], None] = lambda: None
) -> "Iterator[tuple[Settings, EmbeddedServers | None]]":
    """Settings with server URLs: the configured ones, or those of embedded servers started for the block.

    Calls ``meanwhile`` while they are starting.
    """
    home = settings.anisync_home.resolve()
    overrides: dict[str, object] = {"anisync_home": home}
    with ExitStack() as stack:
        servers = None
        if settings.database_url is None or settings.redis_url is None:
            from app.utils.processes.embedded import POSTGRES, VALKEY, EmbeddedServers

            urls = {POSTGRES: settings.database_url, VALKEY: settings.redis_url}
            servers = EmbeddedServers(home, names=[name for name, url in urls.items() if url is None])
            stack.callback(servers.stop)
            embedded = servers.start(meanwhile=meanwhile)
            overrides["database_url"] = settings.database_url or embedded.database_url
            overrides["redis_url"] = settings.redis_url or embedded.redis_url
        else:
            meanwhile()
        if settings.secret_key is None:
            overrides["secret_key"] = _home_secret(home)
        yield settings.model_copy(update=overrides), servers


async def prepare(settings: Settings) -> None:
    """Migrate the schema to head, or only check it if AUTO_MIGRATE is off."""
    from app.utils.db import migrations

    await migrations.ensure(settings.database, auto=settings.auto_migrate)


def environment(settings: Settings) -> dict[str, str]:
    """The environment of AniSync's own child programs."""
    return {
        **os.environ,
        "DATABASE_URL": settings.database,
        "REDIS_URL": settings.redis,
        "SECRET_KEY": settings.secret,
        "ANISYNC_HOME": str(settings.anisync_home.resolve()),
        "AUTO_MIGRATE": "false",  # the parent has already migrated
    }


def echo(line: str) -> None:
    """Print a line to stdout at once, also into a pipe."""
    typer.echo(line)
    sys.stdout.flush()


def echo_error(line: str) -> None:
    typer.echo(line, err=True)


def _home_secret(home: Path) -> object:
    from pydantic import SecretStr

    from app.utils.crypto.secret_file import read_or_make_secret

    home.mkdir(parents=True, mode=0o700, exist_ok=True)
    return SecretStr(read_or_make_secret(home / "secret"))
