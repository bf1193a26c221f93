"""Input and output of the training process: arrays in NumPy's format, without pickled code."""

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from app.external.rating_dumps import RatingDump
from app.repositories.recommendations import TitleFacts
from app.schemas.domain.recommendations import RATING_STATUSES
from app.schemas.domain.relations import RelationType
from app.services.recommendations.fitted import ADULT, HIDDEN, Array, Groups
from app.services.recommendations.training import Catalogue, Lists

Edges = Sequence[tuple[int, int, RelationType]]

# Relations that make a franchise; "character" and adaptations would join nearly everything. Dumps say "other"
# for most specials and films, but also for crossovers.
_TIES = frozenset(
    ("sequel", "prequel", "side_story", "parent_story", "summary", "full_story", "alternative_version")
)
_LOOSE_TIES = frozenset(("spin_off", "alternative_setting", "other"))
_LARGEST_LOOSE = 60  # maximum number of titles of a franchise that loose ties may connect
_BEFORE = frozenset(("prequel", "parent_story", "full_story"))
_AFTER = frozenset(("sequel", "side_story", "summary"))


def pack(arrays: Mapping[str, Array], *, compressed: bool = False) -> bytes:
    spool = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(spool, allow_pickle=False, **arrays)
    return spool.getvalue()


def unpack(content: bytes) -> dict[str, Array]:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def build_catalogue(titles: Sequence[TitleFacts], edges: Edges) -> Catalogue:
    """The facts used in training; franchises are connected components of the relations."""
    ids = np.array([title.id for title in titles], np.int32)
    place = {title.id: number for number, title in enumerate(titles)}
    pairs = [(place[a], place[b], kind) for a, b, kind in edges if a in place and b in place and a != b]
    flags = [ADULT * title.is_adult | HIDDEN * title.is_hidden for title in titles]
    return Catalogue(
        titles=ids,
        franchises=_franchises(len(titles), pairs),
        flags=np.array(flags, np.uint8),
        members=np.array([title.members for title in titles], np.int64),
        tags=_groups([title.tag_ids for title in titles]),
        studios=_groups([title.studio_ids for title in titles]),
        preceding=_preceding(titles, pairs),
    )


def _groups(members: Sequence[Sequence[int]]) -> Groups:
    ends = np.concatenate([[0], np.cumsum([len(some) for some in members])]).astype(np.int32)
    return Groups(ends, np.array([member for some in members for member in some], np.int32))


def _franchises(size: int, pairs: Iterable[tuple[int, int, RelationType]]) -> Array:
    """The franchise number of each title. Loose ties count only in franchises that stay small with them."""
    pairs = list(pairs)
    close, wide = _Components(size), _Components(size)
    for a, b, kind in pairs:
        if kind in _TIES:
            close.join(a, b)
        if kind in _TIES or kind in _LOOSE_TIES:
            wide.join(a, b)
    sizes = Counter(wide.root(title) for title in range(size))
    roots = [
        wide.root(title) if sizes[wide.root(title)] <= _LARGEST_LOOSE else size + close.root(title)
        for title in range(size)
    ]
    return np.unique(roots, return_inverse=True)[1].astype(np.int32)


class _Components:
    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def root(self, title: int) -> int:
        while (parent := self._parents[title]) != title:
            self._parents[title] = title = self._parents[parent]
        return title

    def join(self, a: int, b: int) -> None:
        one, other = self.root(a), self.root(b)
        self._parents[max(one, other)] = min(one, other)


def _preceding(titles: Sequence[TitleFacts], pairs: Iterable[tuple[int, int, RelationType]]) -> Array:
    """Pairs of a title and one to be completed before it; prequels that were released later do not count."""
    found = set()
    for a, b, kind in pairs:
        later, earlier = (a, b) if kind in _BEFORE else (b, a)
        if kind in _BEFORE | _AFTER and _came_before(titles[earlier], titles[later]):
            found.add((later, earlier))
    return np.array(sorted(found), np.int32).reshape(-1, 2)


def _came_before(earlier: TitleFacts, later: TitleFacts) -> bool:
    if earlier.is_hidden:
        return False
    if earlier.aired_from is None or later.aired_from is None:
        return later.aired_from is None
    return (earlier.aired_from, earlier.id) < (later.aired_from, later.id)


def rating_arrays(dump: RatingDump) -> dict[str, Array]:
    """A dump as arrays."""
    return {
        "users": np.frombuffer(dump.users, np.int32),
        "mal_ids": np.frombuffer(dump.mal_ids, np.int32),
        "scores": np.frombuffer(dump.scores, np.float32),
        "statuses": np.frombuffer(dump.statuses, np.int8),
    }


def lists_from_ratings(ratings: Mapping[str, Array], titles: Sequence[TitleFacts]) -> Lists:
    """The entries of titles in the catalogue; of several for one title on a list the last one counts."""
    known = [(title.mal_id, number) for number, title in enumerate(titles) if title.mal_id is not None]
    mal_ids, numbers = np.array(sorted(known), np.int64).reshape(-1, 2).T
    if not len(mal_ids):
        return _no_lists()
    places = np.minimum(np.searchsorted(mal_ids, ratings["mal_ids"]), len(mal_ids) - 1)
    found = np.flatnonzero(mal_ids[places] == ratings["mal_ids"])
    users, own = ratings["users"][found], numbers[places[found]]
    kept = found[_last_entries(users, own, len(titles))]
    return Lists(
        ratings["users"][kept], numbers[places[kept]], ratings["scores"][kept], ratings["statuses"][kept]
    )


def _last_entries(users: Array, titles: Array, size: int) -> Array:
    """The positions of the last entry of each title on each list, ordered by list."""
    keys = users.astype(np.int64) * size + titles
    _, places = np.unique(keys[::-1], return_index=True)
    return len(keys) - 1 - places


def lists_from_rows(rows: Sequence[tuple[int, list[int], list[int], list[str]]], titles: Array) -> Lists:
    """Lists from rows of user id, title ids, scores of 0 to 100 and statuses."""
    if not rows:
        return _no_lists()
    users = np.repeat(np.arange(len(rows)), [len(ids) for _, ids, _, _ in rows])
    ids, scores = (np.concatenate([np.array(row[at], np.int64) for row in rows]) for at in (1, 2))
    statuses = np.array([_NUMBERS[status] for row in rows for status in row[3]], np.int8)
    places = np.minimum(np.searchsorted(titles, ids), max(len(titles) - 1, 0))
    kept = np.flatnonzero(titles[places] == ids)  # a title may be newer than ``titles``
    return Lists(users[kept], places[kept], scores[kept] / 10, statuses[kept])


def _no_lists() -> Lists:
    return Lists(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.int8))


def concatenate(lists: Sequence[Lists]) -> Lists:
    """Concatenate lists, with consecutive list numbers."""
    users, start = [], 0
    for some in lists:
        users.append(some.users + start)
        start += some.count
    return Lists(
        np.concatenate(users),
        *(
            np.concatenate([getattr(some, name) for some in lists])
            for name in ("titles", "scores", "statuses")
        ),
    )


_NUMBERS = {status: number for number, status in enumerate(RATING_STATUSES)}
