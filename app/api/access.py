"""Access control and body limits: declared at each route, enforced before the body is read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from secrets import compare_digest
from typing import Any, ClassVar, Literal, TypeVar
from weakref import WeakKeyDictionary

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.requests import HTTPConnection
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from app.api.direct import DirectCall, Skipped
from app.api.limits import limit_flood
from app.api.middleware.request_body import announced_length, bounded, is_multipart
from app.api.query import KnownParameters
from app.api.routing import context_of
from app.container import Container
from app.errors import Forbidden, PayloadTooLarge, ServiceUnavailable, Unauthenticated
from app.schemas.domain.accounts import Permission, Principal

# public: anyone. session: a signed-in user; personal API tokens are refused. A permission: users whose role
# has it and, for API tokens, whose token has that scope. service: another service of the operator, which
# sends INTERNAL_SERVICE_TOKEN.
Access = Literal["public", "session", "service"] | Permission

BODY_LIMIT = 1024 * 1024  # bytes, for routes that declare no other limit
FORM_OVERHEAD = 64 * 1024  # bytes of a multipart form in addition to its file

_CHECKED = "anisync.access_checked"  # marks the scope of requests that CheckedRoute has admitted

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class UndeclaredRoute(RuntimeError):
    """A route declares no access, or does not enforce what it declares; raised at startup."""


@dataclass(frozen=True, slots=True)
class Declaration:
    access: Access
    upload_limit: int
    """Maximum size of a multipart form in bytes; all other bodies have ``BODY_LIMIT``."""

    def body_limit(self, scope: Scope) -> int:
        return self.upload_limit if is_multipart(scope) else BODY_LIMIT


@dataclass(frozen=True, slots=True)
class RouteAccess:
    """A row of the table of all routes; ``method`` is ``WS`` for a WebSocket.

    ``body_limit`` is the largest body of any kind, in bytes.
    """

    method: str
    path: str
    access: Access
    body_limit: int

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


_declarations = WeakKeyDictionary[Callable[..., Any], Declaration]()


def access(allowed: Access, *, upload_limit: int = BODY_LIMIT) -> Callable[[Endpoint], Endpoint]:
    """Declare who may call an endpoint, HTTP or WebSocket, and the maximum size of an upload in bytes.

    Must stand below the router's decorator, and the router's ``route_class`` must be :class:`CheckedRoute`,
    e.g. ``@router.post("/things", status_code=201)`` above ``@access("write:content", upload_limit=5 * 1024 *
    1024)``.
    """

    def declare(endpoint: Endpoint) -> Endpoint:
        _declarations[endpoint] = Declaration(allowed, upload_limit)
        return endpoint

    return declare


class CheckedRoute(APIRoute):
    """A route that checks the declared access before any byte of the body is read.

    It also rejects unknown query parameters, and repeated ones that take a single value. A dependency would
    be too late: FastAPI reads the body before it solves dependencies.
    """

    skipped: ClassVar[tuple[Skipped, ...]] = ()
    """Dependencies that do nothing for most requests."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if endpoint not in _declarations:
            raise UndeclaredRoute(
                f"{path}: declare who may call {endpoint.__module__}.{endpoint.__qualname__} "
                "by @access(...), below the decorator of the router."
            )
        self.declared = _declarations[endpoint]
        super().__init__(path, endpoint, **options)
        self._parameters = KnownParameters.of(self.dependant, self.openapi_extra)
        self._direct: tuple[RouteContext | None, DirectCall | None] = None, None

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in (self.methods or ()):
            await _authorize(HTTPConnection(scope), self.declared)
            scope[_CHECKED] = True
            self._parameters.check(scope["query_string"])
            receive = bounded(receive, self.declared.body_limit(scope))
            if direct := self._direct_call(scope):
                left = await direct.handle(scope, receive, send)
                if left is None:
                    return
                receive = left
        await super().handle(scope, receive, send)

    def _direct_call(self, scope: Scope) -> DirectCall | None:
        """The endpoint with the dependencies of its routers, if FastAPI is not needed to call it."""
        context = context_of(scope)
        if context is None:
            return None
        if context is not self._direct[0]:
            self._direct = context, DirectCall.of(context, [Skipped(_guard), *self.skipped])
        return self._direct[1]


async def _guard(connection: HTTPConnection) -> None:
    """Check requests that do not pass through :class:`CheckedRoute`: WebSockets, before they are accepted."""
    if connection.scope.get(_CHECKED):
        return
    declared = _declarations.get(connection.scope["endpoint"])
    if declared is None:
        raise Forbidden("This route declares no access.")
    await _authorize(connection, declared)


guard = Depends(_guard)


def route_table(app: FastAPI) -> list[RouteAccess]:
    """The declared access of every route of the application, sorted by path and method.

    Raises :class:`UndeclaredRoute`.
    """
    lines = [line for context in iter_route_contexts(app.routes) for line in _lines(context)]
    return sorted(lines, key=lambda line: (line.path, line.method))


def _lines(context: RouteContext) -> Iterator[RouteAccess]:
    route = context.original_route
    if isinstance(route, Mount) and isinstance(route.app, StaticFiles):
        return  # static files are public
    declared = _declarations.get(context.endpoint) if context.endpoint else None
    if declared is None or not _is_enforced(context, declared):
        raise UndeclaredRoute(
            f"{context.path}: needs @access(...), and a router whose route_class is CheckedRoute."
        )
    methods = ["WS"] if isinstance(route, WebSocketRoute) else (context.methods or set()) - {"HEAD"}
    for method in methods:
        yield RouteAccess(method, context.path_format or "", declared.access, declared.upload_limit)


def _is_enforced(context: RouteContext, declared: Declaration) -> bool:
    """Whether the route's class enforces the declaration; plain Starlette routes can only be public."""
    route = context.original_route
    if isinstance(route, CheckedRoute | WebSocketRoute):
        return True
    return isinstance(route, Route) and not isinstance(route, APIRoute) and declared.access == "public"


async def _authorize(connection: HTTPConnection, declared: Declaration) -> None:
    """Authenticate and authorize the request; the principal is stored in the state of the request."""
    container: Container = connection.app.state.container
    # Before authentication, so that rejections have rate limit headers too.
    await limit_flood(connection, container)
    if declared.access == "service":
        _check_service(connection, container)
    elif declared.access != "public":
        principal = await _authenticate(connection, container)
        _check(principal, declared.access)
        connection.state.principal = principal
    if announced_length(connection.scope) > declared.body_limit(connection.scope):
        raise PayloadTooLarge


def _check_service(connection: HTTPConnection, container: Container) -> None:
    settings = container.settings
    if settings.internal_service_token is None:
        raise ServiceUnavailable("INTERNAL_SERVICE_TOKEN is not set, so this route is disabled.")
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    valid = (settings.internal_service_token, settings.internal_service_token_previous)
    # A list, not a generator: all are compared, so that the time tells nothing.
    same = [
        compare_digest(token.strip().encode(), one.get_secret_value().encode())
        for one in valid
        if one is not None
    ]
    if scheme.lower() != "bearer" or not any(same):
        raise Unauthenticated("This requires the internal service token as Bearer.")


async def _authenticate(connection: HTTPConnection, container: Container) -> Principal:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated
    return await container.accounts.authentication.authenticate(token.strip())


def _check(principal: Principal, allowed: Access) -> None:
    if allowed == "session":
        if principal.session_id is None:
            raise Forbidden("This requires a session; API tokens are not accepted.")
    elif allowed not in principal.permissions:
        raise Forbidden(f"This requires the permission {allowed}.")
