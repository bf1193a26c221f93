"""The routes of the application: the template of the matched one, the methods of a path."""

from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.types import Scope


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
    """All methods of the matched path over all its routes; HEAD where there is GET."""
    template, methods = template_of(scope), set[str]()
    for route in iter_route_contexts(scope["app"].routes):
        # Starlette's own routes, of files, leave no template
        chosen = route.path_format == template if template else route.endpoint is scope.get("endpoint")
        if route.methods and chosen:
            methods |= route.methods
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)
