"""Mail by SMTP; without a server it goes to the log, so that a small installation works too."""

import asyncio
import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from app.errors import UpstreamError
from app.logs import log

_TIMEOUT = 10.0  # seconds for each step


class Mailer:
    """``url`` is ``smtp://user:password@host:587`` (encrypted where the server can) or ``smtps://…:465``."""

    def __init__(self, url: str | None, sender: str) -> None:
        self._url = url
        self._sender = sender

    async def send(self, to: str, subject: str, text: str) -> None:
        """Hand the mail over; raises :class:`UpstreamError` where the server does not take it."""
        if self._url is None:
            log.warning("mail.not_sent", reason="SMTP_URL is not set", to=to, subject=subject, text=text)
            return
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, to, subject
        message.set_content(text)
        try:
            await asyncio.to_thread(_deliver, self._url, message)
        except (OSError, smtplib.SMTPException) as error:
            raise UpstreamError(f"The mail server did not take a mail: {type(error).__name__}.") from error


def _deliver(url: str, message: EmailMessage) -> None:
    parts = urlsplit(url)
    host, context = parts.hostname or "localhost", ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=_TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=_TIMEOUT)
    try:
        server.ehlo()
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
    finally:
        with suppress(OSError, smtplib.SMTPException):  # the mail is on its way, or has failed, by now
            server.quit()
        server.close()
