"""A real PostgreSQL and a real Valkey out of PyPI wheels: no Docker, nothing to install."""

from app.utils.processes.embedded.errors import EmbeddedError
from app.utils.processes.embedded.servers import POSTGRES, VALKEY, EmbeddedServers, ServerUrls

__all__ = ["POSTGRES", "VALKEY", "EmbeddedError", "EmbeddedServers", "ServerUrls"]
