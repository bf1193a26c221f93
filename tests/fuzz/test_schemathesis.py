"""Requests generated from the OpenAPI document: no server errors, no undeclared responses."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.container import Container
from app.main import create_app
from tests.factories.catalogue import make_titles, store_titles
from tests.fixtures.accounts import make_account
from tests.fixtures.routes import ROUTES
from tests.fixtures.serving import Relay, served
from tests.standin import AniLibriaStandin, JikanStandin
from tests.standin.anilist import API, AniListStandin
from tests.standin.hianime import BASE as HIANIME
from tests.standin.hianime import HiAnimeStandin

METRICS_TOKEN = "a token for the one who reads figures"
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3"))

# A schema cannot express rules between fields and requests: valid data may still get a 422.
UNSAYABLE = "positive_data_acceptance"
# A path that also matches another template is served by that route for its own methods.
SHADOWED = "POST /users/me/list/batch"
CONFIGURATION = f"""
[phases.coverage]
unexpected-methods = ["PUT"]

[[operations]]
include-name = "{SHADOWED}"
checks.unsupported_method.enabled = false

[[operations]]
include-name = "GET /users/me/list/changes"
checks.unsupported_method.enabled = false
"""
# They end what a run depends on: the session, or the account.
FAREWELLS = {"POST /auth/logout", "POST /auth/logout-all", "POST /auth/password", "DELETE /users/me"}


@pytest.fixture
def upstreams(jikan_standin: JikanStandin, anilibria_standin: AniLibriaStandin) -> Iterator[dict[str, str]]:
    """Settings with a stand-in for each upstream."""
    with (
        served(Relay(AniListStandin(), API)) as anilist,
        served(Relay(HiAnimeStandin(), HIANIME)) as hianime,
        served(Relay(lambda _: httpx.Response(200, json={"result": "ok", "data": []}), API)) as mangadex,
    ):
        yield {
            "jikan_base_url": jikan_standin.base_url,
            "anilibria_base_url": anilibria_standin.base_url,
            "anilist_base_url": f"{anilist}/graphql",
            "anilist_oauth_url": f"{anilist}/oauth",
            "public_base_url": "http://127.0.0.1:8000",
            "anilist_client_id": "1",
            "anilist_client_secret": "a secret of the application",
            "hianime_base_url": hianime,
            "mangadex_base_url": mangadex,
        }


@pytest.fixture
async def base_url(settings: Settings, upstreams: dict[str, str], database_url: str) -> AsyncIterator[str]:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await store_titles(connection, make_titles(50))
    await connection.close()
    changed = {**upstreams, "metrics_token": METRICS_TOKEN}
    given = Settings(_env_file=None, **{**settings.model_dump(exclude_none=True), **changed})
    with served(create_app(given)) as url:
        yield url


async def fuzz(base_url: str, folder: Path, wanted: Callable[[str, str], bool], *options: str) -> str:
    """Schemathesis's output for the selected operations; empty if it found nothing."""
    names = [route.name for route in ROUTES if wanted(route.name, route.access)]
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    chosen = [f"--include-name={name}" for name in names]
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{base_url}/openapi.json", "--no-color",
        "--phases=examples,coverage,fuzzing", f"--max-examples={EXAMPLES}", "--generation-deterministic",
        f"--exclude-checks={UNSAYABLE}", "--request-timeout=20", "--continue-on-failure", "--warnings=off",
        *chosen, *options,
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    return "" if process.returncode == 0 else printed.decode()


async def test_anonymous_requests_cause_no_server_error(base_url: str, tmp_path: Path) -> None:
    found = await fuzz(base_url, tmp_path, lambda name, access: access == "public")
    assert not found, found


async def test_requests_of_users_cause_no_server_error(
    base_url: str, tmp_path: Path, container: Container
) -> None:
    person = await make_account(container)
    header = f"--header=Authorization: Bearer {person.access_token}"
    theirs = {"session", "read:content", "write:content", "read:profile", "write:profile"}
    found = await fuzz(
        base_url, tmp_path, lambda name, access: access in theirs and name not in FAREWELLS, header
    )
    assert not found, found


async def test_requests_of_operators_cause_no_server_error(
    base_url: str, tmp_path: Path, container: Container
) -> None:
    operator = await make_account(container, role="admin")
    header = f"--header=Authorization: Bearer {operator.access_token}"
    found = await fuzz(
        base_url, tmp_path, lambda name, access: access in {"write:catalog", "admin:*"}, header
    )
    assert not found, found
