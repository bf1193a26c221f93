"""Encryption at rest with keys derived from the application secret."""

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12  # bytes


class Encryption:
    """Encrypts with ``secret``; also decrypts with ``previous``, so that the secret can be rotated.

    Each ``purpose`` has its own key: data encrypted for one cannot be decrypted for another.
    """

    def __init__(self, secret: str, *, previous: str | None = None) -> None:
        self._secrets = [key.encode() for key in (secret, previous) if key]

    def encrypt(self, content: bytes, purpose: str) -> bytes:
        """Encrypt with AES-256-GCM; the result is 28 bytes longer than ``content``."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(_key(self._secrets[0], purpose)).encrypt(nonce, content, None)

    def decrypt(self, stored: bytes, purpose: str) -> bytes:
        """Decrypt; raises :class:`ValueError` if another secret or purpose was used."""
        for secret in self._secrets:
            try:
                return AESGCM(_key(secret, purpose)).decrypt(stored[:_NONCE], stored[_NONCE:], None)
            except InvalidTag:
                continue
        raise ValueError(f"not encrypted for {purpose!r} with a known secret")

    def is_current(self, stored: bytes, purpose: str) -> bool:
        """Whether ``content`` was encrypted with the current secret rather than the previous one."""
        try:
            AESGCM(_key(self._secrets[0], purpose)).decrypt(stored[:_NONCE], stored[_NONCE:], None)
        except InvalidTag:
            return False
        return True

    def fingerprints(self, content: bytes, purpose: str) -> list[bytes]:
        """Keyed 32-byte digests of ``content``: with the current secret, then with the previous one."""
        return [hmac.digest(_key(secret, purpose), content, "sha256") for secret in self._secrets]


def _key(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, f"encryption:{purpose}".encode(), "sha256")
