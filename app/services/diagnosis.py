"""Diagnosis of an installation: database, schema, Redis, upstreams."""

import asyncio
from dataclasses import dataclass
from typing import Literal

import httpx

from app.config import Settings
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
    own, upstreams = await asyncio.gather(_look_at_stores(settings), _look_at_upstreams(settings))
    return [*own, *upstreams]


async def _look_at_stores(settings: Settings) -> list[Finding]:
    return [*await _look_at_database(settings.database), await _look_at_redis(settings.redis)]


async def _look_at_database(url: str) -> list[Finding]:
    try:
        state = await migrations.inspect(url)
    except (DatabaseUnavailable, migrations.LoginRefused) as error:
        return [Finding("database", "bad", f"{error} (check DATABASE_URL and the server)")]
    database = Database.connect(url, pool_size=1)
    try:
        version = await database.scalar("show server_version")
        missing = await database.scalar(_MISSING_EXTENSIONS)
    finally:
        await database.close()
    return [_judge_server(version, missing), _judge_schema(state)]


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


async def _look_at_redis(url: str) -> Finding:
    redis = connect_redis(url)
    try:
        server = await redis.info("server")
    except REDIS_FAULTS as error:
        return Finding("redis", "bad", f"not reachable ({error}): check REDIS_URL and the server")
    finally:
        await redis.aclose()
    name = server.get("server_name", "redis").title()
    return Finding("redis", "ok", f"{name} {server.get('valkey_version', server.get('redis_version'))}")


async def _look_at_upstreams(settings: Settings) -> list[Finding]:
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
            *(_look_at_upstream(client, name, url) for name, url in addresses.items() if url)
        )


async def _look_at_upstream(client: httpx.AsyncClient, name: str, url: str) -> Finding:
    try:
        async with client.stream("GET", url) as answer:
            status = answer.status_code
    except httpx.HTTPError as error:
        return Finding(name, "weak", f"{url} does not answer ({error or type(error).__name__})")
    if status >= 500 or status == 429:
        return Finding(name, "weak", f"{url} answers {status}")
    return Finding(name, "ok", url)
