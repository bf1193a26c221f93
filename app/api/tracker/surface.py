"""The tracker surface: the core format, with the message also as ``detail`` for older clients."""

from app.api.surface import Body, Failure, Surface, core_body
from app.api.tracker import routers

PREFIXES = ("/api/auth", "/api/library", "/api/sources", "/api/anilist", "/api/import")


def _body(failure: Failure) -> Body:
    return {**core_body(failure), "detail": failure.message}


TRACKER = Surface("tracker", PREFIXES, _body, routers)
