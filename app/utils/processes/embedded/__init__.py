"""Real PostgreSQL and Valkey servers from PyPI wheels: no Docker, no system packages."""

from app.utils.processes.embedded.errors import EmbeddedError
from app.utils.processes.embedded.servers import POSTGRES, VALKEY, EmbeddedServers, ServerUrls

__all__ = ["POSTGRES", "VALKEY", "EmbeddedError", "EmbeddedServers", "ServerUrls"]
