"""The SMTP server described by ``SMTP_URL``."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

_USAGE = (
    "use smtp://user:password@host:587 or smtps://user:password@host:465; "
    "percent-encode @ : / ? # in the password as %40 %3A %2F %3F %23"
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Host, port and credentials. With ``implicit_tls`` the connection starts in TLS, else with STARTTLS."""

    host: str
    port: int
    implicit_tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        """Parse ``smtp://`` or ``smtps://``; a :class:`ValueError` explains the format without the URL."""
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
        except ValueError:  # the original message might quote the password
            raise ValueError(_USAGE) from None
        if parts.scheme not in {"smtp", "smtps"} or not host or parts.path.strip("/") or parts.query:
            raise ValueError(_USAGE)
        if bool(parts.username) != bool(parts.password):
            raise ValueError(
                "give both a user and a password, as in smtp://user:password@host:587, or neither"
            )
        return cls(
            host=host,
            port=port or (465 if parts.scheme == "smtps" else 25),
            implicit_tls=parts.scheme == "smtps",
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )
