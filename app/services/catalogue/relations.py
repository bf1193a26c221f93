"""Relations between titles, from the records of all sources: made symmetric and consistent."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from app.errors import NotFound
from app.repositories.relations import RelationReads
from app.schemas.domain.relations import (
    INVERSES,
    RELATION_TYPES,
    RelatedTitle,
    Relation,
    RelationType,
    StoredRelation,
)
from app.utils.db.database import Database

_LATER: frozenset[RelationType] = frozenset({"sequel", "side_story", "summary"})
_EARLIER = frozenset(INVERSES[type_] for type_ in _LATER)

_Stated = Mapping[RelationType, list[str]]


class RelationService:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, anime_id: int) -> list[Relation]:
        """All titles related to a title: sequels first, then by date of release."""
        async with self._db.driver() as driver:
            reads = RelationReads(driver)
            asked = await reads.find_title(anime_id)
            if asked is None:
                raise NotFound(f"There is no anime {anime_id}.")
            mal_id = asked.card.mal_id
            if mal_id is None:
                return []
            records = await reads.list_around(mal_id)
            others = {record.to_id for record in records if record.media_type == "anime"}
            titles = await reads.titles(others | {record.from_id for record in records})
        return _shown(mal_id, records, titles)


@dataclass(frozen=True, slots=True)
class Edge:
    """The title ``to_id`` is the ``type`` of ``from_id``; see :class:`Relation` for the other fields."""

    from_id: int
    to_id: int
    type: RelationType
    sources: tuple[str, ...]
    inferred: bool = False
    disputed: bool = False


@lru_cache(maxsize=10_000)
def released(mal_id: int, aired_from: str | None) -> tuple[str, int]:
    """Sort key by first day of release: unknown parts of a date last, unknown dates after all others."""
    year, month, day = (*(aired_from or "").split("-"), "", "")[:3]
    return f"{year or '9999'}-{month or '99'}-{day or '99'}", mal_id


def settle(records: Iterable[StoredRelation], dates: Mapping[int, str | None]) -> list[Edge]:
    """The relations of anime in both directions, by MyAnimeList id; ``dates`` are the first days of release.

    A relation recorded on one side only is completed on the other. If the two sides contradict each other,
    the direction that agrees with the dates is kept.
    """
    stated: dict[tuple[int, int], dict[RelationType, list[str]]] = defaultdict(dict)
    for record in records:
        if record.media_type == "anime" and record.from_id != record.to_id:
            sources = stated[record.from_id, record.to_id].setdefault(record.type, [])
            sources.append(record.source)
    pairs = sorted({(min(pair), max(pair)) for pair in stated})
    edges: list[Edge] = []
    for one, two in pairs:
        there, back = stated.get((one, two), {}), stated.get((two, one), {})
        is_later = released(two, dates.get(two)) > released(one, dates.get(one))
        edges += _side(one, two, there, back, is_later=is_later)
        edges += _side(two, one, back, there, is_later=not is_later)
    return edges


def _side(one: int, two: int, own: _Stated, other: _Stated, *, is_later: bool) -> list[Edge]:
    """The relations from ``one`` to ``two``.

    ``own`` are its records, ``is_later`` whether ``two`` was released later.
    """
    mirrored: dict[RelationType, list[str]] = defaultdict(list)
    for type_, sources in other.items():
        if type_ in INVERSES:
            mirrored[INVERSES[type_]] += sources
    disputed = _contradict(own, mirrored)
    kept = own or mirrored
    if disputed:
        right, wrong = (_LATER, _EARLIER) if is_later else (_EARLIER, _LATER)
        kept = own if right & own.keys() else {**own, **mirrored}
        kept = {type_: sources for type_, sources in kept.items() if type_ not in wrong}
    return [
        Edge(
            one, two, type_, tuple(sorted(set(own.get(type_) or mirrored[type_]))), type_ not in own, disputed
        )
        for type_ in sorted(kept, key=RELATION_TYPES.index)
    ]


def _contradict(own: _Stated, mirrored: _Stated) -> bool:
    """Whether the records disagree on which of the two titles is the later one."""
    every = own.keys() | mirrored.keys()
    if any(type_ in every and INVERSES[type_] in every for type_ in _LATER):
        return True
    ours, theirs = (
        {(type_ in _LATER) for type_ in types if type_ in _LATER | _EARLIER} for types in (own, mirrored)
    )
    return bool(ours and theirs and not ours & theirs)


def _shown(mal_id: int, records: list[StoredRelation], titles: Mapping[int, RelatedTitle]) -> list[Relation]:
    names = {(r.media_type, r.to_id): r.title for r in records if r.title is not None}
    dates = {id_: title.aired_from for id_, title in titles.items()}
    found = [
        _relation(edge.type, edge.to_id, edge, titles.get(edge.to_id), names.get(("anime", edge.to_id)))
        for edge in settle(records, dates)
        if edge.from_id == mal_id
    ]
    manga: dict[tuple[RelationType, int], set[str]] = defaultdict(set)
    for record in records:
        if record.media_type == "manga":
            manga[record.type, record.to_id].add(record.source)
    found += [
        Relation(type_, "manga", id_, tuple(sorted(sources)), False, False, names.get(("manga", id_)), None)
        for (type_, id_), sources in manga.items()
    ]
    return sorted(
        found,
        key=lambda r: (RELATION_TYPES.index(r.type), r.media_type, *released(r.mal_id, dates.get(r.mal_id))),
    )


def _relation(
    type_: RelationType, mal_id: int, edge: Edge, title: RelatedTitle | None, name: str | None
) -> Relation:
    card = None if title is None else title.card
    return Relation(
        type_,
        "anime",
        mal_id,
        edge.sources,
        edge.inferred,
        edge.disputed,
        name if card is None else card.title,
        card,
    )
