"""Which routes the application has: the template of the one that was chosen, the methods of a path."""

from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.types import Scope


def template_of(scope: Scope) -> str | None:
    """The whole template of the route that was chosen for this request, prefixes of routers included."""
    chosen = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    return getattr(chosen, "path_format", None)


def routes_of(app: FastAPI) -> Iterator[RouteContext]:
    """Every route that answers HTTP, as it stands after its routers were included."""
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute):
            yield route


def methods_of(scope: Scope) -> list[str]:
    """The methods that the path of this request has, over all routes; HEAD goes where GET does."""
    methods: set[str] = set()
    for route in iter_route_contexts(scope["app"].routes):
        pattern = getattr(route, "path_regex", None)
        if pattern is not None and route.methods and pattern.match(scope["path"]):
            methods |= route.methods
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)
