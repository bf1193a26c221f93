"""Check the migrations on a temporary PostgreSQL: up, in step with the tables, down, and up again."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from app.utils.processes.embedded import POSTGRES, EmbeddedServers

COMMANDS = (["upgrade", "head"], ["check"], ["downgrade", "base"], ["upgrade", "head"], ["check"])

with (
    tempfile.TemporaryDirectory() as folder,
    EmbeddedServers(Path(folder), names=[POSTGRES], fast=True) as urls,
):
    environment = {**os.environ, "DATABASE_URL": urls.database_url}
    for command in COMMANDS:
        sys.stdout.write(f"alembic {' '.join(command)}\n")
        sys.stdout.flush()
        subprocess.run([sys.executable, "-m", "alembic", *command], env=environment, check=True)
