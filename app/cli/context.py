"""What commands stand on: settings that lead to real servers, a schema at head, the services."""

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
    """Do some work with the services, beside a running `up` or without one; its result is the exit code."""

    async def within(settings: Settings) -> int:
        from app.container import build
        from app.logs import configure_logs

        configure_logs(settings.log_level if "log_level" in settings.model_fields_set else "WARNING")
        await prepare(settings)
        async with build(settings) as container:
            return await work(container)

    with with_servers(load_settings()) as (settings, _):
        code = asyncio.run(within(settings))
    raise typer.Exit(code)


@contextmanager
def with_servers(settings: Settings) -> "Iterator[tuple[Settings, EmbeddedServers | None]]":
    """Settings that lead to real servers: those they name, or embedded ones for as long as this lasts."""
    home = settings.anisync_home.resolve()
    given: dict[str, object] = {"anisync_home": home}
    with ExitStack() as stack:
        servers = None
        if settings.database_url is None or settings.redis_url is None:
            from app.utils.processes.embedded import POSTGRES, VALKEY, EmbeddedServers

            urls = {POSTGRES: settings.database_url, VALKEY: settings.redis_url}
            servers = EmbeddedServers(home, names=[name for name, url in urls.items() if url is None])
            stack.callback(servers.stop)
            embedded = servers.start()
            given["database_url"] = settings.database_url or embedded.database_url
            given["redis_url"] = settings.redis_url or embedded.redis_url
        if settings.secret_key is None:
            given["secret_key"] = _home_secret(home)
        yield settings.model_copy(update=given), servers


async def prepare(settings: Settings) -> None:
    """Bring the schema to head where that is wanted, or make sure that it is there."""
    from app.utils.db import migrations

    await migrations.ensure(settings.database, auto=settings.auto_migrate)


@contextmanager
def environment(settings: Settings) -> Iterator[dict[str, str]]:
    """What programs of our own are told."""
    from app.utils.processes.programs import shared_metrics

    home = settings.anisync_home.resolve()
    home.mkdir(parents=True, mode=0o700, exist_ok=True)
    with shared_metrics(home) as variables:
        yield {
            **os.environ,
            **variables,
            "DATABASE_URL": settings.database,
            "REDIS_URL": settings.redis,
            "SECRET_KEY": settings.secret,
            "ANISYNC_HOME": str(home),
            "AUTO_MIGRATE": "false",  # it was done before they start
        }


def say(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()


def complain(line: str) -> None:
    typer.echo(line, err=True)


def _home_secret(home: Path) -> object:
    from pydantic import SecretStr

    from app.utils.crypto.secret_file import read_or_make_secret

    home.mkdir(parents=True, mode=0o700, exist_ok=True)
    return SecretStr(read_or_make_secret(home / "secret"))
