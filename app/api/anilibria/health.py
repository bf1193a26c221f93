"""Health check of the AniLibria v2 surface."""

from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter, Response

from app.api.access import CheckedRoute, access
from app.api.anilibria.titles import REQUESTS
from app.api.deps import Services
from app.api.limits import limited
from app.api.openapi.failures import failures
from app.errors import RateLimited
from app.schemas.anilibria.envelope import CacheHealth, HealthAnswer, Part
from app.services.releases.health import ReleaseHealth
from app.utils.clock import utc_now

router = APIRouter(
    prefix="/api/anilibria/v2",
    tags=["AniLibria"],
    route_class=CheckedRoute,
    dependencies=[limited(REQUESTS)],
)


@router.get(
    "/health",
    responses=failures(RateLimited) | {503: {"model": HealthAnswer, "description": "Nothing can be served."}},
)
@access("public")
async def read_health(response: Response, services: Services) -> HealthAnswer:
    """Check AniLibria, PostgreSQL and Redis; 503 only if PostgreSQL is unavailable."""
    health = await services.releases.health.check()
    response.status_code = 200 if health.database is not None else 503
    return _told(health)


def _told(health: ReleaseHealth) -> HealthAnswer:
    parts = (health.anilibria, health.cache)
    status: Literal["healthy", "degraded", "unhealthy"] = "healthy" if None not in parts else "degraded"
    return HealthAnswer(
        status=status if health.database is not None else "unhealthy",
        version=version("anisync"),
        anilibria_api=_part(health.anilibria),
        database=_part(health.database),
        cache=CacheHealth(status=_part(health.cache).status, hit_rate=health.hit_rate),
        uptime=health.uptime,
        timestamp=utc_now(),
    )


def _part(milliseconds: int | None) -> Part:
    return Part(status="disconnected" if milliseconds is None else "connected", response_time=milliseconds)
