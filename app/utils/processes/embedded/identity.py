"""The user that PostgreSQL runs as: it refuses root, and user ids without a passwd entry."""

import os
import pwd
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from app.utils.processes.embedded.errors import EmbeddedError
from app.utils.processes.parent_death import NAMESPACE, NOBODY, SAME, bound_to_parent


def choose_identity(*paths: Path, among: Sequence[str] | None = None) -> str:
    """The first identity with access to all ``paths``; raises :class:`EmbeddedError` if there is none."""
    for identity in among or _candidates():
        if identity == SAME or _works(identity, paths):
            return identity
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and neither a user namespace nor the user `nobody` is available: "
        "start as an ordinary user, or set DATABASE_URL and REDIS_URL."
    )


def adopt(folder: Path, identity: str) -> None:
    """Change the owner of a data folder to the identity, if an earlier start used another one."""
    owner = pwd.getpwnam("nobody").pw_uid if identity == NOBODY else os.geteuid()
    if not folder.exists() or folder.stat().st_uid == owner:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner, -1, follow_symlinks=False)


def _candidates() -> Sequence[str]:
    if os.geteuid() == 0:
        return (NAMESPACE, NOBODY)
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return (NAMESPACE,)
    return (SAME,)


def _works(identity: str, paths: Sequence[Path]) -> bool:
    probe = bound_to_parent(["probe", *map(str, paths)], signal.SIGTERM, identity)
    return subprocess.run(probe, capture_output=True, cwd="/", check=False).returncode == 0
