"""Processes that an owner who was killed left behind on a server's folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_NAMES = ("postgres", "valkey-server")
_PATIENCE = 15.0  # seconds; they were told to stop when their owner died, and may still be writing


def end_orphans(folder: Path, pid_file: Path) -> None:
    """Wait for the processes that live in ``folder`` to end, then end them; the caller owns the folder."""

    def find() -> list[int]:
        return _living_in(folder) if sys.platform == "linux" else _noted_in(pid_file)

    deadline = time.monotonic() + _PATIENCE
    while (strays := find()) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in strays:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    while strays and find():
        time.sleep(0.02)


def _living_in(folder: Path) -> list[int]:
    """Both servers make their data folder the working directory, of every process of theirs."""
    place = os.path.realpath(folder)
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and _works_in(entry, place):
            found.append(int(entry))
    return found


def _works_in(pid: str, place: str) -> bool:
    try:
        if os.readlink(f"/proc/{pid}/cwd") != place:
            return False
        return os.readlink(f"/proc/{pid}/exe").endswith(_NAMES)
    except OSError:
        return False


def _noted_in(pid_file: Path) -> list[int]:
    """The process that a server noted down, if that still is one of ours; for systems without /proc."""
    try:
        pid = pid_file.read_text().split()[0]
    except (FileNotFoundError, IndexError):
        return []
    asked = subprocess.run(["ps", "-o", "comm=", "-p", pid], capture_output=True, text=True, check=False)
    return [int(pid)] if asked.stdout.strip().endswith(_NAMES) else []
