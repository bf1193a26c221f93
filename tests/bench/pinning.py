"""CPU affinity: the server on the first core, the load and PostgreSQL on the second."""

import os
from collections.abc import Iterable

SERVER_CORE, OTHER_CORE = 0, 1


def can_pin() -> bool:
    return hasattr(os, "sched_setaffinity") and {SERVER_CORE, OTHER_CORE} <= os.sched_getaffinity(0)


def pin(core: int, pids: Iterable[int] = (0,)) -> None:
    """Pin processes, by default this one, to a core; without effect where that is not supported."""
    if not can_pin():
        return
    for pid in pids:
        try:
            os.sched_setaffinity(pid, {core})
        except OSError:  # it has ended, or belongs to another user
            continue
