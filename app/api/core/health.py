"""Whether this process lives, and whether it can do its work."""

from typing import Any

from fastapi import APIRouter, Response

from app.api.access import CheckedRoute, access
from app.api.deps import Services
from app.schemas.core.health import HealthOut, LivenessOut

router = APIRouter(prefix="/health", tags=["operations"], route_class=CheckedRoute)

_STATUS = {"ok": 200, "degraded": 200, "error": 503}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    503: {"model": HealthOut, "description": "PostgreSQL, or the schema in it, is missing."}
}


@router.get("", responses=_ANSWERS)
@access("public")
async def check_health(services: Services, response: Response) -> HealthOut:
    """Look at PostgreSQL and Redis. Without Redis the service works on, `degraded`."""
    health = HealthOut.of(await services.health.check())
    response.status_code = _STATUS[health.status]
    response.headers["Cache-Control"] = "no-store"
    return health


@router.get("/live")
@access("public")
async def check_liveness() -> LivenessOut:
    """Answer as long as the process can; looks at nothing outside of it."""
    return LivenessOut()
