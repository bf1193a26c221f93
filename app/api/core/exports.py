"""Exports: all that an account owns, or its list as a file."""

from fastapi import APIRouter, Response

from app.api.access import CheckedRoute, access
from app.api.deps import CurrentUser, Services
from app.api.openapi.failures import failures, file_response
from app.api.spooled import SpooledResponse
from app.container import Container
from app.errors import RateLimited
from app.schemas.domain.accounts import Principal
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ExportFormat

router = APIRouter(prefix="/users/me/export", tags=["exports"], route_class=CheckedRoute)


@router.get(
    "",
    response_class=Response,
    responses=file_response("application/json", "application/xml", "text/csv") | failures(RateLimited),
)
@access("session")
async def export_account(
    user: CurrentUser,
    services: Services,
    format: ExportFormat | None = None,
    type: MediaType | None = None,
) -> Response:
    """Export your whole account as JSON or, with `format`, your list as a file.

    `json` and `csv` contain anime and manga unless `type` is given; `mal_xml` contains one type, anime by
    default. At most two downloads per user run at once.
    """
    return await _download(services, user, format, type)


async def _download(
    services: Container, user: Principal, file_format: ExportFormat | None, kind: MediaType | None
) -> Response:
    if file_format is None:
        spool = await services.library.exports.write_account(user.user_id)
        return SpooledResponse(spool, name="anisync-account.json", media_type="application/json")
    spool = await services.library.exports.write_list(
        user.user_id, user.username, file_format=file_format, media_type=kind
    )
    media_type = _MEDIA_TYPES[file_format]
    listed = kind or ("anime" if file_format == "mal_xml" else "list")
    name = f"anisync-{listed}.{media_type.partition('/')[2]}"
    return SpooledResponse(spool, name=name, media_type=media_type)


_MEDIA_TYPES: dict[ExportFormat, str] = {
    "mal_xml": "application/xml",
    "json": "application/json",
    "csv": "text/csv",
}
