"""Responses of the AniLibria v2 surface: the service's data in an envelope."""

from typing import Any

import orjson
from fastapi import Request, Response

from app.api.conditional import etag_of, is_known_to
from app.services.releases.titles import TitleAnswer


def enveloped(request: Request, answer: TitleAnswer) -> Response:
    """The data in its envelope, or 304 if the client has the same data.

    The ETag covers only the data, since the cache information in the envelope changes with every response.
    """
    return _respond(request, answer, b"")


def enveloped_page(request: Request, answer: TitleAnswer, *, page: int, limit: int) -> Response:
    """One page of a list, with pagination data."""
    total = answer.total or 0
    paging = {"page": page, "limit": limit, "total": total, "pages": -(-total // limit)}
    return _respond(request, answer, b',"pagination":' + orjson.dumps(paging))


def _respond(request: Request, answer: TitleAnswer, paging: bytes) -> Response:
    headers = {
        "ETag": etag_of(answer.body, paging, answer.source.encode()),
        "Cache-Control": "public, no-cache",
    }
    if is_known_to(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    body = b'{"success":true,"data":%s%s,"meta":%s}' % (answer.body, paging, _meta(answer))
    return Response(body, headers=headers, media_type="application/json")


def _meta(answer: TitleAnswer) -> bytes:
    meta: dict[str, Any] = {
        "source": answer.source,
        "cached": answer.level is not None,
        "cache_level": answer.level,
        "stale": answer.stale,
        "cache_expires": answer.expires_at,
    }
    return orjson.dumps(meta, option=orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS)
