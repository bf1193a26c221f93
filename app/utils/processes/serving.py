"""Serve an ASGI application over HTTP: the listening socket and the configuration of uvicorn."""

import errno
import signal
import socket
from typing import Any, NoReturn

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_BACKLOG = 2048
_LINGER = 5.0  # seconds for a client to read the close frame of its WebSocket
_GRACE = 15  # seconds for running requests to finish when the server stops


class CannotListen(Exception):
    """The address cannot be bound; the message is one line with the reason."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that several server processes can share. Port 0 picks a free port."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotListen(f"Cannot listen on {host}: {error.strerror}.") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(f"Port {port} on {host} is taken: choose another one with --port.") from error
        raise CannotListen(f"Cannot listen on {host} port {port}: {error.strerror}.") from error
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL of the socket for clients on this machine."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(application: str, listener: socket.socket) -> None:
    """Run ``module:attribute`` on the socket until SIGTERM or SIGINT; running requests may finish."""
    # uvicorn re-raises the signal after its shutdown; exit with code 0 instead of dying from it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    uvicorn.Server(configure(application)).run(sockets=[listener])


def configure(application: Any) -> uvicorn.Config:
    """The configuration of uvicorn for an application object or its ``module:attribute``."""
    return uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the application resolves them against TRUSTED_PROXIES
        lifespan="on",
        ws=AbortingWebSocket,
        ws_max_size=4096,
        ws_max_queue=16,
        ws_ping_interval=30,
        ws_ping_timeout=10,
        ws_per_message_deflate=False,  # it doubles the memory per connection
        timeout_keep_alive=65,  # longer than common proxies (60), so that the proxy closes first
        timeout_graceful_shutdown=_GRACE,
        backlog=_BACKLOG,
    )


class AbortingWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, extended to disconnect clients that do not read.

    An application finds ``cut(code)`` in its scope's extensions under ``anisync.cut``: it queues a close
    frame behind the data that waits already, and aborts the connection some seconds later whether it was read
    or not.
    """

    async def run_asgi(self) -> None:
        extensions: Any = self.scope["extensions"]
        extensions["anisync.cut"] = self.cut
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.close_sent and self.initial_response is not None:
            self.handshake_complete = True  # refused by the application; uvicorn would log an error for each

    def cut(self, code: int) -> None:
        if self.close_sent or self.transport.is_closing():
            return
        self.stop_keepalive()
        self.conn.send_close(code)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code})
        self.writable.set()  # release senders that wait for the buffer to drain
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(_LINGER, self.transport.abort)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.loop.call_later(_LINGER, self.transport.abort)


def _exit(*_: object) -> NoReturn:
    raise SystemExit(0)
