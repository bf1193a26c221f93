"""Mail over SMTP; without a server mails are written to the log, so that small installations work too."""

import asyncio
import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage

from app.errors import UpstreamError
from app.logs import log
from app.utils.mail_server import MailServer

_TIMEOUT = 10.0  # seconds per step of the protocol


class NoTls(smtplib.SMTPException):
    """The server does not offer STARTTLS, without which no password is sent."""


class Mailer:
    """``url`` is ``smtp://user:password@host:587`` or ``smtps://…:465``; ``tls`` verifies the certificate.

    ``smtp`` uses STARTTLS: required if there is a password, otherwise if the server offers it.
    """

    def __init__(self, url: str | None, sender: str, *, tls: ssl.SSLContext | None = None) -> None:
        self._server = None if url is None else MailServer.of(url)
        self._sender = sender
        self._tls = tls

    async def send(self, to: str, subject: str, text: str) -> None:
        """Send the mail; raises :class:`UpstreamError` if the server does not accept it."""
        if self._server is None:
            log.warning("mail.not_sent", reason="SMTP_URL is not set", to=to, subject=subject, text=text)
            return
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, to, subject
        message.set_content(text)
        await self._visit(self._server, message)

    async def greet(self) -> None:
        """Connect and sign in without sending a mail; raises :class:`UpstreamError` if that fails."""
        if self._server is not None:
            await self._visit(self._server, None)

    async def _visit(self, server: MailServer, message: EmailMessage | None) -> None:
        try:
            await asyncio.to_thread(self._deliver, server, message)
        except NoTls as error:
            raise UpstreamError(
                "The mail server does not offer STARTTLS, so the password of SMTP_URL was not sent: "
                "use its TLS port with smtps://, or remove user and password."
            ) from error
        except ssl.SSLError as error:
            raise UpstreamError(
                f"The TLS connection to the mail server cannot be trusted: {error.reason}."
            ) from error
        except (OSError, smtplib.SMTPException) as error:
            what = "does not let us in" if message is None else "did not accept a mail"
            raise UpstreamError(f"The mail server {what}: {type(error).__name__}.") from error

    def _deliver(self, to: MailServer, message: EmailMessage | None) -> None:
        tls = self._tls or ssl.create_default_context()
        if to.implicit_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(to.host, to.port, timeout=_TIMEOUT, context=tls)
        else:
            server = smtplib.SMTP(to.host, to.port, timeout=_TIMEOUT)
        try:
            if not to.implicit_tls:
                _encrypt(server, tls, needed=to.user is not None)
            if to.user is not None:
                server.login(to.user, to.password or "")
            if message is None:
                server.noop()
            else:
                server.send_message(message)
        finally:
            with suppress(OSError, smtplib.SMTPException):  # the mail was sent or has failed already
                server.quit()
            server.close()


def _encrypt(server: smtplib.SMTP, tls: ssl.SSLContext, *, needed: bool) -> None:
    """Switch to TLS if the server offers it; raises :class:`NoTls` if it is needed and not offered."""
    server.ehlo()
    if server.has_extn("starttls"):
        with suppress(smtplib.SMTPResponseException):  # offered, but temporarily refused
            server.starttls(context=tls)
            return
    if needed:
        raise NoTls
