"""Forged tokens: foreign or of the wrong kind, derived from a valid one."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jwt

_STRANGER = "a secret that somebody else has chosen, 32 bytes"


def forged_tokens(good: str, secret: str) -> Iterator[tuple[str, str]]:
    """Names and tokens; ``secret`` is the real key: even correctly signed claims must be right."""
    claims = jwt.decode(good, options={"verify_signature": False})
    yield from _unsigned(good)
    yield from _of_other_keys(claims, secret)
    yield from _broken(good)
    for name, changed in _changed(claims).items():
        yield name, jwt.encode(changed, secret, algorithm="HS256")
    yield from _odd_payloads(claims, secret)
    yield from _odd_headers(claims, secret)


def _unsigned(good: str) -> Iterator[tuple[str, str]]:
    _, payload, signature = good.split(".")
    for word in ("none", "None", "NONE", "nOnE"):
        header = _part({"alg": word, "typ": "JWT"})
        yield f"alg {word}", f"{header}.{payload}."
        yield f"alg {word} with a signature", f"{header}.{payload}.{signature}"


def _of_other_keys(claims: Mapping[str, Any], secret: str) -> Iterator[tuple[str, str]]:
    yield "another secret", jwt.encode(dict(claims), _STRANGER, algorithm="HS256")
    yield "an empty secret", _signed({"alg": "HS256", "typ": "JWT"}, claims, "")
    yield "another algorithm", jwt.encode(dict(claims), secret * 2, algorithm="HS512")
    yield "an algorithm that is not allowed", jwt.encode(dict(claims), secret * 2, algorithm="HS384")
    yield "a public key's algorithm", _signed({"alg": "RS256", "typ": "JWT"}, claims, secret)


def _broken(good: str) -> Iterator[tuple[str, str]]:
    header, payload, signature = good.split(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    flipped = last[last.index(signature[-1]) ^ 1]  # decodes to the same bytes
    yield "a spare bit of the signature", f"{header}.{payload}.{signature[:-1]}{flipped}"
    yield "a bit of the signature", f"{header}.{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    yield "no signature", f"{header}.{payload}."
    yield "two parts", f"{header}.{payload}"
    yield "four parts", f"{good}.{signature}"
    yield "no token", "x"
    yield "padding", f"{good}=="
    yield "a long one", f"{header}.{'A' * 6000}.{signature}"


def _changed(claims: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    without = {f"without {name}": {k: v for k, v in claims.items() if k != name} for name in claims}
    hour = 3600
    return without | {
        "another issuer": {**claims, "iss": "somebody"},
        "a longer issuer": {**claims, "iss": f"{claims['iss']}.example.org"},
        "a part of the issuer": {**claims, "iss": claims["iss"][:-1]},
        "another audience": {**claims, "aud": "somebody"},
        "a list of audiences": {**claims, "aud": [claims["aud"], "somebody"]},
        "out of date": {**claims, "exp": claims["iat"] - 1},
        "not yet": {**claims, "nbf": claims["iat"] + hour},
        "of the future": {**claims, "iat": claims["iat"] + 24 * hour},
        "an end as text": {**claims, "exp": str(claims["exp"])},
        "an end as a fraction": {**claims, "exp": claims["exp"] + 0.5},
        "an end far away": {**claims, "exp": 2**70},
        "an end that is true": {**claims, "exp": True},
        "a refresh token": {**claims, "type": "refresh"},
        "a reset token": {**claims, "type": "reset"},
        "a service token": {**claims, "type": "service"},
        "a type that is a list": {**claims, "type": ["access"]},
        "a subject that is nobody": {**claims, "sub": str(2**31 - 1)},
        "a subject that is a name": {**claims, "sub": "demo"},
        "a subject too large": {**claims, "sub": "9" * 30},
        "a subject in other digits": {**claims, "sub": "١"},
        "a negative subject": {**claims, "sub": "-1"},
        "a session that is not": {**claims, "sid": "00000000-0000-4000-8000-000000000000"},
        "a session that is no id": {**claims, "sid": "'; drop table sessions"},
        "an empty id": {**claims, "jti": ""},
    }


def _odd_payloads(claims: Mapping[str, Any], secret: str) -> Iterator[tuple[str, str]]:
    header = {"alg": "HS256", "typ": "JWT"}
    yield "a number as subject", _signed(header, {**claims, "sub": int(claims["sub"])}, secret)
    text = json.dumps(dict(claims))
    yield "an infinite end", _sealed(header, text.replace(str(claims["exp"]), "1e400"), secret)
    yield "no number at all", _sealed(header, text.replace(str(claims["exp"]), "NaN"), secret)
    yield "a list", _sealed(header, "[1]", secret)
    yield "no JSON", _sealed(header, "{", secret)
    yield "deep JSON", _sealed(header, "[" * 1400 + "]" * 1400, secret)
    yield "a lone surrogate", _sealed(header, text.replace(claims["jti"], "\\ud800"), secret)


def _odd_headers(claims: Mapping[str, Any], secret: str) -> Iterator[tuple[str, str]]:
    plain = {"alg": "HS256", "typ": "JWT"}
    yield "an unknown key", _signed({**plain, "kid": "../../dev/null"}, claims, secret)
    yield "a key that is a number", _signed({**plain, "kid": 7}, claims, secret)
    yield "an unknown extension", _signed({**plain, "crit": ["exp2"], "exp2": 1}, claims, secret)
    key = {"kty": "oct", "k": base64.urlsafe_b64encode(_STRANGER.encode()).decode()}
    yield "a key of its own", _signed({**plain, "jwk": key}, claims, _STRANGER)
    yield "a place of its own", _signed({**plain, "jku": "http://127.0.0.1:9/keys"}, claims, _STRANGER)


def _signed(header: Mapping[str, Any], claims: Mapping[str, Any], secret: str) -> str:
    return _sealed(header, json.dumps(dict(claims)), secret)


def _sealed(header: Mapping[str, Any], payload: str, secret: str) -> str:
    body = f"{_part(header)}.{_encoded(payload.encode())}"
    return f"{body}.{_encoded(hmac.digest(secret.encode(), body.encode(), hashlib.sha256))}"


def _part(value: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(dict(value)).encode())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
