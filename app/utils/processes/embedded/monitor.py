"""Start embedded servers again when they die, ever more slowly where they keep dying."""

from collections.abc import Callable

from app.utils.processes.embedded.errors import EmbeddedError
from app.utils.processes.embedded.servers import EmbeddedServers
from app.utils.processes.supervisor import Pause


class ServerMonitor:
    """Call it often, in the main thread; ``say`` gets a line for whatever happened."""

    def __init__(self, servers: EmbeddedServers, say: Callable[[str], None]) -> None:
        self._servers = servers
        self._say = say
        self._pause = Pause()

    def __call__(self) -> None:
        if not self._pause.over:
            return
        try:
            revived = self._servers.revive()
        except EmbeddedError as error:
            self._say(f"{error} Trying again in {self._pause.begin():g} s.")
            return
        if revived:
            self._pause.begin()
            self._pause.mark_start()
            self._say(f"{' and '.join(revived)} had ended; started again")
