"""The command line: `anisync`."""

from app.cli.entry import main

__all__ = ["main"]
