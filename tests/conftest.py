"""Fixtures for all tests, isolated from the settings of the machine."""

import os
import tempfile
from pathlib import Path

import structlog

from app.config import Settings
from app.utils.processes.heap import tune_garbage_collector
from app.utils.processes.programs import cache_bytecode
from app.utils.processes.supervisor import end_with_parent

pytest_plugins = [
    "tests.fixtures.servers",
    "tests.fixtures.application",
    "tests.fixtures.accounts",
    "tests.fixtures.importing",
    "tests.fixtures.catalogue",
    "tests.fixtures.serving",
    "tests.fixtures.failing",
    "tests.fixtures.jobs",
    "tests.fixtures.browser",
    "tests.standin.fixtures",
]

for name in Settings.model_fields:
    os.environ.pop(name.upper(), None)

# otherwise dozens of programs would each compile all their imports
cache_bytecode(Path(tempfile.gettempdir()) / f"anisync-byte-code-{os.getuid()}", unless_compiled="sqlalchemy")

# Through the standard library, so that pytest shows only the log of failed tests.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["event"]),
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
)

if "PYTEST_XDIST_WORKER" in os.environ:  # otherwise a worker would finish its test after the run was killed
    end_with_parent(os.getppid(), grace=0)


def pytest_collection_finish() -> None:
    tune_garbage_collector()
