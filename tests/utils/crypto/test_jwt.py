"""Access tokens: valid ones are accepted, all others rejected."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest

from app.utils.crypto.jwt import AccessTokens, BadToken
from tests.factories.forged_tokens import forged_tokens

SECRET = "a secret of tests, longer than 32 bytes"
NEW_SECRET = "a newer secret of tests, of 32 bytes too"
NOW = datetime(2026, 11, 21, 12, 0, 0, 700_000, tzinfo=UTC)
SESSION = uuid4()


def tokens(*, secret: str = SECRET, previous: str | None = None, after: float = 0) -> AccessTokens:
    return AccessTokens(secret, previous=previous, clock=lambda: NOW + timedelta(seconds=after))


def issue(by: AccessTokens) -> str:
    return by.issue(7, SESSION, not_after=NOW + timedelta(days=1))[0]


def test_an_issued_token_is_valid() -> None:
    token, seconds = tokens().issue(7, SESSION, not_after=NOW + timedelta(days=1))
    claims = tokens().read(token)
    assert (claims.user_id, claims.session_id, seconds) == (7, SESSION, 900)
    assert claims.expires_at == NOW.replace(microsecond=0) + timedelta(seconds=900)
    assert len(claims.token_id) == 32


def test_tokens_have_every_claim() -> None:
    said = jwt.decode(issue(tokens()), options={"verify_signature": False})
    assert set(said) == {"iss", "aud", "type", "sub", "sid", "jti", "iat", "nbf", "exp"}


def test_tokens_are_unique() -> None:
    assert issue(tokens()) != issue(tokens())


@pytest.mark.parametrize(("after", "valid"), [(0, True), (899, True), (900, False), (5000, False)])
def test_a_token_expires_exactly(after: float, valid: bool) -> None:
    token = issue(tokens())
    if valid:
        assert tokens(after=after).read(token).user_id == 7
        return
    with pytest.raises(BadToken):
        tokens(after=after).read(token)


def test_a_token_never_outlives_its_session() -> None:
    end = NOW + timedelta(seconds=30)
    token, seconds = tokens().issue(7, SESSION, not_after=end)
    assert seconds == 30
    assert tokens().read(token).expires_at <= end


def test_small_clock_skew_is_tolerated() -> None:
    assert tokens(after=-8).read(issue(tokens())).user_id == 7


def test_tokens_of_the_previous_secret_stay_valid() -> None:
    old = issue(tokens())
    turned = tokens(secret=NEW_SECRET, previous=SECRET)
    assert turned.read(old).user_id == 7
    assert turned.read(issue(turned)).user_id == 7
    with pytest.raises(BadToken):
        tokens(secret=NEW_SECRET).read(old)
    with pytest.raises(BadToken):
        tokens().read(issue(turned))


GOOD = issue(tokens())
FORGED = dict(forged_tokens(GOOD, SECRET))
# These are valid tokens; that account or session differ is for the database to check.
_OF_THE_ROW = {"a subject that is nobody", "a session that is not"}


def test_the_forging_helper_can_make_a_valid_token() -> None:
    claims = jwt.decode(GOOD, options={"verify_signature": False})
    assert tokens().read(jwt.encode(claims, SECRET, algorithm="HS256")).user_id == 7


@pytest.mark.parametrize("name", sorted(set(FORGED) - _OF_THE_ROW))
def test_a_forged_token_is_refused(name: str) -> None:
    with pytest.raises(BadToken):
        tokens().read(FORGED[name])


def test_there_are_many_kinds_of_forgeries() -> None:
    assert len(FORGED) > 50
