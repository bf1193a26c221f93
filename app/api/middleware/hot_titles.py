"""Responses for titles in the memory of the process, sent in front of the router."""

import re

from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.anilibria.envelope import CACHING, StoredTitle, find_stored
from app.api.conditional import is_known
from app.api.limits import client_of, take
from app.api.middleware.compression import send_stored
from app.api.surfaces import render
from app.config import Settings
from app.container import Container
from app.errors import RateLimited
from app.utils.addresses import address_group
from app.utils.redis.quotas import Quota

_PATH = re.compile(r"/api/anilibria/v2/titles/([1-9]\d{0,8})")
_WITH_BODY = frozenset({b"content-length", b"transfer-encoding"})


class HotTitles:
    """Middleware in front of the router: its work would take several times longer than the response.

    A stored response is sent only while the memory level of the cache has the same bytes and they are fresh,
    so whatever invalidates a title there needs no second notification. Requests count towards the limit.
    """

    def __init__(self, app: ASGIApp, quota: Quota, settings: Settings) -> None:
        self._app = app
        self._quota = quota
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stored = self._find(scope)
        if stored is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = stored.route
        connection = HTTPConnection(scope)
        services: Container = scope["app"].state.container
        client = address_group(client_of(connection, self._settings.trusted_proxies))
        try:
            await take(self._quota, client, connection, services)
        except RateLimited as error:
            await render(Request(scope), error)(scope, receive, send)
            return
        headers = [
            (b"etag", stored.etag.encode()),
            (b"cache-control", CACHING.encode()),
            (b"content-length", b"%d" % len(stored.body.plain)),
            (b"content-type", b"application/json"),
        ]
        sent = b",".join(value for name, value in scope["headers"] if name == b"if-none-match")
        known = bool(sent) and is_known(stored.etag, sent.decode("latin-1"))
        await send_stored(scope, send, stored.body, headers, is_known=known)

    def _find(self, scope: Scope) -> StoredTitle | None:
        """None for requests that are unusual in any way; they are left to the router."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
            return None
        match = _PATH.fullmatch(scope["path"])
        stored = find_stored(int(match[1])) if match else None
        if match is None or stored is None or any(name in _WITH_BODY for name, _ in scope["headers"]):
            return None
        services: Container = scope["app"].state.container
        return stored if services.releases.titles.is_current(int(match[1]), stored.data) else None
