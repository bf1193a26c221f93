"""Avatar images."""

from fastapi import APIRouter, Request, Response

from app.api.access import CheckedRoute, access
from app.api.conditional import is_known_to
from app.api.deps import Services
from app.api.openapi.failures import file_response

router = APIRouter(prefix="/media", tags=["users"], route_class=CheckedRoute)

# A file name is used once, and its content never changes.
_FOREVER = "public, max-age=31536000, immutable"


@router.get("/avatars/{file}", response_class=Response, responses=file_response("image/webp"))
@access("public")
async def get_avatar(file: str, request: Request, services: Services) -> Response:
    """Get an avatar image by the path in a profile."""
    return _picture(request, file, await services.accounts.avatars.read(file))


def _picture(request: Request, file: str, content: bytes) -> Response:
    headers = {"ETag": f'"{file}"', "Cache-Control": _FOREVER, "Content-Disposition": "inline"}
    if is_known_to(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="image/webp")
