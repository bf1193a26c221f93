"""A random secret that is made once and kept in a file which only its owner can read."""

import os
import secrets
import tempfile
from pathlib import Path


def read_or_make_secret(path: Path) -> str:
    """The secret in ``path``; safe when several processes ask for it first at the same time."""
    if not path.exists():
        descriptor, draft = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(draft, path)  # unlike a rename, it never replaces the one of somebody quicker
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
    path.chmod(0o600)
    return path.read_text().strip()
