"""The HiAnime surface: failures have the format of the core surface."""

from app.api.hianime import routers
from app.api.surface import Surface, core_body

PREFIXES = ("/api/home", "/api/schedule", "/api/search", "/api/anime", "/api/episode")

HIANIME = Surface("hianime", PREFIXES, core_body, routers)
