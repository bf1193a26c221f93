"""What every request passes through: its id, its path spelling, its figures, and the last catch of bugs."""

import re
import time
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.surfaces import render
from app.logs import bound_contextvars, log
from app.utils.metrics import observe_request

_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Envelope:
    """Outermost but for CORS; pure ASGI, so context variables and disconnects stay as they are.

    A trailing slash is dropped here, so that each route answers to both spellings without a redirect.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        _drop_trailing_slash(scope)
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        with bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answer)
            except Exception as error:  # a bug becomes a 500 that keeps the connection
                log.error("request.crashed", method=scope["method"], path=scope["path"], exc_info=error)
                if answer.status:
                    raise
                await render(Request(scope), error)(scope, receive, answer)
            finally:
                seconds = time.perf_counter() - started
                observe_request(scope["method"], _template(scope), answer.status, seconds)


class _Answer:
    """Passes messages on, with the request id on the first."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            headers["X-Content-Type-Options"] = "nosniff"
        await self._send(message)


def _request_id(scope: Scope) -> str:
    sent = Headers(scope=scope).get("x-request-id", "")
    return sent if _SANE_ID.fullmatch(sent) else uuid4().hex


def _drop_trailing_slash(scope: Scope) -> None:
    path: str = scope["path"]
    if len(path) > 1 and path.endswith("/"):
        scope["path"] = path.rstrip("/") or "/"


def _template(scope: dict[str, Any]) -> str:
    """The template of the route that answered; one word for all unknown paths keeps the figures few."""
    return getattr(scope.get("route"), "path", None) or "unmatched"
