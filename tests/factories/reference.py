"""A reference implementation of catalogue queries in plain Python."""

import re
import unicodedata
from functools import cache
from typing import Any

from app.utils.text.search_words import search_words
from tests.factories.catalogue import Title

Given = list[tuple[str, str]]

_KEYS = {
    "title": "title",
    "year": "year",
    "score": "score",
    "popularity": "popularity",
    "updated": "updated_at",
}


@cache
def fold(text: str) -> str:
    """Compatibility forms, no accents, lower case."""
    return re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", text)).lower()


def expected(titles: dict[int, Title], given: Given) -> list[int]:
    """The ids that a request with these parameters should return, over all pages, in order."""
    ids = [id_ for id_, title in titles.items() if all(_holds(title, name, value) for name, value in given)]
    sort = dict(given).get("sort", "-score")
    return _sorted(titles, ids, _KEYS[sort.lstrip("-")], falling=sort.startswith("-"))


def _sorted(titles: dict[int, Title], ids: list[int], key: str, *, falling: bool) -> list[int]:
    """Unknown values come last, rising and falling."""
    known = [id_ for id_ in ids if titles[id_].columns.get(key) is not None]
    unknown = [id_ for id_ in ids if titles[id_].columns.get(key) is None]
    # ties by id: ascending, or descending if the whole order is reversed
    turned = falling and key != "score"
    known.sort(reverse=turned)
    known.sort(key=lambda id_: titles[id_].columns[key], reverse=falling)
    return known + sorted(unknown, reverse=turned)


def _holds(title: Title, name: str, value: str) -> bool:
    columns = title.columns
    names = {label.lower() for _, label in title.tags}
    wanted = {word.strip().lower() for word in value.split(",")}
    checks: dict[str, Any] = {
        "genre": lambda: wanted <= names,
        "genre[]": lambda: wanted <= names,
        "genre_exclude": lambda: not wanted & names,
        "status": lambda: columns.get("status") == value,
        "season": lambda: columns.get("season") == value,
        "type": lambda: columns.get("type") == value,
        "year": lambda: columns.get("year") == int(value),
        "year_from": lambda: (columns.get("year") or 0) >= int(value),
        "year_to": lambda: (columns.get("year") or 9999) <= int(value),
        "min_score": lambda: (columns.get("score") or 0) >= float(value),
        "search": lambda: _has_words(title, value),
        "q": lambda: _has_words(title, value),
        "sfw": lambda: value == "false" or not _is_adult(title),
        "sort": lambda: True,
    }
    return bool(checks[name]())


def _has_words(title: Title, search: str) -> bool:
    names = [fold(name) for name in title.names()]
    text = "\n".join(form for name in names for form in (_broken(name), _joined(name)))
    words = [word for word in map(_joined, fold(search).split()) if word]
    return bool(words) and all(word in text for word in words)


def _broken(name: str) -> str:
    """Punctuation separates words: ``re:zero`` is two."""
    return " ".join(search_words(name))


def _joined(name: str) -> str:
    """Punctuation joins words: ``re:zero`` is one."""
    return " ".join("".join(search_words(token)) for token in name.split())


def _is_adult(title: Title) -> bool:
    return bool(title.columns.get("is_adult")) or (title.columns.get("rating") or "").lower().startswith("rx")
