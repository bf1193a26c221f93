"""Answers of the catalogue: the bytes that PostgreSQL made, with an ETag, for anybody to keep."""

from fastapi import Request, Response

from app.api.deps import Page, page_headers
from app.api.etags import etag_of
from app.schemas.domain.anime import AnimePage

# Anybody may keep it, and asks each time whether it is still good: a change shows at once.
_SHARED = "public, no-cache"


def respond(body: bytes, headers: dict[str, str] | None = None) -> Response:
    """The ETag stands for ``body`` and ``headers`` alike, since a 304 leaves both as the client has them."""
    headers = headers or {}
    told = "".join(headers.values()).encode()
    return Response(
        body,
        headers={**headers, "ETag": etag_of(body, told), "Cache-Control": _SHARED},
        media_type="application/json",
    )


def respond_page(request: Request, query: Page, page: AnimePage) -> Response:
    return respond(page.body, page_headers(request, query, page.total))
