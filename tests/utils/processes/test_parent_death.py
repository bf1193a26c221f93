"""A program dies with its parent under any identity, and keeps its process id and files."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from app.utils.processes.parent_death import SAME, bound_to_parent
from tests.fixtures.processes import python, wait_until

_PARENT = """
import subprocess, signal
from app.utils.processes.parent_death import bound_to_parent
sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
child = subprocess.Popen(bound_to_parent(sleeping, signal.SIGTERM))
print(child.pid, flush=True)
sys.stdin.read()
"""
_WATCHED = """
import os, signal, subprocess, time
if len(sys.argv) > 1:
    from app.utils.processes import parent_death
    parent_death._fork_watcher(int(sys.argv[1]), signal.SIGTERM)
    time.sleep(60)
child = subprocess.Popen([sys.executable, "-c", os.environ["CODE"], str(os.getpid())])
print(child.pid, flush=True)
sys.stdin.read()
"""


def start(command: list[str], **environment: str) -> tuple["subprocess.Popen[bytes]", psutil.Process]:
    parent = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **environment}
    )
    assert parent.stdout is not None
    return parent, psutil.Process(int(parent.stdout.readline()))


def end(parent: "subprocess.Popen[bytes]") -> None:
    parent.kill()
    parent.wait()
    parent.communicate()


def test_a_child_dies_with_its_killed_parent() -> None:
    parent, child = start(python(_PARENT))
    wait_until(lambda: "parent_death.py" not in " ".join(child.cmdline()))
    assert child.is_running()
    end(parent)
    wait_until(lambda: not child.is_running(), seconds=5)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_the_watcher_replaces_pdeathsig_on_other_kernels() -> None:
    command = python(_WATCHED)
    parent, child = start(command, CODE=command[2])
    wait_until(lambda: watchers_of(child))
    end(parent)
    wait_until(lambda: not child.is_running() and not watchers_of(child), seconds=5)


def watchers_of(child: psutil.Process) -> list[int]:
    """Processes with the child's command line that are not the child."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if process.pid != child.pid and "_fork_watcher" in " ".join(line) and len(line) > 3:
            found.append(process.pid)
    return found


def test_a_program_whose_parent_is_already_dead_does_not_start() -> None:
    command = bound_to_parent([sys.executable, "-c", "print('started')"], signal.SIGTERM, SAME)
    command[4] = "1" if os.getpid() != 1 else "2"
    assert subprocess.run(command, capture_output=True, check=True).stdout == b""


def test_an_unknown_identity_is_refused() -> None:
    command = bound_to_parent([sys.executable, "-c", "print('started')"], signal.SIGTERM, "somebody")
    ended = subprocess.run(command, capture_output=True, check=False)
    assert ended.returncode == 97
    assert b"cannot run as somebody" in ended.stderr
