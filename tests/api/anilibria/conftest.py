"""The application with an AniLibria stand-in."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.config import Settings
from app.container import Container, build
from app.main import create_app
from app.utils.db.database import Database
from app.utils.redis.rate_limit import Rate
from tests.fixtures.catalogue import OfManyClients
from tests.standin import AniLibriaStandin

V2 = "/api/anilibria/v2"


@pytest.fixture
async def container(
    settings: Settings, database: Database, anilibria_standin: AniLibriaStandin
) -> AsyncIterator[Container]:
    told = settings.model_copy(update={"anilibria_base_url": anilibria_standin.base_url})
    rate = Rate.of(per_second=3000, per_minute=180_000)
    async with build(told, db=database, anilibria_rate=rate) as container:
        yield container


@pytest.fixture
async def client(container: Container) -> AsyncIterator[httpx.AsyncClient]:
    transport = OfManyClients(app=create_app(container.settings, container=container))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client
