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
    """The methods of the path that was chosen for this request, over all its routes; HEAD where GET is."""
    template, methods = template_of(scope), set[str]()
    for route in iter_route_contexts(scope["app"].routes):
        # Starlette's own routes, of files, leave no template
        chosen = route.path_format == template if template else route.endpoint is scope.get("endpoint")
        if route.methods and chosen:
            methods |= route.methods
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)
