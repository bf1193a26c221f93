"""Routes of the application: a fast lookup, the template of the matched route, the methods of a path."""

import re
from collections.abc import Iterator
from typing import Any

from cachetools import LRUCache
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

_NUMBER = re.compile(r"/\d+(?=/|$)")
_FASTAPI, _CONTEXT = "fastapi", "effective_route_context"  # keys that FastAPI sets; a test checks them
_REMEMBERED = 2048  # kinds of requests; about one per route, plus one per name in a path


class RememberedRoutes:
    """Wraps a router, and first tries the route that served the last request of the same kind.

    A router tries its routes in order, and each of ours is a router with a dozen routes: for small responses
    that search takes longer than the database. Requests are of the same kind if their method is the same and
    their paths differ only in numbers, which no template tells apart; the route is still asked whether it
    matches.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._known: LRUCache[tuple[str, str], Any] = LRUCache(_REMEMBERED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._router.app(scope, receive, send)
            return
        kind = scope["method"], _NUMBER.sub("/0", scope["path"])
        context = self._known.get(kind)
        match, found = (Match.NONE, {}) if context is None else context.matches(scope)
        if context is None or match != Match.FULL:
            try:
                await self._router.app(scope, receive, send)
            finally:
                self._remember(kind, scope)
            return
        route = context.original_route
        scope.setdefault("router", self._router)
        scope.update(found, route=route)
        scope.setdefault(_FASTAPI, {})[_CONTEXT] = context
        await route.handle(scope, receive, send)

    def _remember(self, kind: tuple[str, str], scope: Scope) -> None:
        context = context_of(scope)
        if context is not None and scope["method"] in (context.methods or ()):
            self._known[kind] = context


def context_of(scope: Scope) -> Any:
    """FastAPI's description of the matched route, router prefixes and dependencies included, or None."""
    return scope.get(_FASTAPI, {}).get(_CONTEXT)


def template_of(scope: Scope) -> str | None:
    """The path template of the matched route, router prefixes included."""
    chosen = context_of(scope) or scope.get("route")
    return getattr(chosen, "path_format", None)


def routes_of(app: FastAPI) -> Iterator[RouteContext]:
    """Every HTTP route, with the prefixes of its routers."""
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute):
            yield route


def methods_of(scope: Scope) -> list[str]:
    """All methods of the matched path across all its routes; HEAD if there is GET."""
    template, methods = template_of(scope), set[str]()
    for route in iter_route_contexts(scope["app"].routes):
        # routes of static files have no template
        chosen = route.path_format == template if template else route.endpoint is scope.get("endpoint")
        if route.methods and chosen:
            methods |= route.methods
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)
