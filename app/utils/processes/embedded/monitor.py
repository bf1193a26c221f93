"""Restart embedded servers that die, with exponential backoff."""

from collections.abc import Callable

from app.utils.processes.embedded.errors import EmbeddedError
from app.utils.processes.embedded.servers import EmbeddedServers
from app.utils.processes.supervisor import RestartBackoff


class ServerMonitor:
    """To be called periodically in the main thread; ``log`` gets one line per event."""

    def __init__(self, servers: EmbeddedServers, log: Callable[[str], None]) -> None:
        self._servers = servers
        self._log = log
        self._backoff = RestartBackoff()

    def __call__(self) -> None:
        if not self._backoff.over:
            return
        try:
            revived = self._servers.revive()
        except EmbeddedError as error:
            self._log(f"{error} Retrying in {self._backoff.begin():g} s.")
            return
        if revived:
            self._backoff.begin()
            self._backoff.mark_start()
            self._log(f"{' and '.join(revived)} had died; restarted")
