"""Conditional requests: ``ETag``, ``If-None-Match`` with 304, ``If-Match`` with 412."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Header, Request, Response

from app.api.deps import Page, page_headers
from app.api.openapi.failures import Responses
from app.schemas.domain.anime import AnimePage
from app.schemas.domain.cached import CachedAnswer
from app.schemas.domain.library import RenderedEntry

_TAG = re.compile(r'(?:W/)?("[^"]*")')
_VERSION = re.compile(r'"(?:(\d{1,18})-)?(\d{1,18})"')  # a strong ETag of an entry, or only its version

# Every cache may store it, but must revalidate each time, so that changes are visible at once.
_SHARED = "public, no-cache"
_JSON = "application/json"

_CACHED_HEADERS = {
    "X-Cache": {
        "description": "Where the response comes from.",
        "schema": {"type": "string", "enum": ["hit", "miss", "stale"]},
    },
    "Age": {
        "description": "Seconds since the upstream was called; absent if it never was.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "ETag": {"description": "The version of this response.", "schema": {"type": "string"}},
}
CACHED: Responses = {
    200: {"headers": _CACHED_HEADERS},
    304: {
        "description": "The client has the current version, according to If-None-Match.",
        "headers": _CACHED_HEADERS,
    },
}


def etag_of(*parts: bytes) -> str:
    """A strong ``ETag`` of these bytes."""
    digest = sha256()  # fast: many processors have SHA instructions
    for part in parts:
        digest.update(part)
    return f'"{digest.hexdigest()[:32]}"'


def is_known(etag: str, if_none_match: str) -> bool:
    """Whether ``If-None-Match`` names this version; compared weakly, as RFC 9110 requires for GET."""
    sent = if_none_match.strip()
    return sent in (etag, "*") or etag in _TAG.findall(sent)


def is_known_to(request: Request, etag: str) -> bool:
    return is_known(etag, ",".join(request.headers.getlist("if-none-match")))


def catalogue_answer(body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """A response that is the same for everyone.

    The ETag covers ``body`` and ``headers``, since after a 304 the client keeps both; ``AnswerCache`` makes
    the 304.
    """
    headers = headers or {}
    header_values = "".join(headers.values()).encode()
    whole = {**headers, "ETag": etag_of(body, header_values), "Cache-Control": _SHARED}
    return Response(body, headers=whole, media_type=_JSON)


def personal_answer(body: bytes) -> Response:
    """A response with the user's own data; shared caches must not store it."""
    headers = {"ETag": etag_of(body), "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    return Response(body, headers=headers, media_type=_JSON)


def catalogue_page(request: Request, query: Page, page: AnimePage) -> Response:
    hidden = {"X-Hidden-Count": str(page.hidden)} if page.hidden else {}
    return catalogue_answer(page.body, {**page_headers(request, query, page.total), **hidden})


def private_answer(request: Request, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """A response for one user: the browser may store it and must revalidate; 304 if unchanged."""
    headers = headers or {}
    tag = etag_of(body, "".join(headers.values()).encode())
    whole = {**headers, "ETag": tag, "Cache-Control": "private, no-cache"}
    if is_known_to(request, tag):
        return Response(status_code=304, headers=whole)
    return Response(body, headers=whole, media_type=_JSON)


def cached_answer(request: Request, answer: CachedAnswer) -> Response:
    """A response from the cache-aside layer, or 304; both have ``X-Cache`` and ``Age``."""
    headers = {
        "ETag": etag_of(answer.body),
        "Cache-Control": "no-cache",  # must be revalidated, so that X-Cache and Age stay true
        "X-Cache": answer.state,
    }
    if answer.age is not None:
        headers["Age"] = str(answer.age)
    if is_known_to(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(answer.body, headers=headers, media_type=_JSON)


def entry_answer(
    entry: RenderedEntry, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A list entry rendered by PostgreSQL, with the ``ETag`` to send as ``If-Match``."""
    tag = {"ETag": f'"{entry.id}-{entry.version}"'}
    return Response(entry.body, status, {**tag, **(headers or {})}, media_type=_JSON)


def undone_answer(entry: RenderedEntry | None) -> Response:
    """The entry after an undo, or ``null`` if the undo removed it from the list."""
    return Response(b"null", media_type=_JSON) if entry is None else entry_answer(entry)


async def _versions(
    request: Request,
    _: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description="The ETag that the change is based on, or its `version` in quotes; an outdated one "
            "answers 412 with the current entry in `details`.",
        ),
    ] = None,
) -> frozenset[tuple[int | None, int]] | None:
    """The pairs of entry id and version in ``If-Match``; None allows any.

    Tags are compared strongly (RFC 9110, 13.1.1): a weak one matches nothing. Several headers form one list.
    """
    given = request.headers.getlist("if-match")
    if not given or [line.strip() for line in given] == ["*"]:
        return None
    known = [_VERSION.fullmatch(tag.strip()) for tag in ",".join(given).split(",")]
    return frozenset((int(match[1]) if match[1] else None, int(match[2])) for match in known if match)


IfMatch = Annotated[frozenset[tuple[int | None, int]] | None, Depends(_versions)]
