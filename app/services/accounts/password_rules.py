"""Rules for new passwords: length, and not easily guessed."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from unicodedata import normalize

from app.errors import FieldCode, Invalid

SHORTEST, LONGEST = 8, 128  # characters

_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz", "0123456789")
_OUR_WORDS = ("anisync", "anime", "manga")  # obvious guesses here, which general lists lack
_TRIES = 10_000  # entries of each of zxcvbn's lists: leaked passwords, words, names


def check_new_password(password: str, *names: str | None, field: str = "password") -> None:
    """Raise :class:`Invalid` for a password that is too short, too long, or easily guessed.

    ``names`` are the user name and e-mail of the account.
    """
    fault = _fault(password, [name for name in names if name])
    if fault is not None:
        text, code = fault
        raise Invalid.fields({field: [text]}, code=code)


def _fault(password: str, names: list[str]) -> tuple[str, FieldCode] | None:
    if not SHORTEST <= len(password) <= LONGEST:
        return f"Use {SHORTEST} to {LONGEST} characters.", "invalid"
    guess = normalize("NFKC", password).casefold()
    if any(guess in {name.casefold(), name.partition("@")[0].casefold()} for name in names):
        return "The password must not be your name or e-mail address.", "guessable"
    if guess in _tried_first() or _is_our_word(guess) or _is_monotonous(guess) or _is_date(guess):
        return "This password is too easy to guess.", "guessable"
    return None


@cache
def _tried_first() -> frozenset[str]:
    """The most common passwords, words and names.

    Only zxcvbn's lists are used: its estimate takes up to 190 ms for a password of 60 characters.
    """
    ranked = import_module("zxcvbn.frequency_lists").FREQUENCY_LISTS.values()
    return frozenset(word for words in ranked for word in words[:_TRIES] if len(word) >= SHORTEST)


def _is_our_word(guess: str) -> bool:
    """One of our words, repeated or followed by digits."""
    return any(guess.replace(word, "").strip("0123456789!") == "" for word in _OUR_WORDS if word in guess)


def _is_monotonous(guess: str) -> bool:
    """A short sequence repeated, or a run along the keyboard or the alphabet."""
    if any(guess == guess[:size] * (len(guess) // size) for size in _divisors(len(guess)) if size <= 4):
        return True
    return any(guess in row * 3 or guess[::-1] in row * 3 for row in _ROWS)


def _divisors(number: int) -> Iterator[int]:
    return (size for size in range(1, number) if number % size == 0)


def _is_date(guess: str) -> bool:
    """Eight digits that are a plausible date of birth, in any of the usual orders."""
    if len(guess) != 8 or not (guess.isascii() and guess.isdigit()):
        return False
    orders = (
        (guess[:4], guess[4:6], guess[6:]),
        (guess[4:], guess[2:4], guess[:2]),
        (guess[4:], guess[:2], guess[2:4]),
    )
    return any(
        "1930" <= year <= "2030" and "01" <= month <= "12" and "01" <= day <= "31"
        for year, month, day in orders
    )
