"""Fixtures for all tests; the machine's own settings are kept out of them."""

import os

from app.config import Settings

pytest_plugins = [
    "tests.fixtures.servers",
    "tests.fixtures.application",
    "tests.fixtures.jobs",
    "tests.standin.fixtures",
]

for name in Settings.model_fields:
    os.environ.pop(name.upper(), None)
