"""Mail over real sockets: no password is sent without trusted TLS."""

import asyncio
import ssl
from pathlib import Path

import pytest

from app.errors import UpstreamError
from app.external.mail import Mailer

LOCALHOST = Path(__file__).parents[1] / "samples" / "localhost.pem"  # a self-signed certificate, and its key


class MailServer:
    """Accepts every mail; records each command, and whether it was encrypted."""

    def __init__(self, *, starttls: str = "", implicit: bool = False) -> None:
        self.commands: list[tuple[str, bool]] = []
        self.mails: list[str] = []
        self._starttls = starttls  # its response to STARTTLS, which is offered if this is not empty
        self._implicit = implicit
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(LOCALHOST)

    async def open(self, host: str) -> asyncio.Server:
        context = self._context if self._implicit else None
        server = await asyncio.start_server(self._serve, host, 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        encrypted = self._implicit
        writer.write(b"220 here\r\n")
        try:
            while line := (await reader.readline()).decode().strip():
                word = line.partition(" ")[0].upper()
                self.commands.append((line, encrypted))
                if word == "STARTTLS" and self._starttls.startswith("220"):
                    writer.write(f"{self._starttls}\r\n".encode())
                    await writer.start_tls(self._context)
                    encrypted = True
                    continue
                if word == "DATA":
                    writer.write(b"354 go on\r\n")
                    self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                writer.write(self._answer(word, encrypted=encrypted))
                if word == "QUIT":
                    break
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _answer(self, word: str, *, encrypted: bool) -> bytes:
        if word == "EHLO":
            offers = "250-STARTTLS\r\n" if self._starttls and not encrypted else ""
            return f"250-localhost\r\n{offers}250 AUTH PLAIN LOGIN\r\n".encode()
        if word == "STARTTLS":
            return f"{self._starttls or '502 what?'}\r\n".encode()
        return b"235 welcome\r\n" if word == "AUTH" else b"250 fine\r\n"

    def said(self, word: str) -> list[bool]:
        """Whether each such command was encrypted."""
        return [encrypted for line, encrypted in self.commands if line.upper().startswith(word)]


@pytest.fixture
def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(LOCALHOST))


async def post(server: MailServer, url: str, tls: ssl.SSLContext | None, *, host: str = "127.0.0.1") -> None:
    listening = await server.open(host)
    try:
        mailer = Mailer(url.format(port=server.port), "x@example.org", tls=tls)
        await mailer.send("y@example.org", "subject", "text")
    finally:
        listening.close()


LOGIN = "smtp://mio:p%40ss@localhost:{port}"
LOGIN_IMPLICIT = "smtps://mio:p%40ss@localhost:{port}"


@pytest.mark.parametrize(
    ("url", "server"),
    [(LOGIN, MailServer(starttls="220 go")), (LOGIN_IMPLICIT, MailServer(implicit=True))],
    ids=["starttls", "implicit"],
)
async def test_passwords_are_sent_over_tls(url: str, server: MailServer, trusting: ssl.SSLContext) -> None:
    await post(server, url, trusting)
    assert server.said("AUTH") == [True]
    assert server.said("MAIL") == [True]
    assert "Subject: subject" in server.mails[0]


@pytest.mark.parametrize("answer", ["", "454 not now", "502 no"])
async def test_passwords_are_not_sent_without_tls(answer: str, trusting: ssl.SSLContext) -> None:
    server = MailServer(starttls=answer)
    with pytest.raises(UpstreamError, match="STARTTLS"):
        await post(server, LOGIN, trusting)
    assert (server.said("AUTH"), server.said("MAIL"), server.mails) == ([], [], [])


@pytest.mark.parametrize(
    ("url", "server"),
    [
        (LOGIN, MailServer(starttls="220 go")),
        (LOGIN_IMPLICIT, MailServer(implicit=True)),
        ("smtp://localhost:{port}", MailServer(starttls="220 go")),
    ],
    ids=["starttls", "implicit", "no password"],
)
async def test_untrusted_certificates_are_rejected(url: str, server: MailServer) -> None:
    with pytest.raises(UpstreamError, match="TLS"):
        await post(server, url, None)
    assert (server.said("AUTH"), server.mails) == ([], [])


async def test_a_certificate_of_another_host_is_refused(trusting: ssl.SSLContext) -> None:
    server = MailServer(starttls="220 go")
    with pytest.raises(UpstreamError, match="TLS"):
        await post(server, LOGIN.replace("localhost", "127.0.0.2"), trusting, host="127.0.0.2")
    assert server.said("AUTH") == []


@pytest.mark.parametrize(("answer", "encrypted"), [("220 go", True), ("", False), ("454 not now", False)])
async def test_without_a_password_tls_is_used_where_it_is_offered(
    answer: str, encrypted: bool, trusting: ssl.SSLContext
) -> None:
    server = MailServer(starttls=answer)
    await post(server, "smtp://localhost:{port}", trusting)
    assert (server.said("AUTH"), server.said("MAIL")) == ([], [encrypted])
    assert len(server.mails) == 1
