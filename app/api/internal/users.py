"""Users, for other services of the operator."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import StringConstraints

from app.api.access import CheckedRoute, access
from app.api.deps import Services
from app.api.openapi.failures import failures
from app.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.schemas.internal.releases import ValidatedUserOut

router = APIRouter(prefix="/internal", tags=["internal"], route_class=CheckedRoute)

UserId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$"), Path()]


@router.get(
    "/users/validate/{user_id}", responses=failures(UpstreamError, UpstreamUnavailable, UpstreamTimeout)
)
@access("service")
async def validate_user(user_id: UserId, services: Services) -> ValidatedUserOut:
    """Check that a user exists and may sign in; users of the Node service count too if it is configured."""
    user = await services.releases.node.validate(user_id)
    return ValidatedUserOut(
        user_id=int(user_id) if user_id.isdecimal() else user_id,
        valid=user.valid,
        username=user.username,
        role=user.role,
        permissions=list(user.permissions),
    )
