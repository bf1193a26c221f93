"""The account services: authentication, registration, sessions, passwords, mails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from app.config import Settings
from app.container.foundation import Foundation
from app.external.mail import Mailer
from app.services.accounts import (
    AuthenticationService,
    Blacklist,
    LoginThrottle,
    PasswordHasher,
    Reauthentication,
    RegistrationService,
    TokenIssuer,
)
from app.services.accounts.avatars import AvatarService
from app.services.accounts.mails import MailService
from app.services.accounts.passwords import PasswordService
from app.services.accounts.sessions import SessionService
from app.services.accounts.tokens import TokenService
from app.services.accounts.users import UserService
from app.utils.crypto.jwt import AccessTokens
from app.utils.crypto.refresh_tokens import RefreshTokens


@dataclass(frozen=True)
class AccountServices:
    authentication: AuthenticationService
    avatars: AvatarService
    mails: MailService
    passwords: PasswordService
    registration: RegistrationService
    sessions: SessionService
    tokens: TokenService
    users: UserService


@asynccontextmanager
async def build_accounts(base: Foundation) -> AsyncIterator[AccountServices]:
    db, settings = base.db, base.settings
    hasher, issuer, blacklist = PasswordHasher(), issuer_of(settings), Blacklist(base.redis)
    throttle, avatars = LoginThrottle(db, base.quotas), AvatarService(settings.upload_folder)
    reauthentication = Reauthentication(db, hasher, throttle)
    try:
        yield AccountServices(
            authentication=AuthenticationService(db, issuer, blacklist),
            avatars=avatars,
            mails=MailService(db, _mailer(settings), base_url=settings.page_url),
            passwords=PasswordService(db, hasher, reauthentication, base.quotas, base.jobs),
            registration=RegistrationService(
                db, issuer, hasher, base.quotas, is_open=settings.registration == "open"
            ),
            sessions=SessionService(db, issuer, hasher, throttle, blacklist, demo=settings.demo_user),
            tokens=TokenService(db),
            users=UserService(db, avatars, reauthentication, base.jobs),
        )
    finally:
        hasher.close()


def issuer_of(settings: Settings) -> TokenIssuer:
    old = settings.secret_key_previous
    previous = old.get_secret_value() if old else None
    lifetime = timedelta(minutes=settings.access_token_expire_minutes)
    return TokenIssuer(
        access=AccessTokens(
            settings.secret, previous=previous, algorithm=settings.algorithm, lifetime=lifetime
        ),
        refresh=RefreshTokens(settings.secret, previous=previous),
        idle=timedelta(days=settings.refresh_token_expire_days),
        longest=timedelta(days=settings.session_max_days),
    )


def _mailer(settings: Settings) -> Mailer:
    return Mailer(settings.smtp_url.get_secret_value() if settings.smtp_url else None, settings.mail_from)
