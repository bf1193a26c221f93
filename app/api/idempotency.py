"""``Idempotency-Key`` on POST: a repeated request is executed once and gets the stored response."""

import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from operator import itemgetter
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import StringConstraints
from starlette.datastructures import FormData, UploadFile

from app.api.access import CheckedRoute
from app.api.deps import Services
from app.api.direct import Skipped
from app.schemas.domain.accounts import Principal
from app.schemas.domain.idempotency import Answer, KeyClaim

_KEPT_HEADERS = ("content-type", "etag", "location")
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_CHUNK = 256 * 1024  # bytes read into memory at once

_name = itemgetter(0)

Key = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]


class _Replay(Exception):
    """A response is stored already."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


async def _claim_key(
    request: Request,
    services: Services,
    idempotency_key: Annotated[
        Key | None, Header(description="A repeated request within 24 hours gets the first response.")
    ] = None,
) -> AsyncIterator[None]:
    user: Principal | None = getattr(request.state, "principal", None)
    if idempotency_key is None or user is None or request.method != "POST":
        yield
        return
    try:
        asked = await _digest(request)
        begun = await services.idempotency.begin(user.user_id, idempotency_key, asked)
        if isinstance(begun, Answer):
            raise _Replay(begun)
        request.state.key_claim = begun
        async with services.idempotency.renewed(begun):
            yield
    finally:
        await request.close()  # closes uploaded files that the route itself did not read


# Dependency of POST routes that support the header; their router's route_class must be IdempotentRoute.
# scope="function" ends when the response is built and stored, "request" only after it was sent.
HONOURS_KEY = Depends(_claim_key, scope="function")


def idempotent_router(prefix: str, tag: str) -> APIRouter:
    """A router whose POST routes support the header."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=IdempotentRoute, dependencies=[HONOURS_KEY])


class IdempotentRoute(CheckedRoute):
    """Stores the response of a POST."""

    skipped = (Skipped(_claim_key, b"idempotency-key"),)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            try:
                response = await handle(request)
            except _Replay as replay:
                answer = replay.answer
                return Response(
                    answer.body, answer.status, {**answer.headers, "Idempotency-Replayed": "true"}
                )
            except BaseException:
                await _abandon(request)
                raise
            await _finish(request, response)
            return response

        return handle_once


async def _digest(request: Request) -> bytes:
    """A hash of the request: method, path, sorted query and content.

    Forms are hashed by their fields, and by the names and digests of their files, so that a different
    multipart boundary does not make a different request.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    parts = [b"method", request.method.encode(), b"path", _encoded(request.scope["path"])]
    query = parse_qsl(request.scope["query_string"], keep_blank_values=True)
    for name, value in sorted(query, key=_name):  # stable: the order of equal names may matter
        parts += [b"query", name, value]
    if kind in _FORMS:
        # Cached: if the route takes a form, FastAPI has read it already and this returns the same object.
        parts += await _of_form(await request.form())
    else:
        parts += [b"body", await request.body()]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.digest()


async def _of_form(form: FormData) -> list[bytes]:
    parts: list[bytes] = []
    for name, value in sorted(form.multi_items(), key=_name):
        if isinstance(value, UploadFile):
            parts += [b"file", _encoded(name), _encoded(value.filename or ""), await _of_file(value)]
        else:
            parts += [b"field", _encoded(name), _encoded(value)]
    return parts


async def _of_file(file: UploadFile) -> bytes:
    digest = hashlib.sha256()
    await file.seek(0)
    while chunk := await file.read(_CHUNK):
        digest.update(chunk)
    await file.seek(0)
    return digest.digest()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


async def _finish(request: Request, response: Response) -> None:
    claim: KeyClaim | None = getattr(request.state, "key_claim", None)
    if claim is None:
        return
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    answer = Answer(response.status_code, headers, bytes(response.body))
    await request.app.state.container.idempotency.finish(claim, answer)


async def _abandon(request: Request) -> None:
    claim: KeyClaim | None = getattr(request.state, "key_claim", None)
    if claim is not None:
        await request.app.state.container.idempotency.abandon(claim)
