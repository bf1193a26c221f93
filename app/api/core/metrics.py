"""Metrics for Prometheus."""

from secrets import compare_digest
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.responses import PlainTextResponse

from app.api.access import CheckedRoute, access
from app.api.deps import Services
from app.errors import Unauthenticated
from app.utils.metrics import CONTENT_TYPE

router = APIRouter(tags=["operations"], route_class=CheckedRoute)

_bearer = HTTPBearer(
    scheme_name="MetricsToken", description="`METRICS_TOKEN`, if it is set.", auto_error=False
)


async def _check_token(
    services: Services, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    wanted = services.settings.metrics_token
    if wanted is None:
        return
    token = given.credentials if given else ""
    if not compare_digest(token.encode(), wanted.get_secret_value().encode()):
        raise Unauthenticated("This requires the metrics token as Bearer.")


@router.get("/metrics", response_class=PlainTextResponse, dependencies=[Depends(_check_token)])
@access("public")
async def read_metrics(services: Services) -> Response:
    """Get metrics in the Prometheus text format; needs `METRICS_TOKEN` as a bearer token if that is set."""
    return Response(await services.operations.metrics.text(), media_type=CONTENT_TYPE)
