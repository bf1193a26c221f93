"""The core surface: everything that no other surface claims."""

from app.api.core import routers
from app.api.surface import Surface, core_body

CORE = Surface("core", (), core_body, routers)
