"""Commands that run the programs (up, api, worker, scheduler), and migrate and doctor."""

import asyncio
import importlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import echo, echo_error, environment, prepare, with_servers
from app.config import LOCAL_ORIGINS, Settings, load_settings

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from app.utils.processes.embedded import EmbeddedServers
    from app.utils.processes.programs import FirstAnswer
    from app.utils.processes.supervisor import Program

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")]


AccessLog = Annotated[bool, typer.Option("--access-log", help="Log each request, like ACCESS_LOG=true.")]


def up(host: Host = "127.0.0.1", port: Port = 8000, access_log: AccessLog = False) -> None:
    """Run everything on this machine: PostgreSQL, Valkey, API, worker and scheduler."""
    from app.utils.processes.programs import FirstAnswer, cache_bytecode, launched_by, shared_metrics
    from app.utils.processes.serving import address_of, listen

    settings = load_settings()
    cache_bytecode(settings.anisync_home.resolve() / "byte-code", unless_compiled="sqlalchemy")
    launcher_died = launched_by("uv")
    with ExitStack() as stack:
        stack.enter_context(_single_instance(settings.anisync_home))
        listener = stack.enter_context(listen(host, port))
        url = address_of(listener)
        echo(f"AniSync is starting in {settings.anisync_home.resolve()}")
        stack.enter_context(shared_metrics(settings.anisync_home.resolve()))
        settings, servers = stack.enter_context(with_servers(settings, meanwhile=_import_application))
        asyncio.run(prepare(settings))
        env = environment(settings)
        if "demo_user" not in settings.model_fields_set:
            env["DEMO_USER"] = "true"
        origins = list(dict.fromkeys([*settings.allowed_origins, *LOCAL_ORIGINS]))
        env["ALLOWED_ORIGINS"] = ",".join(origins)
        env |= _access_log_of(access_log)
        programs = [
            _program("API", env, "api", "--fd", str(listener.fileno()), fd=listener.fileno()),
            _program("worker", env, "worker"),
            _program("scheduler", env, "scheduler"),
        ]
        has_demo = env.get("DEMO_USER", "").lower() in {"true", "1", "yes", "on", "t", "y"}
        announce = partial(_announce, url, origins, has_demo=has_demo)
        answer = FirstAnswer(listener, "/anime?limit=1", announce)
        _supervise(programs, servers, listener, answer, launcher_died)
    _log("AniSync has stopped")


def api(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of processes.")] = 1,
    access_log: AccessLog = False,
    fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve the HTTP API."""
    from app.utils.processes.programs import shared_metrics
    from app.utils.processes.serving import listen, serve
    from app.utils.processes.supervisor import end_with_supervisor

    os.environ.update(_access_log_of(access_log))
    settings = _require_servers(load_settings())
    end_with_supervisor()
    if fd is not None:
        serve("app.main:app", socket.socket(fileno=fd))
        return
    with listen(host, port) as listener:
        if workers == 1:
            asyncio.run(prepare(settings))
            serve("app.main:app", listener)
            return
        with shared_metrics(settings.anisync_home.resolve()):
            _import_application()
            asyncio.run(prepare(settings))
            env, arguments = environment(settings), ("api", "--fd", str(listener.fileno()))
            programs = [
                _program(f"API {number}", env, *arguments, fd=listener.fileno())
                for number in range(1, workers + 1)
            ]
            _supervise(programs, None, listener)


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


def _program(name: str, env: dict[str, str], *arguments: str, fd: int | None = None) -> "Program":
    from app.cli.entry import main
    from app.utils.processes.programs import own_program

    return own_program(name, env, *arguments, main=main, fd=fd)


def _import_application() -> None:
    """Import what the programs have in common, so that they get it when they are forked."""
    from app.utils.processes.forking import CAN_FORK
    from app.utils.processes.heap import tune_garbage_collector

    if not CAN_FORK:
        return
    for name in ("app.main", "app.scheduler"):
        importlib.import_module(name)
    tune_garbage_collector()


def _supervise(
    programs: "list[Program]",
    servers: "EmbeddedServers | None",
    listener: socket.socket,
    first_answer: "FirstAnswer | None" = None,
    launcher_died: Callable[[], bool] = lambda: False,
) -> None:
    from app.utils.processes.embedded.monitor import ServerMonitor
    from app.utils.processes.programs import drop_live_metrics
    from app.utils.processes.supervisor import Supervisor

    monitor = ServerMonitor(servers, _log) if servers else None

    def on_tick() -> None:
        if monitor is not None:
            monitor()
        if first_answer is not None:
            first_answer()
        if launcher_died():
            os.kill(os.getpid(), signal.SIGTERM)

    Supervisor(
        programs,
        log=_log,
        on_tick=on_tick,
        on_exit=drop_live_metrics,
        on_stop=listener.close,
        inputs=first_answer.inputs if first_answer else (),
    ).run()


def _access_log_of(wanted: bool) -> dict[str, str]:
    """The variable that tells child programs of `--access-log`."""
    return {"ACCESS_LOG": "true"} if wanted else {}


def _announce(url: str, origins: list[str], page: "HTTPResponse", *, has_demo: bool) -> None:
    from app.services.accounts.demo import DEMO_NAME, DEMO_PASSWORD

    titles = int(page.headers.get("X-Total-Count", "0"))
    _log(f"AniSync is up at {url}")
    _log(f"  API documentation: {url}/docs")
    if has_demo:
        _log(f"  demo account: {DEMO_NAME} / {DEMO_PASSWORD}")
    if titles:
        _log(f"  catalogue: {titles:,} titles")
    else:
        _log("  catalogue: empty; fill it with `anisync catalog import FILE` or `anisync catalog sync top`")
    _log(f"  allowed origins beside its own: {', '.join(origins)}")
    _log("  stop it with Ctrl-C")


def _log(line: str) -> None:
    with suppress(OSError):  # a closed terminal must not prevent an orderly stop
        echo(line)


def _run_program(module: str) -> None:
    """Run ``main`` of a module on the same layer, which the import contracts forbid importing statically."""
    from app.utils.processes.supervisor import end_with_supervisor

    _require_servers(load_settings())
    end_with_supervisor()
    importlib.import_module(module).main()
