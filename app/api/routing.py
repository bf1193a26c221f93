"""Routes of the application: a fast lookup, the template of the matched route, the methods of a path."""

import re
from collections.abc import Iterator

from cachetools import LRUCache
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

_NUMBER = re.compile(r"/\d+(?=/|$)")
_REMEMBERED = 2048  # kinds of requests; about one per route, plus one per name in a path
_WHOLE: tuple[Match, Scope] = (Match.FULL, {})


class RememberedRoutes:
    """Wraps a router, and first tries the route that served the last request of the same kind.

    A router tries its routes in order, and each of ours is a router with a dozen routes: for small responses
    that search takes longer than the database. Requests are of the same kind if their method is the same and
    their paths differ only in numbers, which no template tells apart; the route is still asked whether it
    matches.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._known: LRUCache[tuple[str, str], BaseRoute] = LRUCache(_REMEMBERED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._router.app(scope, receive, send)
            return
        kind = scope["method"], _NUMBER.sub("/0", scope["path"])
        route = self._known.get(kind) or self._find(kind, scope)
        if route is None or route.matches(scope) != _WHOLE:
            await self._router.app(scope, receive, send)
            return
        scope.setdefault("router", self._router)
        await route.handle(scope, receive, send)

    def _find(self, kind: tuple[str, str], scope: Scope) -> BaseRoute | None:
        """The matching route, if it is one of our routers: these do not change the scope."""
        for route in self._router.routes:
            match, changes = route.matches(scope)
            if match == Match.FULL:
                if changes:
                    return None
                self._known[kind] = route
                return route
        return None


def template_of(scope: Scope) -> str | None:
    """The path template of the matched route, router prefixes included."""
    chosen = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
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
