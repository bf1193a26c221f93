"""Mail by SMTP; without a server it goes to the log, so that a small installation works too."""

import asyncio
import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage

from app.errors import UpstreamError
from app.logs import log
from app.utils.mail_server import MailServer

_TIMEOUT = 10.0  # seconds for each step


class NoTls(smtplib.SMTPException):
    """The server offers no TLS, and a password is never sent without."""


class Mailer:
    """``url`` is ``smtp://user:password@host:587`` or ``smtps://…:465``; ``tls`` checks the certificate.

    ``smtp`` is encrypted by STARTTLS: always where there is a password, else where the server can.
    """

    def __init__(self, url: str | None, sender: str, *, tls: ssl.SSLContext | None = None) -> None:
        self._server = None if url is None else MailServer.of(url)
        self._sender = sender
        self._tls = tls

    async def send(self, to: str, subject: str, text: str) -> None:
        """Hand the mail over; raises :class:`UpstreamError` where the server does not take it."""
        if self._server is None:
            log.warning("mail.not_sent", reason="SMTP_URL is not set", to=to, subject=subject, text=text)
            return
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, to, subject
        message.set_content(text)
        try:
            await asyncio.to_thread(self._deliver, self._server, message)
        except NoTls as error:
            raise UpstreamError(
                "The mail server offers no STARTTLS, so the password of SMTP_URL was not sent: "
                "use its port for TLS with smtps://, or leave user and password out."
            ) from error
        except ssl.SSLError as error:
            raise UpstreamError(
                f"There is no TLS with the mail server that can be trusted: {error.reason}."
            ) from error
        except (OSError, smtplib.SMTPException) as error:
            raise UpstreamError(f"The mail server did not take a mail: {type(error).__name__}.") from error

    def _deliver(self, to: MailServer, message: EmailMessage) -> None:
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
            server.send_message(message)
        finally:
            with suppress(OSError, smtplib.SMTPException):  # the mail is on its way, or has failed, by now
                server.quit()
            server.close()


def _encrypt(server: smtplib.SMTP, tls: ssl.SSLContext, *, needed: bool) -> None:
    """Go on in TLS where the server offers it; raises :class:`NoTls` where it is needed and not offered."""
    server.ehlo()
    if server.has_extn("starttls"):
        with suppress(smtplib.SMTPResponseException):  # offered, but not now
            server.starttls(context=tls)
            return
    if needed:
        raise NoTls
