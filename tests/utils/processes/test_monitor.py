"""The monitor of embedded servers: restarts are logged, failed ones are retried with backoff."""

from app.utils.processes.embedded import EmbeddedError, EmbeddedServers
from app.utils.processes.embedded.monitor import ServerMonitor


class Servers(EmbeddedServers):
    """Restarts as scripted, or raises the scripted error."""

    def __init__(self, *script: list[str] | EmbeddedError) -> None:
        self.script = list(script)

    def revive(self) -> list[str]:
        step = self.script.pop(0)
        if isinstance(step, EmbeddedError):
            raise step
        return step


def test_a_restart_is_logged_and_pauses_the_next_check() -> None:
    logged: list[str] = []
    servers = Servers([], ["PostgreSQL", "Valkey"], ["Valkey"])
    monitor = ServerMonitor(servers, logged.append)
    for _ in range(5):
        monitor()
    assert logged == ["PostgreSQL and Valkey had died; restarted"]
    assert servers.script == [["Valkey"]]


def test_a_failed_restart_is_logged_and_retried_later() -> None:
    logged: list[str] = []
    servers = Servers(EmbeddedError("PostgreSQL did not start: no space left."), [])
    monitor = ServerMonitor(servers, logged.append)
    monitor()
    monitor()
    assert logged == ["PostgreSQL did not start: no space left. Retrying in 0.5 s."]
    assert len(servers.script) == 1
