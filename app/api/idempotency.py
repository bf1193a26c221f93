"""``Idempotency-Key`` on POST, honoured by every router that is made here."""

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import StringConstraints

from app.api.access import CheckedRoute
from app.api.deps import Services
from app.schemas.domain.accounts import Principal
from app.schemas.domain.idempotency import Answer

_KEPT_HEADERS = ("content-type", "etag", "location")

Key = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]


class _Replay(Exception):
    """There is an answer already."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


@dataclass(frozen=True)
class _Pending:
    user_id: int
    key: str


async def _begin(
    request: Request,
    services: Services,
    idempotency_key: Annotated[
        Key | None, Header(description="A repetition within 24 hours is given the first answer.")
    ] = None,
) -> None:
    user: Principal | None = getattr(request.state, "principal", None)
    if idempotency_key is None or user is None or request.method != "POST":
        return
    asked = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + await request.body())
    answer = await services.idempotency.begin(user.user_id, idempotency_key, asked.digest())
    if answer is not None:
        raise _Replay(answer)
    request.state.pending = _Pending(user.user_id, idempotency_key)


def idempotent_router(prefix: str, tag: str) -> APIRouter:
    """A router whose POSTs honour the header."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=_IdempotentRoute, dependencies=[Depends(_begin)])


class _IdempotentRoute(CheckedRoute):
    """Keeps what a POST was answered."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            if "idempotency-key" in request.headers:
                await request.body()  # kept by the request: a form that was read leaves nothing to compare
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


async def _finish(request: Request, response: Response) -> None:
    pending: _Pending | None = getattr(request.state, "pending", None)
    if pending is None:
        return
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    answer = Answer(response.status_code, headers, bytes(response.body))
    await request.app.state.container.idempotency.finish(pending.user_id, pending.key, answer)


async def _abandon(request: Request) -> None:
    pending: _Pending | None = getattr(request.state, "pending", None)
    if pending is not None:
        await request.app.state.container.idempotency.abandon(pending.user_id, pending.key)
