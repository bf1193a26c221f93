"""The supervisor: restarts with backoff, graceful and forced stop."""

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from app.utils.processes.forking import CAN_FORK
from app.utils.processes.supervisor import RestartBackoff
from tests.fixtures.processes import python, wait_until

needs_fork = pytest.mark.skipif(not CAN_FORK, reason="programs are not forked on this system")

_SUPERVISOR = """
import os
from functools import partial
from app.utils.processes.supervisor import Program, Supervisor
programs = [
    Program(
        name, [sys.executable, "-c", script], dict(os.environ),
        main=partial(exec, script, {}) if sys.argv[2] == "forked" else None,
    )
    for name, script in zip(sys.argv[3::2], sys.argv[4::2])
]
Supervisor(
    programs,
    log=lambda line: print(line, flush=True),
    on_exit=lambda pid: print("ended", pid, flush=True),
    on_stop=lambda: print("before the end", flush=True),
    stop_timeout=float(sys.argv[1]),
).run()
print("all ended", flush=True)
"""
_SLEEPER = "import time; time.sleep(60)"
_STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); "
_STUBBORN += _SLEEPER
_FAILING = "import sys; print('tried', flush=True); sys.exit(3)"


@pytest.fixture(params=["command", pytest.param("forked", marks=needs_fork)])
def kind(request: pytest.FixtureRequest) -> str:
    """Programs are commands, or functions that run in forked processes."""
    return str(request.param)


class Supervised:
    def __init__(self, log: Path, kind: str, *programs: str, stop_timeout: float = 20) -> None:
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                python(_SUPERVISOR, str(stop_timeout), kind, *programs), stdout=output, stderr=output
            )

    @property
    def said(self) -> list[str]:
        return self._log.read_text().splitlines()

    def children(self) -> list[psutil.Process]:
        return [
            child
            for child in psutil.Process(self.process.pid).children()
            if "parent_death.py" not in command_line(child)
        ]

    def wait_for_children(self, count: int) -> list[psutil.Process]:
        wait_until(lambda: len(self.children()) == count)
        return self.children()


def test_programs_are_stopped_in_order(tmp_path: Path, kind: str) -> None:
    supervised = Supervised(tmp_path / "log", kind, "one", _SLEEPER, "two", _SLEEPER)
    children = supervised.wait_for_children(2)
    supervised.process.terminate()
    assert supervised.process.wait(10) == 0
    assert supervised.said == ["stopping", "before the end", "all ended"]
    assert not any(child.is_running() for child in children)


def test_a_program_that_ignores_sigterm_is_killed_after_the_timeout(tmp_path: Path, kind: str) -> None:
    supervised = Supervised(tmp_path / "log", kind, "one", _STUBBORN, stop_timeout=0.5)
    wait_until(lambda: "deaf" in supervised.said)
    supervised.process.terminate()
    assert supervised.process.wait(10) == 0


def test_a_second_signal_kills_programs_immediately(tmp_path: Path, kind: str) -> None:
    supervised = Supervised(tmp_path / "log", kind, "one", _STUBBORN, stop_timeout=300)
    wait_until(lambda: "deaf" in supervised.said)
    supervised.process.send_signal(signal.SIGINT)
    wait_until(lambda: "before the end" in supervised.said)
    time.sleep(0.2)
    assert supervised.process.poll() is None
    supervised.process.send_signal(signal.SIGINT)
    assert supervised.process.wait(10) == 0


def test_a_program_that_ends_is_logged_and_restarted(tmp_path: Path, kind: str) -> None:
    supervised = Supervised(tmp_path / "log", kind, "one", _SLEEPER)
    (child,) = supervised.wait_for_children(1)
    child.send_signal(signal.SIGSEGV)
    wait_until(lambda: [each.pid for each in supervised.children()] not in ([], [child.pid]))
    assert supervised.said == [f"ended {child.pid}", "one was killed by SIGSEGV; restarting in 0.5 s"]
    supervised.process.terminate()
    supervised.process.wait(10)


def test_restarts_of_a_failing_program_back_off(tmp_path: Path, kind: str) -> None:
    supervised = Supervised(tmp_path / "log", kind, "one", _FAILING)
    wait_until(lambda: supervised.said.count("tried") == 3)
    supervised.process.terminate()
    supervised.process.wait(10)
    pauses = [line for line in supervised.said if "restarting" in line][:2]
    assert pauses == [f"one exited with code 3; restarting in {pause} s" for pause in ("0.5", "1")]


def test_a_killed_supervisor_leaves_no_programs(tmp_path: Path, kind: str) -> None:
    supervised = Supervised(tmp_path / "log", kind, "one", _SLEEPER, "two", _SLEEPER)
    children = supervised.wait_for_children(2)
    supervised.process.kill()
    supervised.process.wait()
    wait_until(lambda: not any(running(child) for child in children), seconds=5)


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return "parent_death.py"


def running(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_program_that_ignores_its_supervisors_death_is_killed(tmp_path: Path, kind: str) -> None:
    deaf = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[3])!r}); "
    deaf += (
        "from app.utils.processes.supervisor import end_with_supervisor; end_with_supervisor(grace=0.1); "
        + _STUBBORN
    )
    supervised = Supervised(tmp_path / "log", kind, "one", deaf)
    wait_until(lambda: "deaf" in supervised.said)
    (child,) = supervised.children()
    supervised.process.kill()
    supervised.process.wait()
    wait_until(lambda: not running(child), seconds=5)


def test_backoff_doubles_up_to_a_limit_and_resets_after_steady_uptime() -> None:
    pause = RestartBackoff()
    pause.mark_start()
    assert [pause.begin() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert not pause.over
    pause.started_at -= 61
    assert pause.begin() == pytest.approx(0.5)
