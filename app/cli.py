"""The command line: a few lines each; what they start and call lives elsewhere."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from app.config import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from app.container import Container
    from app.utils.embedded import EmbeddedServers
    from app.utils.supervisor import Program

cli = typer.Typer(
    help="AniSync: the backend that anime trackers are built on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")]


def main() -> None:
    """Run a command; an expected failure is one line on stderr."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        cli()
    except SettingsError as error:
        _fail(str(error), code=2)
    except _expected_failures() as error:
        _fail(str(error), code=1)


@cli.command()
def up(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Run everything on this machine: PostgreSQL, Valkey, API, worker and scheduler."""
    from app.utils.serving import address_of, listen

    settings = load_settings()
    with ExitStack() as stack:
        stack.enter_context(_alone(settings.anisync_home))
        listener = stack.enter_context(listen(host, port))
        url = address_of(listener)
        _say(f"AniSync starts in {settings.anisync_home.resolve()}")
        settings, servers = stack.enter_context(_with_servers(settings))
        settings = settings.model_copy(update={"demo_user": _wants_demo(settings)})
        asyncio.run(_prepare(settings))
        environment = stack.enter_context(_environment(settings))
        programs = [
            _program("API", environment, "api", "--fd", str(listener.fileno()), fd=listener.fileno()),
            _program("worker", environment, "worker"),
            _program("scheduler", environment, "scheduler"),
        ]
        _announce_when_ready(url)
        _supervise(programs, environment, servers, listener)
    _say("AniSync has stopped")


@cli.command()
def api(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of processes.")] = 1,
    fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve the HTTP API."""
    from app.utils.serving import listen, serve
    from app.utils.supervisor import end_with_supervisor

    settings = _required(load_settings())
    end_with_supervisor()
    if fd is not None:
        serve("app.main:app", socket.socket(fileno=fd))
        return
    with listen(host, port) as listener:
        asyncio.run(_prepare(settings))
        if workers == 1:
            serve("app.main:app", listener)
            return
        with _environment(settings) as environment:
            arguments = ("api", "--fd", str(listener.fileno()))
            programs = [
                _program(f"API {number}", environment, *arguments, fd=listener.fileno())
                for number in range(1, workers + 1)
            ]
            _supervise(programs, environment, None, listener)


@cli.command()
def worker() -> None:
    """Run background jobs."""
    _run_program("app.worker")


@cli.command()
def scheduler() -> None:
    """Start periodic work; two at once do no harm."""
    _run_program("app.scheduler")


@cli.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from app.utils import migrations

    typer.echo(asyncio.run(migrations.upgrade(load_settings().database)))


@cli.command()
def doctor() -> None:
    """Check settings, database, migrations, Redis and upstreams, and say what is wrong."""
    from app.services.diagnosis import diagnose

    settings = load_settings()
    typer.echo("ok    settings")
    with _with_servers(settings) as (settings, servers):
        if servers is not None and servers.owner:
            asyncio.run(_prepare(settings.model_copy(update={"demo_user": False})))
        findings = asyncio.run(diagnose(settings))
    for finding in findings:
        typer.echo(f"{finding.state:<5} {finding.subject}: {finding.text}")
    raise typer.Exit(1 if any(finding.state == "bad" for finding in findings) else 0)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Refuse a second `up` of the same home."""
    from app.utils.embedded.sharing import exclusive

    home.mkdir(parents=True, mode=0o700, exist_ok=True)
    with exclusive(home / "up.lock") as first:
        if not first:
            _fail(f"AniSync is up already in {home.resolve()}: stop it, or set another ANISYNC_HOME.", code=1)
        yield


@contextmanager
def _with_servers(settings: Settings) -> Iterator[tuple[Settings, "EmbeddedServers | None"]]:
    """Settings that lead to real servers: those they name, or embedded ones for as long as this lasts."""
    home = settings.anisync_home.resolve()
    given: dict[str, object] = {"anisync_home": home}
    with ExitStack() as stack:
        servers = None
        if settings.database_url is None or settings.redis_url is None:
            from app.utils.embedded import POSTGRES, VALKEY, EmbeddedServers

            urls = {POSTGRES: settings.database_url, VALKEY: settings.redis_url}
            servers = EmbeddedServers(home, wanted=[name for name, url in urls.items() if url is None])
            stack.callback(servers.stop)
            embedded = servers.start()
            given["database_url"] = settings.database_url or embedded.database_url
            given["redis_url"] = settings.redis_url or embedded.redis_url
        if settings.secret_key is None:
            given["secret_key"] = _home_secret(home)
        yield settings.model_copy(update=given), servers


def _home_secret(home: Path) -> object:
    from pydantic import SecretStr

    from app.utils.secret_file import read_or_make_secret

    home.mkdir(parents=True, mode=0o700, exist_ok=True)
    return SecretStr(read_or_make_secret(home / "secret"))


def _required(settings: Settings) -> Settings:
    """Fail on what only `up` can do without."""
    _ = settings.database, settings.redis, settings.secret
    return settings


async def _prepare(settings: Settings) -> None:
    """Bring the schema to head where that is wanted, and make the demo user."""
    from app.utils import migrations

    await migrations.ensure(settings.database, auto=settings.auto_migrate)


def _wants_demo(settings: Settings) -> bool:
    return settings.demo_user or "demo_user" not in settings.model_fields_set


@contextmanager
def _environment(settings: Settings) -> Iterator[dict[str, str]]:
    """What our programs are told; with a fresh folder where they meet for `/metrics`."""
    import shutil
    import tempfile

    import app

    settings.anisync_home.mkdir(parents=True, mode=0o700, exist_ok=True)
    metrics = tempfile.mkdtemp(prefix="metrics-", dir=settings.anisync_home)
    try:
        yield {
            **os.environ,
            "DATABASE_URL": settings.database,
            "REDIS_URL": settings.redis,
            "SECRET_KEY": settings.secret,
            "ANISYNC_HOME": str(settings.anisync_home.resolve()),
            "AUTO_MIGRATE": "false",  # it was done before they start
            "PROMETHEUS_MULTIPROC_DIR": metrics,
            "PYTHONPATH": str(Path(app.__file__).parents[1]),
        }
    finally:
        shutil.rmtree(metrics, ignore_errors=True)


def _program(name: str, environment: dict[str, str], *arguments: str, fd: int | None = None) -> "Program":
    from app.utils.supervisor import Program

    # -P keeps a package `app` of the working directory out
    command = [sys.executable, "-P", "-m", "app.cli", *arguments]
    return Program(name, command, environment, pass_fds=() if fd is None else (fd,))


def _supervise(
    programs: "list[Program]",
    environment: dict[str, str],
    servers: "EmbeddedServers | None",
    listener: socket.socket,
) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    from app.utils.embedded.upkeep import Upkeep
    from app.utils.supervisor import Supervisor

    folder = environment["PROMETHEUS_MULTIPROC_DIR"]
    Supervisor(
        programs,
        say=_say,
        tend=Upkeep(servers, _say) if servers else lambda: None,
        on_exit=lambda pid: mark_process_dead(pid, folder),  # type: ignore[no-untyped-call]
        on_stop=listener.close,
    ).run()


def _announce_when_ready(url: str) -> None:
    """Print the addresses once the API answers; the socket is open already and keeps the question."""
    import threading
    import urllib.request

    def ask() -> None:
        while True:
            try:
                with urllib.request.urlopen(f"{url}/health/live", timeout=120):
                    break
            except OSError:
                continue
        _say(f"AniSync is up at {url}")
        _say(f"  API and its documentation: {url}/docs")
        _say("  stop it with Ctrl-C")

    threading.Thread(target=ask, name="announce", daemon=True).start()


def _run_program(module: str) -> None:
    """Run the ``main`` of a module that stands beside this one, which may not import it."""
    import importlib

    from app.utils.supervisor import end_with_supervisor

    _required(load_settings())
    end_with_supervisor()
    importlib.import_module(module).main()


def _run(work: "Callable[[Container], Awaitable[int]]") -> NoReturn:
    """Do some work with the services, beside a running `up` or without one; its result is the exit code."""

    async def within(settings: Settings) -> int:
        from app.container import build

        await _prepare(settings)
        async with build(settings) as container:
            return await work(container)

    with _with_servers(load_settings()) as (settings, _):
        code = asyncio.run(within(settings))
    raise typer.Exit(code)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # what a command is there to say


def _fail(line: str, *, code: int) -> NoReturn:
    print(f"anisync: {line}", file=sys.stderr)  # noqa: T201
    sys.exit(code)


def _expected_failures() -> tuple[type[Exception], ...]:
    """Imported only when something failed, so that `--help` stays quick."""
    from app.errors import AppError
    from app.utils.database import DatabaseUnavailable
    from app.utils.embedded import EmbeddedError
    from app.utils.migrations import LoginRefused, SchemaNotReady
    from app.utils.serving import CannotListen

    return AppError, CannotListen, DatabaseUnavailable, EmbeddedError, LoginRefused, SchemaNotReady


if __name__ == "__main__":
    main()
