"""What the URL of a mail server says."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

_USE = (
    "use smtp://user:password@host:587 or smtps://user:password@host:465; "
    "in the password write @ : / ? # as %40 %3A %2F %3F %23"
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """``implicit_tls`` is TLS from the first byte; otherwise it can only begin with STARTTLS."""

    host: str
    port: int
    implicit_tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        """Read ``smtp://`` or ``smtps://``; a ``ValueError`` says what to write, and nothing of the URL."""
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
        except ValueError:  # its text might quote the password
            raise ValueError(_USE) from None
        if parts.scheme not in {"smtp", "smtps"} or not host or parts.path.strip("/") or parts.query:
            raise ValueError(_USE)
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
