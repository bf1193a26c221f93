"""Exports: all that an account owns, or its list as a file."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response

from app.api.access import CheckedRoute, access
from app.api.deps import CurrentUser, Services
from app.api.openapi.failures import failures
from app.api.spooled import SpooledResponse
from app.container import Container
from app.errors import RateLimited
from app.schemas.domain.accounts import Principal
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ExportFormat

router = APIRouter(prefix="/users/me/export", tags=["exports"], route_class=CheckedRoute)

Writer = Callable[[Container, Principal, MediaType | None], Awaitable[Response]]


@router.get("", response_class=Response, responses=failures(RateLimited))
@access("session")
async def export(
    user: CurrentUser,
    services: Services,
    format: ExportFormat | None = None,
    type: MediaType | None = None,
) -> Response:
    """Export your whole account as JSON or, with `format`, your list as a file.

    `json` and `csv` contain anime and manga unless `type` is given; `mal_xml` contains one type, anime by
    default. At most two downloads per person run at once.
    """
    return await _WRITERS[format](services, user, type)


async def _account(services: Container, user: Principal, _: MediaType | None) -> Response:
    spool = await services.library.exports.write_account(user.user_id)
    return SpooledResponse(spool, name="anisync-account.json", media_type="application/json")


def _list(file_format: ExportFormat, media_type: str, *, both: str = "list") -> Writer:
    """``both`` is what the file is named after where no type was asked for."""
    ending = media_type.partition("/")[2]

    async def write(services: Container, user: Principal, kind: MediaType | None) -> Response:
        spool = await services.library.exports.write_list(
            user.user_id, user.username, file_format=file_format, media_type=kind
        )
        return SpooledResponse(spool, name=f"anisync-{kind or both}.{ending}", media_type=media_type)

    return write


_WRITERS: dict[ExportFormat | None, Writer] = {
    None: _account,
    "mal_xml": _list("mal_xml", "application/xml", both="anime"),
    "json": _list("json", "application/json"),
    "csv": _list("csv", "text/csv"),
}
