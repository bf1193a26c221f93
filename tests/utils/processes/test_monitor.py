"""Upkeep of embedded servers: what was revived is told, what cannot be is tried ever more slowly."""

from app.utils.processes.embedded import EmbeddedError, EmbeddedServers
from app.utils.processes.embedded.monitor import ServerMonitor


class Servers(EmbeddedServers):
    """Revives what the script says; an error is raised."""

    def __init__(self, *script: list[str] | EmbeddedError) -> None:
        self.script = list(script)

    def revive(self) -> list[str]:
        step = self.script.pop(0)
        if isinstance(step, EmbeddedError):
            raise step
        return step


def test_what_was_revived_is_told_and_the_next_look_waits() -> None:
    said: list[str] = []
    servers = Servers([], ["PostgreSQL", "Valkey"], ["Valkey"])
    upkeep = ServerMonitor(servers, said.append)
    for _ in range(5):
        upkeep()
    assert said == ["PostgreSQL and Valkey had died; restarted"]
    assert servers.script == [["Valkey"]]


def test_a_failure_is_told_and_tried_again_later() -> None:
    said: list[str] = []
    servers = Servers(EmbeddedError("PostgreSQL did not start: no space left."), [])
    upkeep = ServerMonitor(servers, said.append)
    upkeep()
    upkeep()
    assert said == ["PostgreSQL did not start: no space left. Trying again in 0.5 s."]
    assert len(servers.script) == 1
