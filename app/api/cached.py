"""Answers that may have come from a cache: they say so, say how old they are, and can be 304."""

from fastapi import Request, Response

from app.api.etags import etag_of, is_known
from app.api.openapi.failures import Responses
from app.schemas.domain.cached import CachedAnswer

_HEADERS = {
    "X-Cache": {
        "description": "Where the answer comes from.",
        "schema": {"type": "string", "enum": ["hit", "miss", "stale"]},
    },
    "Age": {
        "description": "Seconds since the upstream was asked; absent where it never was.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "ETag": {"schema": {"type": "string"}},
}
CACHED: Responses = {
    200: {"headers": _HEADERS},
    304: {"description": "The client has it already, as its If-None-Match says.", "headers": _HEADERS},
}


def respond_cached(request: Request, answer: CachedAnswer) -> Response:
    """The answer, or 304 when the client has it already. Both tell ``X-Cache`` and ``Age``."""
    headers = {
        "ETag": etag_of(answer.body),
        "Cache-Control": "no-cache",  # whoever keeps it asks again, so these two stay true
        "X-Cache": answer.state,
    }
    if answer.age is not None:
        headers["Age"] = str(answer.age)
    if is_known(headers["ETag"], ",".join(request.headers.getlist("if-none-match"))):
        return Response(status_code=304, headers=headers)
    return Response(answer.body, headers=headers, media_type="application/json")
