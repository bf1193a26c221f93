"""Conditions on ``anime a``, with their values as numbered arguments."""

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
_FIRST_IDEOGRAPH = "\u2e80"  # kana and Hangul, too, come after it
SAFE = "a.is_adult is not true and (a.rating is null or a.rating !~* '^rx')"


class Arguments(list[Any]):
    """Values for one statement, in the order of their numbers."""

    def place(self, value: Any, kind: str) -> str:
        """The placeholder of one more value of the SQL type ``kind``."""
        self.append(value)
        return f"${len(self)}::{kind}"


def conditions(wanted: CatalogueFilter, genres: GenreIndex, arguments: Arguments) -> Iterator[str]:
    """What ``wanted`` asks for, but for its search."""
    several: tuple[tuple[str, tuple[Any, ...], str], ...] = (
        ("a.status", wanted.statuses, "text"),
        ("a.season", wanted.seasons, "text"),
        ("a.type", wanted.types, "text"),
        ("a.id", wanted.ids, "int"),
    )
    for column, values, kind in several:
        if len(values) == 1:
            yield f"{column} = {arguments.place(values[0], kind)}"
        elif values:
            yield f"{column} = any({arguments.place(list(values), f'{kind}[]')})"
    plain = (
        ("a.year =", wanted.year, "int"),
        ("a.year >=", wanted.year_from, "int"),
        ("a.year <=", wanted.year_to, "int"),
        ("a.score >=", wanted.min_score, "double precision"),
    )
    for condition, value, kind in plain:
        if value is not None:
            yield f"{condition} {arguments.place(value, kind)}"
    if wanted.sfw:
        yield SAFE
    yield from _genre_conditions(wanted, genres, arguments)


def _genre_conditions(wanted: CatalogueFilter, genres: GenreIndex, arguments: Arguments) -> Iterator[str]:
    sets = [genres.ids(genre) for genre in wanted.genres]
    if single := sorted({ids[0] for ids in sets if len(ids) == 1}):
        yield f"a.tag_ids @> {arguments.place(single, 'int[]')}"
    for ids in sets:
        if len(ids) != 1:  # a name of several kinds, or of none: then nothing overlaps
            yield f"a.tag_ids && {arguments.place(ids, 'int[]')}"
    if excluded := sorted({id_ for genre in wanted.genres_excluded for id_ in genres.ids(genre)}):
        yield f"not a.tag_ids && {arguments.place(excluded, 'int[]')}"


def all_words(
    search: str, arguments: Arguments, *, once: bool = False, at_start: bool = False
) -> Iterator[str]:
    """Every word occurs in a title, a synonym or several of them; without a word nothing matches.

    With ``at_start`` each has to begin a word there. So have one or two letters of an alphabet always:
    inside of words they are almost everywhere, and no index finds them.
    """
    found = units(search)
    if not found:
        yield "false"
    for words in found:
        # several follow each other, as in K-On or No.6, or are written as one
        joined = "".join(words)
        is_little = joined.isalnum() and says_little(joined)
        together = _holds(joined, arguments, once=once, at_start=at_start or is_little)
        if len(words) == 1:
            yield together
        else:
            yield f"({together} or {_holds(' '.join(words), arguments, once=once, at_start=True)})"


def _holds(text: str, arguments: Arguments, *, once: bool, at_start: bool) -> str:
    """The names hold ``text``, at the start of a word if ``at_start``."""
    like = pattern(text, arguments, once=once)
    if at_start:
        like = f"'% ' || substr({like}, 2)"
    return f"a.search_text like {like}"


def units(search: str) -> list[list[str]]:
    """The words of ``search``; those that punctuation joins stay together where one says too little alone."""
    found: list[list[str]] = []
    for token in search.split():
        words = search_words(token)
        if any(map(says_little, words)):
            found.append(words)
        else:
            found += ([word] for word in words)
    return found


def pattern(text: str, arguments: Arguments, *, once: bool = False) -> str:
    """SQL for what text that holds ``text`` is like; punctuation in it is left out, wildcards are letters.

    With ``once`` it is worked out once an execution, also by a plan that is used for any text; a plan for
    this very text then does not know how many titles are like it.
    """
    found = f"search_pattern({arguments.place(text, 'text')})"
    return f"(select {found})" if once else found


def says_little(word: str) -> bool:
    """One or two letters of an alphabet, which occur almost everywhere; two ideographs are a name."""
    return len(word) < _FEW_LETTERS and max(word) < _FIRST_IDEOGRAPH


def where(parts: list[str]) -> str:
    return " and ".join(parts) or "true"
