"""The command line: exit codes, one-line errors, and work on configured servers."""

import asyncio
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.entry import cli
from app.config import Settings
from app.container import Container
from app.errors import Unauthenticated
from app.schemas.domain.accounts import ClientInfo
from app.schemas.jobs import ForgetJobs, SyncAnime
from tests.fixtures.accounts import PASSWORD, SignedIn
from tests.fixtures.processes import ROOT

SECRET = "a secret of tests, longer than 32 bytes"


async def anisync(*arguments: str, cwd: Path, **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command with only these settings."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.cli", *arguments,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


@pytest.fixture
def given(settings: Settings) -> dict[str, str]:
    """The variables that point a command to the servers of the test."""
    return {
        "DATABASE_URL": settings.database,
        "REDIS_URL": settings.redis,
        "SECRET_KEY": SECRET,
        "ANISYNC_HOME": str(settings.anisync_home),
        "JIKAN_BASE_URL": settings.jikan_base_url,
        "ANILIST_BASE_URL": settings.anilist_base_url,
        "ANILIBRIA_BASE_URL": settings.anilibria_base_url,
        "MANGADEX_BASE_URL": settings.mangadex_base_url,
    }


async def test_help_lists_every_command(tmp_path: Path) -> None:
    code, output, _ = await anisync("--help", cwd=tmp_path)
    assert code == 0
    for name in (
        "up",
        "api",
        "worker",
        "scheduler",
        "migrate",
        "doctor",
        "jobs",
        "catalog",
        "users",
        "recommend",
    ):
        assert f" {name} " in output


@pytest.mark.parametrize(
    ("modules", "spared"),
    [
        ("app.cli", {"sqlalchemy", "alembic", "fastapi", "httpx", "redis", "uvicorn"}),
        ("app.main, app.scheduler", {"alembic", "ftfy", "scipy", "taskiq", "zxcvbn"}),
    ],
)
def test_a_start_does_not_import_what_only_some_work_needs(modules: str, spared: set[str]) -> None:
    script = f"import sys, {modules}; print(*sorted({spared} & set(sys.modules)))"
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == ""


@pytest.mark.parametrize(
    ("command", "missing"),
    [("api", "DATABASE_URL"), ("worker", "REDIS_URL"), ("scheduler", "SECRET_KEY")],
)
async def test_a_missing_setting_is_reported_in_one_line(
    tmp_path: Path, given: dict[str, str], command: str, missing: str
) -> None:
    del given[missing]
    code, output, errors = await anisync(command, cwd=tmp_path, **given)
    assert (code, output) == (2, "")
    assert errors.startswith(f"anisync: {missing} is not set: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        ("up", "SECRET_KEY", "short"),
        ("api", "JWT_SECRET", "another secret of tests, longer than 32 bytes"),
        ("doctor", "ALLOWED_ORIGINS", "*"),
        ("worker", "ALGORITHM", "none"),
        ("migrate", "DATABASE_URL", "mysql://localhost/x"),
    ],
)
async def test_an_invalid_setting_is_reported_in_one_line(
    tmp_path: Path, given: dict[str, str], command: str, name: str, value: str
) -> None:
    code, _, errors = await anisync(command, cwd=tmp_path, **{**given, name: value})
    assert code == 2
    assert name in errors
    assert errors.count("\n") == 1


async def test_a_port_in_use_is_reported_in_one_line(tmp_path: Path, given: dict[str, str]) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    code, _, errors = await anisync("api", "--port", str(port), cwd=tmp_path, **given)
    server.close()
    assert code == 1
    assert errors == f"anisync: Port {port} on 127.0.0.1 is taken: choose another one with --port.\n"


async def test_migrate_prints_the_revision(
    tmp_path: Path, given: dict[str, str], empty_database_url: str
) -> None:
    code, output, _ = await anisync("migrate", cwd=tmp_path, **{**given, "DATABASE_URL": empty_database_url})
    assert code == 0
    assert output.startswith("database clone_")
    code, again, _ = await anisync("migrate", cwd=tmp_path, **{**given, "DATABASE_URL": empty_database_url})
    assert (code, again) == (0, output)


async def test_without_auto_migrate_an_empty_database_is_rejected(
    tmp_path: Path, given: dict[str, str], empty_database_url: str
) -> None:
    refused = {**given, "DATABASE_URL": empty_database_url, "AUTO_MIGRATE": "false"}
    for command in ("api", "worker", "scheduler", "up"):
        arguments = (command, "--port", "0") if command in {"api", "up"} else (command,)
        code, _, errors = await anisync(*arguments, cwd=tmp_path, **refused)
        assert code == 1, command
        assert "revision none, expected" in errors
        assert "run `anisync migrate`" in errors


async def test_doctor_reports_a_healthy_installation(
    tmp_path: Path, given: dict[str, str], settings: Settings, container: Container
) -> None:
    code, output, _ = await anisync("doctor", cwd=tmp_path, **given)
    lines = output.splitlines()
    assert code == 0
    assert lines[0] == "ok    settings"
    assert lines[1].startswith("ok    database: PostgreSQL ")
    assert lines[2].startswith("ok    migrations: database clone_")
    assert lines[3].startswith("weak  scheduler: has never run")
    assert lines[4].startswith("weak  worker: has never run a job")
    assert lines[5].startswith("ok    redis: ")
    assert lines[6] == f"ok    uploads: {settings.upload_folder}"
    assert lines[7] == "weak  smtp: SMTP_URL is not set: mails go to the log"
    assert lines[8].startswith("weak  jikan: http://127.0.0.1:9/v4 does not answer")
    async with container.db.transaction() as tx:
        connection = await tx.session.connection()
        await connection.exec_driver_sql(_SEEN)
    (settings.anisync_home / "file").touch()
    given |= {"SMTP_URL": "smtp://127.0.0.1:9", "UPLOAD_DIR": f"{settings.anisync_home}/file"}
    code, output, _ = await anisync("doctor", cwd=tmp_path, **given)
    assert code == 1
    assert re.search(r"^ok    scheduler: seen \d+ s ago$", output, re.MULTILINE)
    assert re.search(r"^weak  worker: a job has been due for \d+ s", output, re.MULTILINE)
    assert "bad   uploads: " in output
    assert "weak  smtp: The mail server does not let us in: ConnectionRefusedError." in output


_SEEN = """
    with fired as (insert into schedules (name, fired_at) values ('sync.due', now()))
    insert into jobs (key, kind, run_after) values ('x', 'x', now() - interval '1 hour')
"""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/x"},
            "bad   database: PostgreSQL is not reachable",
        ),
        ({"REDIS_URL": "redis://127.0.0.1:9/0"}, "bad   redis: not reachable"),
    ],
)
async def test_doctor_reports_problems(
    tmp_path: Path, given: dict[str, str], changes: dict[str, str], told: str
) -> None:
    code, output, _ = await anisync("doctor", cwd=tmp_path, **{**given, **changes})
    assert code == 1
    assert told in output


async def test_doctor_reports_a_missing_schema(
    tmp_path: Path, given: dict[str, str], empty_database_url: str
) -> None:
    code, output, _ = await anisync("doctor", cwd=tmp_path, **{**given, "DATABASE_URL": empty_database_url})
    assert code == 1
    assert "bad   migrations: " in output
    assert "run `anisync migrate`" in output


async def test_doctor_reports_a_rejected_login(tmp_path: Path, given: dict[str, str]) -> None:
    absent = given["DATABASE_URL"].replace("@/clone_", "@/absent_")
    code, output, _ = await anisync("doctor", cwd=tmp_path, **{**given, "DATABASE_URL": absent})
    assert code == 1
    assert 'bad   database: PostgreSQL rejects the login: database "absent_' in output


async def test_jobs_are_listed_and_retried(
    tmp_path: Path, given: dict[str, str], container: Container
) -> None:
    await container.jobs.submit(SyncAnime(mal_id=21))
    forgotten = await container.jobs.submit(ForgetJobs())
    code, output, _ = await anisync("jobs", "list", cwd=tmp_path, **given)
    assert code == 0
    head, first, second, total = output.splitlines()
    assert head.split() == ["ID", "STATUS", "DONE", "CREATED", "(UTC)", "TOOK", "KEY", "ERROR"]
    assert first.split()[:3] == [str(forgotten.id), "queued", "-"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +- +jobs\.forget", first[first.index("20") :])
    assert second.split()[-1] == "anime.sync:21"
    assert head.index("KEY") == first.index("jobs.forget") == second.index("anime.sync")
    assert total == "2 of 2 jobs"

    code, output, _ = await anisync("jobs", "list", "--status", "failed", cwd=tmp_path, **given)
    assert (code, output.splitlines()[1:]) == (0, ["0 of 0 jobs"])

    code, _, errors = await anisync("jobs", "retry", str(forgotten.id), cwd=tmp_path, **given)
    assert code == 1
    assert errors == "anisync: Only a failed job can be retried; this one is queued.\n"

    async with container.db.transaction() as tx:
        connection = await tx.session.connection()
        await connection.exec_driver_sql("update jobs set status = 'failed', finished_at = now()")
    code, output, _ = await anisync("jobs", "retry", str(forgotten.id), cwd=tmp_path, **given)
    assert (code, output) == (0, f"{forgotten.id} jobs.forget is queued\n")


async def test_recommendations_are_printed_with_their_reasons(
    tmp_path: Path, given: dict[str, str], container: Container
) -> None:
    await container.accounts.registration.create(
        username="Mio", email=None, password="a long enough one", role="user"
    )
    async with container.db.transaction() as tx:
        connection = await tx.session.connection()
        await connection.exec_driver_sql(
            "insert into anime (title, type, year, score) values ('A', 'TV', 1998, 7), ('B', null, null, 8)"
        )
    code, output, _ = await anisync("recommend", "mio", cwd=tmp_path, **given)
    assert (code, output.splitlines()) == (
        0, ["A (TV, 1998): Popular with everybody", "B: Popular with everybody"]
    )  # fmt: skip
    code, _, errors = await anisync("recommend", "nobody", cwd=tmp_path, **given)
    assert (code, errors) == (1, "anisync: There is no account nobody.\n")


async def test_an_account_is_created_once(
    tmp_path: Path, given: dict[str, str], container: Container
) -> None:
    who = ("--username", "Mio", "--email", "mio@example.org", "--password", "a long enough one", "--admin")
    code, output, _ = await anisync("users", "create", *who, cwd=tmp_path, **given)
    assert code == 0
    assert output.startswith("created admin Mio with id ")
    account = await container.accounts.users.get(int(output.split()[-1]))
    assert (account.username, account.email, account.role) == ("Mio", "mio@example.org", "admin")

    code, _, errors = await anisync("users", "create", *who, cwd=tmp_path, **given)
    assert (code, errors) == (1, "anisync: This user name is taken.\n")


async def test_accounts_are_listed_disabled_and_given_passwords(
    tmp_path: Path, given: dict[str, str], container: Container, user: SignedIn
) -> None:
    sessions = container.accounts.sessions

    async def signs_in(password: str) -> bool:
        try:
            await sessions.sign_in(user.username, password, ClientInfo("192.0.2.1", "192.0.2.1", "tests"))
        except Unauthenticated:
            return False
        return True

    code, output, _ = await anisync("users", "disable", user.username.upper(), cwd=tmp_path, **given)
    assert (code, output) == (0, f"{user.username} is disabled\n")
    assert not await signs_in(PASSWORD)
    code, output, _ = await anisync("users", "list", cwd=tmp_path, **given)
    assert code == 0
    assert output.splitlines()[0].split() == ["ID", "ROLE", "STATE", "CREATED", "(UTC)", "USERNAME", "E-MAIL"]
    assert output.splitlines()[1].split()[:3] == [str(user.id), "user", "disabled"]
    assert user.username in output.splitlines()[1]
    assert output.splitlines()[2] == "1 of 1 accounts"
    await anisync("users", "enable", user.username, cwd=tmp_path, **given)
    new = "another horse 8"
    code, output, _ = await anisync(
        "users", "password", user.username, "--password", new, cwd=tmp_path, **given
    )
    assert (code, output) == (0, f"{user.username} has a new password\n")
    assert (await signs_in(PASSWORD), await signs_in(new)) == (False, True)
    code, _, errors = await anisync("users", "disable", "nobody", cwd=tmp_path, **given)
    assert (code, errors) == (1, "anisync: There is no account nobody.\n")


def test_the_version_and_the_prompt_for_a_password() -> None:
    run = CliRunner().invoke(cli, ["--version"])
    assert (run.exit_code, run.output) == (0, f"anisync {version('anisync')}\n")
    run = CliRunner().invoke(cli, ["users", "create", "--username", "mio"], input="\n")
    assert run.output.startswith("Password: ")
    assert "[]" not in run.output


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"--username": "a b c"}, 2, "--username"),
        ({"--email": "nobody"}, 2, "--email"),
        ({"--password": "password"}, 1, "password: This password is too easy to guess"),
    ],
)
async def test_an_invalid_account_is_rejected(
    tmp_path: Path, given: dict[str, str], changes: dict[str, str], code: int, told: str
) -> None:
    options = {
        "--username": "mio",
        "--email": "mio@example.org",
        "--password": "a long enough one",
        **changes,
    }
    arguments = [part for option in options.items() for part in option]
    ended, _, errors = await anisync("users", "create", *arguments, cwd=tmp_path, **given)
    assert ended == code
    assert errors.count(told) == 1
