"""SQL conditions on ``anime a``, with their values as numbered arguments."""

from collections.abc import Iterator
from typing import Any

from app.repositories.anime.genres import GenreIndex
from app.schemas.domain.catalogue import AnimeSort, CatalogueFilter
from app.utils.text.search_words import search_words

ORDERS: dict[AnimeSort, str] = {
    "score": "a.score, a.id",
    "-score": "a.score desc nulls last, a.id",
    "title": "a.title, a.id",
    "-title": "a.title desc, a.id desc",
    "year": "a.year, a.id",
    "-year": "a.year desc nulls last, a.id desc",
    "popularity": "a.popularity, a.id",
    "-popularity": "a.popularity desc nulls last, a.id desc",
    "updated": "a.updated_at, a.id",
    "-updated": "a.updated_at desc, a.id desc",
}
_FEW_LETTERS = 3
_FIRST_IDEOGRAPH = "\u2e80"  # the first character of the CJK blocks; kana and Hangul come later
SAFE = "a.is_adult is not true and (a.rating is null or a.rating !~* '^rx')"


class Arguments(list[Any]):
    """The values of one statement, in the order of their placeholders."""

    def add(self, value: Any, kind: str) -> str:
        """Add a value of the SQL type ``kind``; returns its placeholder."""
        self.append(value)
        return f"${len(self)}::{kind}"


def conditions(filters: CatalogueFilter, genres: GenreIndex, arguments: Arguments) -> Iterator[str]:
    """The conditions of ``filters``, except for its free-text search."""
    several: tuple[tuple[str, tuple[Any, ...], str], ...] = (
        ("a.status", filters.statuses, "text"),
        ("a.season", filters.seasons, "text"),
        ("a.type", filters.types, "text"),
        ("a.id", filters.ids, "int"),
    )
    for column, values, kind in several:
        if len(values) == 1:
            yield f"{column} = {arguments.add(values[0], kind)}"
        elif values:
            yield f"{column} = any({arguments.add(list(values), f'{kind}[]')})"
    plain = (
        ("a.year =", filters.year, "int"),
        ("a.year >=", filters.year_from, "int"),
        ("a.year <=", filters.year_to, "int"),
        ("a.score >=", filters.min_score, "double precision"),
    )
    for condition, value, kind in plain:
        if value is not None:
            yield f"{condition} {arguments.add(value, kind)}"
    if filters.sfw:
        yield SAFE
    yield from _genre_conditions(filters, genres, arguments)


def _genre_conditions(filters: CatalogueFilter, genres: GenreIndex, arguments: Arguments) -> Iterator[str]:
    sets = [genres.ids(genre) for genre in filters.genres]
    if single := sorted({ids[0] for ids in sets if len(ids) == 1}):
        yield f"a.tag_ids @> {arguments.add(single, 'int[]')}"
    for ids in sets:
        if len(ids) != 1:  # the name has several kinds, or is unknown: then the empty array matches nothing
            yield f"a.tag_ids && {arguments.add(ids, 'int[]')}"
    if excluded := sorted({id_ for genre in filters.genres_excluded for id_ in genres.ids(genre)}):
        yield f"not a.tag_ids && {arguments.add(excluded, 'int[]')}"


def all_words(
    search: str, arguments: Arguments, *, once: bool = False, at_start: bool = False
) -> Iterator[str]:
    """Every word must occur in a title or synonym, not all in the same one; no words match nothing.

    With ``at_start`` it must be at the start of a word there. So must a search of one or two letters of an
    alphabet: they occur inside words of almost every title, and no index finds them there.
    """
    found = word_groups(search)
    if not found:
        yield "false"
    for words in found:
        # words next to each other (K-On, No.6) may also be written as one
        joined = "".join(words)
        is_short = len(found) == 1 and joined.isalnum() and is_short_word(joined)
        together = _holds(joined, arguments, once=once, at_start=at_start or is_short)
        if len(words) == 1:
            yield together
        else:
            yield f"({together} or {_holds(' '.join(words), arguments, once=once, at_start=True)})"


def _holds(text: str, arguments: Arguments, *, once: bool, at_start: bool) -> str:
    """SQL: the names contain ``text``, at the start of a word if ``at_start``."""
    like = pattern(text, arguments, once=once)
    if at_start:
        like = f"'% ' || substr({like}, 2)"
    return f"a.search_text like {like}"


def word_groups(search: str) -> list[list[str]]:
    """The words of ``search``, each once; a token such as ``K-On`` stays one group if a word is short."""
    found: list[list[str]] = []
    for token in dict.fromkeys(search.split()):
        words = search_words(token)
        if any(map(is_short_word, words)):
            found.append(words)
        else:
            found += ([word] for word in words)
    return found


def pattern(text: str, arguments: Arguments, *, once: bool = False) -> str:
    """SQL for the LIKE pattern of text that contains ``text``; punctuation is dropped, wildcards are escaped.

    With ``once`` it is a subquery, evaluated once per execution even by a generic plan; a custom plan then
    cannot estimate how many titles match this particular text.
    """
    found = f"search_pattern({arguments.add(text, 'text')})"
    return f"(select {found})" if once else found


def is_short_word(word: str) -> bool:
    """Whether it is one or two letters, which occur almost everywhere; two ideographs can be a whole name."""
    return len(word) < _FEW_LETTERS and max(word) < _FIRST_IDEOGRAPH


def where(parts: list[str]) -> str:
    return " and ".join(parts) or "true"
