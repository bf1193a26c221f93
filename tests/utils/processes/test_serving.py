"""Serving: listening addresses, and start and stop of a server on a shared socket."""

import signal
import socket
import subprocess
import time

import httpx
import pytest

from app.utils.processes.serving import CannotListen, address_of, listen
from tests.fixtures.processes import python, wait_until

_SERVER = """
import asyncio, socket
from app.utils.processes.serving import serve

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/slow":
        print("slow", flush=True)
        await asyncio.sleep(1)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})

serve(app, socket.socket(fileno=int(sys.argv[1])))
"""


def test_port_zero_picks_a_free_port() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert address_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_the_url_of_all_interfaces_can_be_opened() -> None:
    with listen("0.0.0.0", 0) as listener:
        assert address_of(listener).startswith("http://localhost:")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6_addresses_are_in_brackets() -> None:
    try:
        listener = listen("::1", 0)
    except CannotListen:
        pytest.skip("this machine has no IPv6 loopback")
    with listener:
        assert address_of(listener).startswith("http://[::1]:")


def test_a_port_in_use_is_reported() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"Port {port} on 127.0.0.1 is taken"):
            listen("127.0.0.1", port)


def test_a_foreign_address_is_reported() -> None:
    with pytest.raises(CannotListen, match=r"Cannot listen on 192\.0\.2\.1 port 0"):
        listen("192.0.2.1", 0)


def test_a_running_request_is_answered_before_the_server_stops() -> None:
    with listen("127.0.0.1", 0) as listener:
        url = address_of(listener)
        descriptor = listener.fileno()
        server = subprocess.Popen(
            python(_SERVER, str(descriptor)), pass_fds=[descriptor], stdout=subprocess.PIPE
        )
        assert server.stdout is not None
        answer = httpx.get(url, timeout=30)  # sent before the server listens: the socket queues it
        assert (answer.text, "server" in answer.headers) == ("done", False)
        with socket.create_connection(listener.getsockname()) as connection:
            connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert server.stdout.readline() == b"slow\n"
            server.send_signal(signal.SIGTERM)
            connection.settimeout(10)
            received = b""
            while chunk := connection.recv(4096):
                received += chunk
        assert b"\r\ndone\r\n" in received
        assert server.wait(10) == 0
        server.stdout.close()


def test_a_stop_signal_during_startup_takes_effect() -> None:
    with listen("127.0.0.1", 0) as listener:
        server = subprocess.Popen(python(_SERVER, str(listener.fileno())), pass_fds=[listener.fileno()])
        time.sleep(0.2)
        server.terminate()
        wait_until(lambda: server.poll() is not None, seconds=10)
