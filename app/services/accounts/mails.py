"""Mails about accounts; the text is written when a worker sends it."""

import secrets
from datetime import timedelta

from app.external.mail import Mailer
from app.repositories.accounts import AccountRepository
from app.repositories.resets import ResetRepository
from app.schemas.domain.accounts import Account
from app.schemas.jobs import SendMail
from app.utils.clock import Clock, utc_now
from app.utils.crypto.refresh_tokens import digest
from app.utils.db.database import Database

_RESET_LIFETIME = timedelta(minutes=30)
_NOT_YOU = "If this was not you, reset your password immediately and review your sessions."


class MailService:
    """``base_url`` is the URL of the web page; without it a reset mail contains only the token."""

    def __init__(
        self, db: Database, mailer: Mailer, *, base_url: str | None = None, clock: Clock = utc_now
    ) -> None:
        self._db = db
        self._mailer = mailer
        self._base_url = base_url
        self._clock = clock

    async def send(self, mail: SendMail) -> None:
        """Write and send the mail, unless the account is gone, inactive or without an address."""
        async with self._db.reader() as connection:
            account = await AccountRepository(connection).find(mail.user_id)
        if account is None or not account.is_active:
            return
        to = mail.to or account.email
        if to is None:
            return
        subject, text = await self._compose(mail, account)
        await self._mailer.send(to, subject, text)

    async def _compose(self, mail: SendMail, account: Account) -> tuple[str, str]:
        if mail.topic == "reset":
            return "Reset your AniSync password", await self._reset(account)
        if mail.topic == "password_changed":
            return (
                "Your password was changed",
                f"Hello {account.username},\n\nyour password was changed. {_NOT_YOU}",
            )
        if mail.topic == "connection_expires":
            return "Your connection to AniList expires soon", (
                f"Hello {account.username},\n\nAniList grants access for a year, which will soon "
                "be over. Connect your account again to keep your lists in sync."
            )
        return "Your e-mail address was changed", (
            f"Hello {account.username},\n\nthe e-mail address of your account was changed. {_NOT_YOU}"
        )

    async def _reset(self, account: Account) -> str:
        token = secrets.token_urlsafe(32)
        async with self._db.transaction() as tx:
            await ResetRepository(tx).replace(account.id, digest(token), self._clock() + _RESET_LIFETIME)
        # In the fragment, which browsers do not send, so that the token is in no server log.
        link = f"\nLink: {self._base_url}/#reset={token}" if self._base_url else ""
        return (
            f"Hello {account.username},\n\nthis token sets a new password for your account. It is valid "
            f"once, for 30 minutes.\n\nToken: {token}{link}\n\nIf you did not request it, ignore this mail."
        )
