"""End server processes that survived the death of the process that owned them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_NAMES = ("postgres", "valkey-server")
_GRACE = 15.0  # seconds; the kernel signalled them when their owner died, and they may still be writing


def end_orphans(folder: Path, pid_file: Path) -> None:
    """Wait for server processes that run in ``folder`` to end, then kill them. The caller owns the folder."""

    def find() -> list[int]:
        return _running_in(folder) if sys.platform == "linux" else _recorded_in(pid_file)

    deadline = time.monotonic() + _GRACE
    while (orphans := find()) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in orphans:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    while orphans and find():
        time.sleep(0.02)


def _running_in(folder: Path) -> list[int]:
    """Every process of both servers has the data folder as its working directory."""
    path = os.path.realpath(folder)
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and _has_working_directory(entry, path):
            found.append(int(entry))
    return found


def _has_working_directory(pid: str, path: str) -> bool:
    try:
        if os.readlink(f"/proc/{pid}/cwd") != path:
            return False
        return os.readlink(f"/proc/{pid}/exe").endswith(_NAMES)
    except OSError:
        return False


def _recorded_in(pid_file: Path) -> list[int]:
    """The process in a server's pid file, if it still is that server; for systems without /proc."""
    try:
        pid = pid_file.read_text().split()[0]
    except (FileNotFoundError, IndexError):
        return []
    ps = subprocess.run(["ps", "-o", "comm=", "-p", pid], capture_output=True, text=True, check=False)
    return [int(pid)] if ps.stdout.strip().endswith(_NAMES) else []
