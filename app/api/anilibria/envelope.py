"""Responses of the AniLibria v2 surface: the service's data in an envelope."""

from dataclasses import dataclass
from typing import Any

import orjson
from cachetools import LRUCache
from fastapi import Request, Response

from app.api.conditional import etag_of, is_known_to
from app.api.middleware.compression import Compressed
from app.api.routing import context_of
from app.services.releases.titles import TitleAnswer
from app.utils.cache import MEMORY

CACHING = "public, no-cache"

_ROOM = 16 * 1024 * 1024  # bytes of stored responses per process
_LARGEST = 1024 * 1024  # bytes of one


@dataclass(frozen=True, slots=True)
class StoredTitle:
    """The response for ``data``, the bytes in the cache's memory level, and the route that served it."""

    data: bytes
    etag: str
    body: Compressed
    route: Any


_stored: LRUCache[int, StoredTitle] = LRUCache(_ROOM, getsizeof=lambda one: one.body.stored_size)


def remember_title(request: Request, title_id: int, answer: TitleAnswer) -> None:
    """Store the response for an answer of the memory level: its ``meta`` is the same until it is dropped."""
    if answer.level != MEMORY:
        return
    route = context_of(request.scope) or request.scope.get("route")
    stored = StoredTitle(answer.body, _tag(answer), Compressed(_body(answer)), route)
    if stored.body.stored_size <= _LARGEST:
        _stored[title_id] = stored


def find_stored(title_id: int) -> StoredTitle | None:
    """The latest stored response for a title; it may be outdated."""
    return _stored.get(title_id)


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


def _tag(answer: TitleAnswer, paging: bytes = b"") -> str:
    return etag_of(answer.body, paging, answer.source.encode())


def _body(answer: TitleAnswer, paging: bytes = b"") -> bytes:
    return b'{"success":true,"data":%s%s,"meta":%s}' % (answer.body, paging, _meta(answer))


def _respond(request: Request, answer: TitleAnswer, paging: bytes) -> Response:
    headers = {"ETag": _tag(answer, paging), "Cache-Control": CACHING}
    if is_known_to(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(_body(answer, paging), headers=headers, media_type="application/json")


def _meta(answer: TitleAnswer) -> bytes:
    meta: dict[str, Any] = {
        "source": answer.source,
        "cached": answer.level is not None,
        "cache_level": answer.level,
        "stale": answer.stale,
        "cache_expires": answer.expires_at,
    }
    return orjson.dumps(meta, option=orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS)
