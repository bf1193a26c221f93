"""Commands that run the programs (up, api, worker, scheduler), and migrate and doctor."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import echo, echo_error, environment, prepare, with_servers
from app.config import Settings, load_settings

if TYPE_CHECKING:
    from app.utils.processes.embedded import EmbeddedServers
    from app.utils.processes.supervisor import Program

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")]


def up(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Run everything on this machine: PostgreSQL, Valkey, API, worker and scheduler."""
    from app.utils.processes.programs import cache_bytecode, own_program, stop_with_launcher, when_answering
    from app.utils.processes.serving import address_of, listen

    settings = load_settings()
    cache_bytecode(settings.anisync_home.resolve() / "byte-code", unless_compiled="sqlalchemy")
    stop_with_launcher("uv")
    with ExitStack() as stack:
        stack.enter_context(_single_instance(settings.anisync_home))
        listener = stack.enter_context(listen(host, port))
        url = address_of(listener)
        echo(f"AniSync is starting in {settings.anisync_home.resolve()}")
        settings, servers = stack.enter_context(with_servers(settings))
        asyncio.run(prepare(settings))
        env = stack.enter_context(environment(settings))
        if "demo_user" not in settings.model_fields_set:
            env["DEMO_USER"] = "true"
        programs = [
            own_program("API", env, "api", "--fd", str(listener.fileno()), fd=listener.fileno()),
            own_program("worker", env, "worker"),
            own_program("scheduler", env, "scheduler"),
        ]
        when_answering(f"{url}/health/live", lambda: _announce(url))
        _supervise(programs, env, servers, listener)
    _log("AniSync has stopped")


def api(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of processes.")] = 1,
    fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve the HTTP API."""
    from app.utils.processes.programs import own_program
    from app.utils.processes.serving import listen, serve
    from app.utils.processes.supervisor import end_with_supervisor

    settings = _require_servers(load_settings())
    end_with_supervisor()
    if fd is not None:
        serve("app.main:app", socket.socket(fileno=fd))
        return
    with listen(host, port) as listener:
        asyncio.run(prepare(settings))
        if workers == 1:
            serve("app.main:app", listener)
            return
        with environment(settings) as env:
            arguments = ("api", "--fd", str(listener.fileno()))
            programs = [
                own_program(f"API {number}", env, *arguments, fd=listener.fileno())
                for number in range(1, workers + 1)
            ]
            _supervise(programs, env, None, listener)


def worker() -> None:
    """Run background jobs."""
    _run_program("app.worker")


def scheduler() -> None:
    """Start periodic jobs; several schedulers may run at once."""
    _run_program("app.scheduler")


def migrate() -> None:
    """Migrate the database to the newest schema."""
    from app.utils.db import migrations

    echo(str(asyncio.run(migrations.upgrade(load_settings().database))))


def doctor() -> None:
    """Check settings, database, migrations, Redis and upstreams, and report problems."""
    from app.services.diagnosis import diagnose

    settings = load_settings()
    echo("ok    settings")
    with with_servers(settings) as (settings, servers):
        if servers is not None and servers.owner:
            asyncio.run(prepare(settings))
        findings = asyncio.run(diagnose(settings))
    for finding in findings:
        echo(f"{finding.state:<5} {finding.subject}: {finding.text}")
    raise typer.Exit(1 if any(finding.state == "bad" for finding in findings) else 0)


@contextmanager
def _single_instance(home: Path) -> Iterator[None]:
    """Exit with an error if another `up` uses the same home."""
    from app.utils.processes.embedded.sharing import exclusive

    home.mkdir(parents=True, mode=0o700, exist_ok=True)
    with exclusive(home / "up.lock") as locked:
        if not locked:
            message = f"AniSync is already running in {home.resolve()}: stop it, or set another ANISYNC_HOME."
            echo_error(f"anisync: {message}")
            raise typer.Exit(1)
        yield


def _require_servers(settings: Settings) -> Settings:
    """Raise :class:`SettingsError` for what is optional under `up` only."""
    _ = settings.database, settings.redis, settings.secret
    return settings


def _supervise(
    programs: "list[Program]",
    env: dict[str, str],
    servers: "EmbeddedServers | None",
    listener: socket.socket,
) -> None:
    from app.utils.processes.embedded.monitor import ServerMonitor
    from app.utils.processes.programs import drop_live_metrics
    from app.utils.processes.supervisor import Supervisor

    Supervisor(
        programs,
        log=_log,
        on_tick=ServerMonitor(servers, _log) if servers else lambda: None,
        on_exit=lambda pid: drop_live_metrics(pid, env),
        on_stop=listener.close,
    ).run()


def _announce(url: str) -> None:
    _log(f"AniSync is up at {url}")
    _log(f"  API documentation: {url}/docs")
    _log("  stop it with Ctrl-C")


def _log(line: str) -> None:
    with suppress(OSError):  # a closed terminal must not prevent an orderly stop
        echo(line)


def _run_program(module: str) -> None:
    """Run ``main`` of a module on the same layer, which the import contracts forbid importing statically."""
    import importlib

    from app.utils.processes.supervisor import end_with_supervisor

    _require_servers(load_settings())
    end_with_supervisor()
    importlib.import_module(module).main()
