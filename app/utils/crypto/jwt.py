"""Access tokens: signed, short-lived, bound to a session; every claim is checked, none is optional."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt

from app.utils.clock import Clock, utc_now
from app.utils.text.cleaning import INT_MAX

_ISSUER = "anisync"
_AUDIENCE = "anisync:api"
_TYPE = "access"
_SKEW = 10  # seconds by which the clocks of our own machines may differ
_LONGEST = 4096  # characters; ours have some 400
_NUMBER = re.compile(r"[1-9]\d{0,9}", re.ASCII)
_TOKEN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_FAR = 2**33  # seconds; no instant that we sign is past it


class BadToken(Exception):
    """Not an access token of ours that is valid now."""


@dataclass(frozen=True, slots=True)
class Claims:
    user_id: int
    session_id: UUID
    token_id: str
    expires_at: datetime


class AccessTokens:
    """Signs with ``secret``; reads what ``previous`` signed too, so that a secret can be replaced."""

    def __init__(
        self,
        secret: str,
        *,
        previous: str | None = None,
        algorithm: str = "HS256",
        lifetime: timedelta = timedelta(minutes=15),
        clock: Clock = utc_now,
    ) -> None:
        self._keys = {_key_id(key): key for key in (secret, previous) if key}
        self._key_id = _key_id(secret)
        self._algorithm = algorithm
        self._lifetime = lifetime
        self._clock = clock

    def issue(self, user_id: int, session_id: UUID, *, not_after: datetime) -> tuple[str, int]:
        """A token and its lifetime in seconds; it never outlives ``not_after``."""
        now = self._clock().replace(microsecond=0)
        expires_at = min(now + self._lifetime, not_after)
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "type": _TYPE,
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": uuid4().hex,
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        headers = {"kid": self._key_id}
        token = jwt.encode(claims, self._keys[self._key_id], algorithm=self._algorithm, headers=headers)
        return token, int((expires_at - now).total_seconds())

    def read(self, token: str) -> Claims:
        """What a valid token says; raises :class:`BadToken` for any other."""
        try:
            if len(token) > _LONGEST or not _is_canonical(token):
                raise BadToken
            for key in self._candidates(jwt.get_unverified_header(token).get("kid")):
                if (claims := self._claims(token, key)) is not None:
                    return claims
        except (jwt.InvalidTokenError, ValueError, OverflowError, TypeError, RecursionError) as error:
            raise BadToken from error
        raise BadToken

    def _candidates(self, key_id: Any) -> list[str]:
        if key_id is None:
            return list(self._keys.values())
        return [self._keys[key_id]] if key_id in self._keys else []

    def _claims(self, token: str, key: str) -> Claims | None:
        # PyJWT checks the signature only: its checks of claims accept numbers written as text,
        # a list of audiences, and tokens without an end.
        options: Any = dict.fromkeys(_PYJWT_CHECKS, False)
        try:
            said = jwt.decode(token, key, algorithms=[self._algorithm], options=options)
        except jwt.InvalidSignatureError:
            return None
        now = int(self._clock().timestamp())
        if not (_is_ours(said) and _is_timely(said, now)):
            raise BadToken
        return Claims(
            user_id=int(said["sub"]),
            session_id=UUID(said["sid"]),
            token_id=said["jti"],
            expires_at=datetime.fromtimestamp(said["exp"], UTC),
        )


_PYJWT_CHECKS = (
    "verify_exp",
    "verify_nbf",
    "verify_iat",
    "verify_aud",
    "verify_iss",
    "verify_sub",
    "verify_jti",
)


def _is_ours(said: Mapping[str, Any]) -> bool:
    names = ("sub", "sid", "jti")
    if any(not isinstance(said.get(name), str) for name in names):
        return False
    fixed = (said.get("iss"), said.get("aud"), said.get("type"))
    if fixed != (_ISSUER, _AUDIENCE, _TYPE) or not _TOKEN_ID.fullmatch(said["jti"]):
        return False
    return _NUMBER.fullmatch(said["sub"]) is not None and int(said["sub"]) <= INT_MAX


def _is_timely(said: Mapping[str, Any], now: int) -> bool:
    iat, nbf, exp = (_whole(said.get(name)) for name in ("iat", "nbf", "exp"))
    if iat is None or nbf is None or exp is None:
        return False
    return max(iat, nbf) <= now + _SKEW and now < exp < _FAR


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _is_canonical(token: str) -> bool:
    """False where the last characters carry bits that decoding drops: a changed token that still verifies."""
    signature = token.rpartition(".")[2]
    decoded = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    return base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == signature


def _key_id(secret: str) -> str:
    return hashlib.sha256(b"key id:" + secret.encode()).hexdigest()[:12]
