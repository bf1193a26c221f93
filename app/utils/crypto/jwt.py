"""Access tokens: signed, short-lived JWTs bound to a session; every claim is required and checked."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
from cachetools import LRUCache
from jwt.types import Options

from app.utils.clock import Clock, utc_now
from app.utils.text.cleaning import INT_MAX

_ISSUER = "anisync"
_AUDIENCE = "anisync:api"
_TYPE = "access"
_LEEWAY = 10  # seconds of clock skew between API servers
_VERIFIED_KEPT = 4096  # tokens whose signature is not computed again; about 1 KB each
_LONGEST = 4096  # characters; issued tokens have about 400
_USER_ID = re.compile(r"[1-9]\d{0,9}", re.ASCII)
_TOKEN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_LATEST_EXPIRY = 2**33  # Unix seconds; datetime.fromtimestamp() fails far beyond


class BadToken(Exception):
    """The text is not a currently valid access token."""


@dataclass(frozen=True, slots=True)
class Claims:
    user_id: int
    session_id: UUID
    token_id: str
    expires_at: datetime


class AccessTokens:
    """Signs with ``secret``; also accepts what ``previous`` signed, so that the secret can be rotated."""

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
        self._verified: LRUCache[str, Claims] = LRUCache(_VERIFIED_KEPT)

    def issue(self, user_id: int, session_id: UUID, *, not_after: datetime) -> tuple[str, int]:
        """A new token and its lifetime in seconds; it expires at ``not_after`` at the latest."""
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
        """The claims of a valid token; raises :class:`BadToken` for any other text.

        Of a token that was valid before, only the expiry is checked again: nothing else can change.
        """
        known = self._verified.get(token)
        if known is None:
            known = self._verified[token] = self._verify(token)
        elif known.expires_at <= self._clock():
            del self._verified[token]
            raise BadToken
        return known

    def _verify(self, token: str) -> Claims:
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
        try:
            payload = jwt.decode(
                token,
                key,
                algorithms=[self._algorithm],
                issuer=_ISSUER,
                audience=_AUDIENCE,
                options=_OPTIONS,
            )
        except jwt.InvalidSignatureError:
            return None
        now = int(self._clock().timestamp())
        if not (_is_well_formed(payload) and _is_current(payload, now)):
            raise BadToken
        return Claims(
            user_id=int(payload["sub"]),
            session_id=UUID(payload["sid"]),
            token_id=payload["jti"],
            expires_at=datetime.fromtimestamp(payload["exp"], UTC),
        )


# PyJWT's checks of times stay off: they accept numbers written as text, read the system clock, which tests
# cannot move, and apply the leeway to the expiry too.
_OPTIONS: Options = {
    "require": ["iss", "aud", "type", "sub", "sid", "jti", "iat", "nbf", "exp"],
    "strict_aud": True,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_exp": False,
}


def _is_well_formed(payload: Mapping[str, Any]) -> bool:
    """Check the claims PyJWT knows nothing of, or whose format it leaves open."""
    if payload["type"] != _TYPE or not isinstance(payload["sid"], str):
        return False
    if not _TOKEN_ID.fullmatch(payload["jti"]) or not _USER_ID.fullmatch(payload["sub"]):
        return False
    return int(payload["sub"]) <= INT_MAX


def _is_current(payload: Mapping[str, Any], now: int) -> bool:
    iat, nbf, exp = payload["iat"], payload["nbf"], payload["exp"]
    if any(type(instant) is not int for instant in (iat, nbf, exp)):  # a bool is an int, too
        return False
    return bool(max(iat, nbf) <= now + _LEEWAY and now < exp < _LATEST_EXPIRY)


def _is_canonical(token: str) -> bool:
    """Reject a signature with stray trailing bits: base64 ignores them, so an altered token would verify."""
    signature = token.rpartition(".")[2]
    decoded = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    return base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == signature


def _key_id(secret: str) -> str:
    return hashlib.sha256(b"key id:" + secret.encode()).hexdigest()[:12]
