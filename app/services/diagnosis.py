"""Diagnosis of an installation: database, schema, Redis, upstreams."""

import asyncio
from dataclasses import dataclass
from typing import Literal

import httpx

from app.config import Settings
from app.errors import UpstreamError
from app.external.mail import Mailer
from app.services.accounts.avatars import check_folder
from app.utils.db import migrations
from app.utils.db.database import Database, DatabaseUnavailable
from app.utils.redis.client import REDIS_FAULTS, connect_redis

_UPSTREAM_TIMEOUT = 5.0  # seconds


@dataclass(frozen=True)
class Finding:
    """``bad`` prevents AniSync from running; ``weak`` only impairs part of it."""

    subject: str
    state: Literal["ok", "weak", "bad"]
    text: str


async def diagnose(settings: Settings) -> list[Finding]:
    """Check everything that the settings configure; a failed check does not stop the others."""
    own, upstreams = await asyncio.gather(_check_stores(settings), _check_upstreams(settings))
    return [*own, *upstreams]


async def _check_stores(settings: Settings) -> list[Finding]:
    stores = [*await _check_database(settings.database), await _check_redis(settings.redis)]
    return [*stores, _check_uploads(settings), await _check_smtp(settings)]


async def _check_database(url: str) -> list[Finding]:
    try:
        state = await migrations.inspect(url)
    except (DatabaseUnavailable, migrations.LoginRefused) as error:
        return [Finding("database", "bad", f"{error} (check DATABASE_URL and the server)")]
    database = Database.connect(url, pool_size=1)
    try:
        version = await database.scalar("show server_version")
        missing = await database.scalar(_MISSING_EXTENSIONS)
        found = [_judge_server(version, missing), _judge_schema(state)]
        if not state.at_head:
            return found
        fired, finished, waiting = [
            await database.scalar(f"select extract(epoch from now() - {what})")
            for what in (_LAST_FIRED, _LAST_FINISHED, _LONGEST_DUE)
        ]
    finally:
        await database.close()
    return [*found, _judge_scheduler(fired), _judge_worker(finished, waiting)]


# The scheduler fires a job every half minute, which the worker then runs.
_LAST_FIRED = "(select max(fired_at) from schedules)"
_LAST_FINISHED = "(select max(finished_at) from jobs where started_at is not null)"
_LONGEST_DUE = "(select min(run_after) from jobs where status = 'queued' and run_after < now())"
_QUIET = 120.0  # seconds


def _judge_scheduler(fired: float | None) -> Finding:
    if fired is None:
        return Finding("scheduler", "weak", "has never run: start `anisync scheduler`, or `anisync up`")
    if fired > _QUIET:
        return Finding("scheduler", "weak", f"last seen {fired:.0f} s ago: start `anisync scheduler`")
    return Finding("scheduler", "ok", f"seen {fired:.0f} s ago")


def _judge_worker(finished: float | None, waiting: float | None) -> Finding:
    if waiting is not None and waiting > _QUIET:
        text = f"a job has been due for {waiting:.0f} s: start `anisync worker`, or more of them"
        return Finding("worker", "weak", text)
    if finished is None:
        return Finding("worker", "weak", "has never run a job: start `anisync worker`, or `anisync up`")
    if finished > _QUIET:
        return Finding("worker", "weak", f"last ran a job {finished:.0f} s ago: is it running?")
    return Finding("worker", "ok", f"ran a job {finished:.0f} s ago")


def _check_uploads(settings: Settings) -> Finding:
    try:
        check_folder(settings.upload_folder)
    except OSError as error:
        text = f"{settings.upload_folder} cannot be written ({error.strerror}): set UPLOAD_DIR"
        return Finding("uploads", "bad", text)
    return Finding("uploads", "ok", str(settings.upload_folder))


async def _check_smtp(settings: Settings) -> Finding:
    if settings.smtp_url is None:
        return Finding("smtp", "weak", "SMTP_URL is not set: mails go to the log")
    try:
        await Mailer(settings.smtp_url.get_secret_value(), settings.mail_from).greet()
    except UpstreamError as error:
        return Finding("smtp", "weak", f"{error} (check SMTP_URL)")
    return Finding("smtp", "ok", "the mail server accepts the connection")


_MISSING_EXTENSIONS = """
    select string_agg(name, ', ') from unnest(array['pg_trgm', 'unaccent']) as needed(name)
    where not exists (select from pg_available_extensions as there where there.name = needed.name)
"""
_OLDEST_SERVER = 15


def _judge_server(version: str, missing: str | None) -> Finding:
    if missing:
        return Finding("database", "bad", f"PostgreSQL {version} lacks {missing}: install postgresql-contrib")
    if int(version.split(".")[0]) < _OLDEST_SERVER:
        return Finding("database", "bad", f"PostgreSQL {version} is older than {_OLDEST_SERVER}: upgrade it")
    return Finding("database", "ok", f"PostgreSQL {version}")


def _judge_schema(state: migrations.SchemaState) -> Finding:
    if state.at_head:
        return Finding("migrations", "ok", str(state))
    return Finding("migrations", "bad", f"{state}: {state.remedy}")


async def _check_redis(url: str) -> Finding:
    redis = connect_redis(url)
    try:
        server = await redis.info("server")
    except REDIS_FAULTS as error:
        return Finding("redis", "bad", f"not reachable ({error}): check REDIS_URL and the server")
    finally:
        await redis.aclose()
    name = server.get("server_name", "redis").title()
    return Finding("redis", "ok", f"{name} {server.get('valkey_version', server.get('redis_version'))}")


async def _check_upstreams(settings: Settings) -> list[Finding]:
    addresses = {
        "jikan": settings.jikan_base_url,
        "anilist": settings.anilist_base_url,
        "anilibria": settings.anilibria_base_url.split(",")[0],
        "mangadex": settings.mangadex_base_url,
        "hianime": settings.hianime_base_url,
        "node": settings.node_service_url,
    }
    async with httpx.AsyncClient(timeout=_UPSTREAM_TIMEOUT) as client:
        return await asyncio.gather(
            *(_check_upstream(client, name, url) for name, url in addresses.items() if url)
        )


async def _check_upstream(client: httpx.AsyncClient, name: str, url: str) -> Finding:
    try:
        async with client.stream("GET", url) as answer:
            status = answer.status_code
    except httpx.HTTPError as error:
        return Finding(name, "weak", f"{url} does not answer ({error or type(error).__name__})")
    if status >= 500 or status == 429:
        return Finding(name, "weak", f"{url} answers {status}")
    return Finding(name, "ok", url)
