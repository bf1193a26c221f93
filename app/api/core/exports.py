"""Exports: all that an account owns, or its list as a file."""

from collections.abc import Awaitable, Callable
from typing import Literal

import orjson
from fastapi import APIRouter, Response

from app.api.access import CheckedRoute, access
from app.api.deps import CurrentUser, Services
from app.container import Container
from app.schemas.domain.accounts import Principal
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ExportFormat

router = APIRouter(prefix="/users/me/export", tags=["exports"], route_class=CheckedRoute)

Writer = Callable[[Container, Principal, MediaType], Awaitable[Response]]


@router.get("", response_class=Response)
@access("session")
async def export(
    user: CurrentUser,
    services: Services,
    format: ExportFormat | None = None,
    type: Literal["anime", "manga"] = "anime",
) -> Response:
    """Without `format` everything that the account owns, as JSON; with it the list of one type as a file."""
    return await _WRITERS[format](services, user, type)


async def _account(services: Container, user: Principal, _: MediaType) -> Response:
    owned = await services.users.export(user.user_id)
    body = orjson.dumps(owned, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
    return _file(body, "anisync-account.json", "application/json")


def _list(file_format: ExportFormat, ending: str, kind: str) -> Writer:
    async def write(services: Container, user: Principal, media_type: MediaType) -> Response:
        body = await services.exports.write(
            user.user_id, user.username, file_format=file_format, media_type=media_type
        )
        return _file(body, f"anisync-{media_type}.{ending}", kind)

    return write


def _file(body: bytes, name: str, kind: str) -> Response:
    return Response(body, headers={"Content-Disposition": f'attachment; filename="{name}"'}, media_type=kind)


_WRITERS: dict[ExportFormat | None, Writer] = {
    None: _account,
    "mal_xml": _list("mal_xml", "xml", "application/xml"),
    "json": _list("json", "json", "application/json"),
    "csv": _list("csv", "csv", "text/csv"),
}
