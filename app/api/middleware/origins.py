"""CORS, and log messages about origins that are not allowed."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.links import any_port_pattern, is_allowed_origin
from app.config import Settings
from app.logs import log

_EXPOSED = (
    "X-Request-ID", "X-Total-Count", "X-Hidden-Count", "Link", "ETag", "X-Cache", "Age", "Retry-After",
    "Content-Disposition", "Location", "Idempotency-Replayed",
    "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy",
)  # fmt: skip
_MOST_REPORTED = 100  # origins; a client can invent any number of them
_LONGEST = 200  # logged characters of an origin


class Origins:
    """CORS for ``ALLOWED_ORIGINS``; every other origin is logged once per process."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._settings = settings
        cors = CORSMiddleware(
            app,
            allow_origins=[origin for origin in settings.allowed_origins if "*" not in origin],
            allow_origin_regex=any_port_pattern(settings.allowed_origins),
            allow_credentials=True,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=_EXPOSED,
        )
        self._app: ASGIApp = cors if settings.allowed_origins else app
        self._reported: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            for name, value in scope["headers"]:
                if name == b"origin":
                    self._report(value.decode("latin-1")[:_LONGEST], scope)
        await self._app(scope, receive, send)

    def _report(self, origin: str, scope: Scope) -> None:
        if origin in self._reported or len(self._reported) >= _MOST_REPORTED:
            return
        if is_allowed_origin(origin, scope, self._settings):
            return
        self._reported.add(origin)
        log.warning("origin.refused", origin=origin, hint="add it to ALLOWED_ORIGINS if it is yours")
