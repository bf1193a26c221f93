"""The core surface: all routes that belong to no other surface."""

from app.api.core import routers
from app.api.surface import Surface, core_body

CORE = Surface("core", (), core_body, routers)
