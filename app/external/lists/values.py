"""Single values of list files; what cannot be read raises ``ValueError`` with a text for the report."""

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from app.schemas.domain.library import EntryStatus, MediaType, Subject
from app.schemas.words import entry_status
from app.utils.cleaning import INT_MAX, clean_text, partial_date

_LONGEST_URL = 2000  # characters
_AMERICAN = re.compile(r"(\d{2})-(\d{2})-(\d{2})")


def whole(value: Any, name: str, *, most: int = INT_MAX) -> int:
    """A count; nothing at all is 0."""
    if value in (None, "", False):
        return 0
    try:
        number = int(str(value).strip())
    except ValueError:
        raise ValueError(f"{name} is not a number: {str(value)[:40]!r}") from None
    if not 0 <= number <= most:
        raise ValueError(f"{name} is out of range: {number}")
    return number


def ident(value: Any, name: str) -> int | None:
    """An id of another service; 0 and nothing mean that there is none."""
    return whole(value, name) or None


def volumes(value: Any) -> int | None:
    """How many were read; no service tells none from unknown."""
    return whole(value, "volumes") or None


def ten_point_score(value: Any) -> int | None:
    """0 to 10, one decimal, as 0 to 100; 0 means unscored."""
    return _score(value, 10, 10)


def hundred_point_score(value: Any) -> int | None:
    """0 to 100; 0 means unscored."""
    return _score(value, 1, 100)


def five_star_score(value: Any) -> int | None:
    """0 to 5 stars as 0 to 100; 0 means unscored."""
    return _score(value, 20, 5)


def three_face_score(value: Any) -> int | None:
    """A sad, a straight or a smiling face, as AniList itself turns them into numbers; 0 means unscored."""
    return (None, 35, 60, 85)[whole(value, "score", most=3)]


def twenty_point_score(value: Any) -> int | None:
    """0 to 20 as 0 to 100; 0 means unscored."""
    return _score(value, 5, 20)


@lru_cache(maxsize=1024)  # a list repeats its scores and days ten thousand times
def _score(value: Any, factor: int, most: int) -> int | None:
    if value in (None, ""):
        return None
    try:
        number = float(str(value))
    except ValueError:
        raise ValueError(f"score is not a number: {str(value)[:40]!r}") from None
    if not 0 <= number <= most:
        raise ValueError(f"score is out of range: {value}")
    return int(number * factor + 0.5) or None


def day(value: Any) -> str | None:
    """A date of any of the services, as precise as it is; zeros and nothing mean that it is not known."""
    if isinstance(value, Mapping):
        value = "-".join(f"{int(value.get(part) or 0):0{width}}" for part, width in _PARTS)
    return _day(str(value or ""))


@lru_cache(maxsize=4096)
def _day(stated: str) -> str | None:
    text = stated.strip()
    if american := _AMERICAN.fullmatch(text):
        month, day_, year = american.groups()
        text = f"{_century(int(year))}-{month}-{day_}"
    elif re.fullmatch(r"\d{8}", text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    if not text.strip("0-"):
        return None
    found = partial_date(text)
    if found is None:
        raise ValueError(f"not a date: {text[:40]!r}")
    return found


_PARTS = (("year", 4), ("month", 2), ("day", 2))


def _century(year: int) -> int:
    return 2000 + year if 2000 + year <= date.today().year + 1 else 1900 + year  # noqa: DTZ011  # a century will do


def text(value: Any) -> str | None:
    return clean_text(value)


def url(value: Any) -> str | None:
    """An address of the web; None for anything else."""
    found = clean_text(value)
    fits = found and found.startswith(("https://", "http://")) and len(found) <= _LONGEST_URL
    return found if fits else None


def tags(value: Any) -> tuple[str, ...]:
    """A comma list without repetitions."""
    return tag_list((text(value) or "").split(",")) if value else ()


def tag_list(value: Any) -> tuple[str, ...]:
    """Tags without repetitions; nothing at all is none."""
    found = (text(tag) for tag in value or ())
    return tuple(dict.fromkeys(tag[:100] for tag in found if tag))


def status(value: Any, progress: int) -> tuple[EntryStatus, str | None]:
    """Our word, and a note where the file has none and it follows from the progress."""
    word = str(value if value is not None else "").strip()
    if not word or word == "0":
        guess: EntryStatus = "watching" if progress else "plan_to_watch"
        return guess, f"the file states no status; taken as {guess}"
    found = entry_status(word)
    if found is None:
        raise ValueError(f"unknown status: {word[:40]!r}")
    return found, None


def subject(
    media_type: MediaType,
    title: str | None,
    *,
    mal_id: int | None = None,
    anilist_id: int | None = None,
    total: int | None = None,
    image_url: str | None = None,
) -> Subject:
    """Raises ``ValueError`` for a row that names no title in any way."""
    if title is None and mal_id is None and anilist_id is None:
        raise ValueError("the row names neither a title nor an id")
    if title is None:
        service, number = ("MyAnimeList", mal_id) if mal_id is not None else ("AniList", anilist_id)
        title = f"{service} {media_type} {number}"
    return Subject(
        media_type=media_type,
        mal_id=mal_id,
        anilist_id=anilist_id,
        title=title[:500],
        total=total,
        image_url=image_url,
    )
