"""Health checks: liveness and readiness."""

from typing import Any

from fastapi import APIRouter, Response

from app.api.access import CheckedRoute, access
from app.api.deps import Services
from app.schemas.core.health import HealthOut, LivenessOut

router = APIRouter(prefix="/health", tags=["operations"], route_class=CheckedRoute)

_ANSWERS: dict[int | str, dict[str, Any]] = {
    503: {"model": HealthOut, "description": "PostgreSQL, or the schema in it, is missing."}
}


@router.get("", responses=_ANSWERS)
@access("public")
async def check_health(services: Services, response: Response) -> HealthOut:
    """Check PostgreSQL and Redis. Without Redis the service keeps working and reports `degraded`."""
    health = HealthOut.of(await services.operations.health.check())
    response.status_code = 503 if health.status == "error" else 200
    response.headers["Cache-Control"] = "no-store"
    return health


@router.get("/live")
@access("public")
async def check_liveness() -> LivenessOut:
    """Report that the process is alive; checks no dependency."""
    return LivenessOut()
