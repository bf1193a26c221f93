"""Processes that an owner who was killed left behind on a server's folder."""

import os
import signal
import sys
import time
from pathlib import Path

_PATIENCE = 15.0  # seconds; they were told to stop when their owner died, and may still be writing


def end_strays(folder: Path) -> None:
    """Wait for the processes that live in ``folder`` to end, then end them; the caller owns the folder."""
    deadline = time.monotonic() + _PATIENCE
    while (strays := _living_in(folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in strays:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    while strays and _living_in(folder):
        time.sleep(0.02)


def _living_in(folder: Path) -> list[int]:
    """Both servers make their data folder the working directory, of every process of theirs."""
    if sys.platform != "linux":
        return []
    place = os.path.realpath(folder)
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and _works_in(entry, place):
            found.append(int(entry))
    return found


def _works_in(pid: str, place: str) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/cwd") == place and os.readlink(f"/proc/{pid}/exe").endswith(
            ("/postgres", "/valkey-server")
        )
    except OSError:
        return False
