"""Refresh tokens: opaque, verifiable, with one successor each."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from app.utils.crypto.refresh_tokens import RefreshTokens, digest

SECRET = "a secret of tests, longer than 32 bytes"
NEW_SECRET = "a newer secret of tests, of 32 bytes too"
SESSION = uuid4()


def test_a_token_contains_its_session_and_is_unique() -> None:
    tokens = RefreshTokens(SECRET)
    some = {tokens.first(SESSION) for _ in range(100)}
    assert len(some) == 100
    assert {tokens.session_of(token) for token in some} == {SESSION}


def test_a_token_has_one_successor_in_every_process() -> None:
    token = RefreshTokens(SECRET).first(SESSION)
    [successor] = RefreshTokens(SECRET).successors(token)
    assert RefreshTokens(SECRET).successors(token) == [successor]
    assert RefreshTokens(SECRET).session_of(successor) == SESSION
    assert len({token, successor, *RefreshTokens(SECRET).successors(successor)}) == 3


def test_successors_cannot_be_derived_without_the_secret() -> None:
    token = RefreshTokens(SECRET).first(SESSION)
    stranger = RefreshTokens(NEW_SECRET)
    assert stranger.session_of(token) is None
    assert not set(stranger.successors(token)) & set(RefreshTokens(SECRET).successors(token))


def test_tokens_of_the_previous_secret_and_their_successors_stay_valid() -> None:
    token = RefreshTokens(SECRET).first(SESSION)
    turned = RefreshTokens(NEW_SECRET, previous=SECRET)
    assert turned.session_of(token) == SESSION
    assert RefreshTokens(SECRET).successors(token)[0] in turned.successors(token)
    assert turned.session_of(turned.successors(token)[0]) == SESSION


@given(st.integers(0, 87), st.sampled_from("AZaz09-_=+/ é"))
def test_any_changed_character_invalidates_a_token(at: int, character: str) -> None:
    token = RefreshTokens(SECRET).first(SESSION)
    changed = token[:at] + character + token[at + 1 :]
    assert changed == token or RefreshTokens(SECRET).session_of(changed) is None


@given(st.text())
def test_other_text_is_not_a_token(text: str) -> None:
    assert RefreshTokens(SECRET).session_of(text) is None


def test_the_stored_digest_is_not_the_token() -> None:
    token = RefreshTokens(SECRET).first(SESSION)
    assert len(digest(token)) == 32
    assert digest(token) != token.encode()
