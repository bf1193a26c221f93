"""A random secret, generated once and kept in a file that only its owner can read."""

import os
import secrets
import tempfile
from pathlib import Path


def read_or_make_secret(path: Path) -> str:
    """The secret in ``path``, generated if missing; safe for processes that start at the same time."""
    if not path.exists():
        descriptor, draft = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(draft, path)  # unlike rename(), fails if another process was faster
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
    path.chmod(0o600)
    return path.read_text().strip()
