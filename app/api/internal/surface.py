"""The internal surface: failures have the format of the core surface."""

from app.api.internal import routers
from app.api.surface import Surface, core_body

INTERNAL = Surface("internal", ("/internal",), core_body, routers)
