"""Match a release to an anime of the catalogue by names and year, with a confidence."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from app.utils.text.search_words import search_words

THRESHOLD = 0.9  # minimum confidence of a link, 0 to 1

_MARGIN = 0.04  # minimum lead of the best candidate over the second
_EXACT = 0.99  # confidence for one identical name; several make it certain
_OTHER_YEAR, _NO_YEAR, _OTHER_TYPE = 0.04, 0.12, 0.06  # subtracted from the confidence
_SHORT = 5  # letters; names up to this length must be identical
_LIKELY = 70  # minimum similarity of a candidate's name, 0 to 100

_ROMAN = {"ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8}
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6,
    "первый": 1, "второй": 2, "третий": 3, "четвёртый": 4, "четвертый": 4, "первая": 1, "вторая": 2,
    "третья": 3,
}  # fmt: skip
_NUMBER = re.compile(r"(\d+)(?:st|nd|rd|th|й|я|ой)?")
# Words that only introduce the number of a part, and words that distinguish parts of a series.
_FILLERS = frozenset(["season", "part", "cour", "the", "tv", "сезон", "часть", "тв"])
_PARTS = {
    "movie": "movie", "film": "movie", "gekijouban": "movie", "фильм": "movie", "final": "final",
    "финал": "final", "ova": "ova", "oad": "ova", "special": "special", "specials": "special",
    "спешл": "special", "спецвыпуск": "special", "recap": "recap", "mini": "mini", "picture": "picture",
    "zoku": "zoku", "kan": "final", "saishuu": "final", "prologue": "prologue", "пролог": "prologue",
}  # fmt: skip
_NEVER_RELEASED = frozenset({"PV", "CM", "Music"})
_KINDS = {"Movie": "movie", "TV": "series", "ONA": "series", "WEB": "series", "OVA": "extra", "OAD": "extra",
          "Special": "extra", "TV Special": "extra"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """What identifies a release or an anime: its names, year, type and length."""

    id: int
    names: tuple[str, ...]
    year: int | None
    type: str | None = None
    episodes: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    anime_id: int
    confidence: float


@dataclass(frozen=True, slots=True)
class _Name:
    """A normalised name: its words, and the marks that distinguish parts of a series."""

    words: str
    marks: tuple[str, ...]


class LinkIndex:
    """The anime that releases of certain years may be; built once for many releases."""

    def __init__(self, candidates: Iterable[Named]) -> None:
        self._anime: dict[int, Named] = {}
        self._names: list[_Name] = []
        self._owners: list[int] = []
        for anime in candidates:
            if anime.type in _NEVER_RELEASED:
                continue
            self._anime[anime.id] = anime
            for name in _names_of(anime.names):
                self._names.append(name)
                self._owners.append(anime.id)
        self._words = [name.words for name in self._names]

    def find(self, release: Named) -> Link | None:
        """The matching anime; None if there is none, or if the match is ambiguous."""
        scores: dict[int, list[float]] = {}
        for name in _names_of(release.names):
            best: dict[int, float] = {}
            found = process.extract(
                name.words, self._words, scorer=fuzz.ratio, score_cutoff=_LIKELY, limit=40
            )
            for words, score, position in found:
                owner = self._owners[position]
                if self._names[position].marks != name.marks:
                    continue
                if words != name.words and min(len(words), len(name.words)) <= _SHORT:
                    continue
                best[owner] = max(best.get(owner, 0.0), score / 100)
            for owner, score in best.items():
                scores.setdefault(owner, []).append(score)
        ranked = sorted(
            ((self._confidence(release, owner, found), owner) for owner, found in scores.items()),
            reverse=True,
        )
        if not ranked or ranked[0][0] < THRESHOLD:
            return None
        if len(ranked) > 1 and ranked[0][0] - ranked[1][0] < _MARGIN:
            return None
        return Link(ranked[0][1], round(ranked[0][0], 3))

    def _confidence(self, release: Named, owner: int, scores: Sequence[float]) -> float:
        anime = self._anime[owner]
        exact = sum(1 for score in scores if score == 1.0)
        confidence = 1.0 if exact > 1 else _EXACT * max(scores)
        if release.year is None or anime.year is None:
            confidence -= _NO_YEAR
        elif release.year != anime.year:
            if abs(release.year - anime.year) > 1:
                return 0.0
            confidence -= _OTHER_YEAR
        if _differ(_KINDS.get(release.type or ""), _KINDS.get(anime.type or "")):
            confidence -= _OTHER_TYPE
        if _differ(release.episodes, anime.episodes) and exact < 2:
            confidence -= 0.02
        return confidence


def _differ(one: object, other: object) -> bool:
    return one is not None and other is not None and one != other


def _names_of(names: Iterable[str]) -> list[_Name]:
    """The normalised names without duplicates; a name with commas is also split at them."""
    split = [part for name in names for part in (name, *(name.split(",") if "," in name else ()))]
    found = (_name(part) for part in split)
    return list(dict.fromkeys(name for name in found if name.words))


def _name(text: str) -> _Name:
    words, marks = list[str](), list[str]()
    for word in search_words(text.casefold().replace("ё", "е")):
        number = _number(word)
        if number is not None:
            if number != 1:
                marks.append(str(number))
        elif word in _PARTS:
            marks.append(_PARTS[word])
        elif word not in _FILLERS:
            words.append(word)
    return _Name(" ".join(words), tuple(sorted(marks)))


def _number(word: str) -> int | None:
    if match := _NUMBER.fullmatch(word):
        return int(match[1][:6])
    return _ROMAN.get(word) or _ORDINALS.get(word)
