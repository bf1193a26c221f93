"""Plan a dump import: which stored title each row refers to, and what the row may change."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date

import structlog

from app.schemas.domain.anime import UpstreamAnime, UpstreamTag
from app.schemas.domain.dumps import DumpFault, DumpTitle, PlannedTitle, StoredTitle
from app.utils.id_set import IdSet

_log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Slot:
    """A title while a chunk is planned: its ids, its stored values, and the values from rows.

    Rows in ``lead`` overwrite stored values, those in ``rest`` only fill gaps. Names are tracked separately,
    since a dump may remove names, but only those that came from a dump of its kind.
    """

    stored: StoredTitle | None
    mal_id: int | None
    anilist_id: int | None
    dated: date
    named: date
    synced: bool
    lead: UpstreamAnime | None = None
    rest: UpstreamAnime | None = None
    names_lead: UpstreamAnime | None = None
    names_rest: UpstreamAnime | None = None
    counted: bool = False
    line: int = 0

    @classmethod
    def of(cls, stored: StoredTitle) -> "Slot":
        dated, named = stored.dated or date.min, stored.named or date.min
        return cls(stored, stored.mal_id, stored.anilist_id, dated, named, stored.synced)

    def take(self, row: DumpTitle, dated: date, *, overwrite: bool, rename: bool) -> None:
        """Add a row of a dump of that date; the flags say whether it overwrites stored values and names."""
        self.line = self.line or row.line
        if overwrite:
            self.lead = _fill_gaps(row.anime, self.lead)
            self.dated = dated
        else:
            self.rest = _fill_below(self.rest, row.anime)
        if rename:
            self.names_lead = _fill_gaps(row.anime, self.names_lead)
            self.named = dated
        else:
            self.names_rest = _fill_below(self.names_rest, row.anime)

    def inherit(self, other: "Slot") -> None:
        """Add the rows of another title that turned out to be the same."""
        for anime in (other.lead, other.rest):
            self.rest = _fill_below(self.rest, anime)
        for anime in (other.names_lead, other.names_rest):
            self.names_rest = _fill_below(self.names_rest, anime)

    def planned(self, anime: UpstreamAnime, *, overwrite: bool) -> PlannedTitle:
        target = self.stored.id if self.stored else None
        return PlannedTitle(anime, self.mal_id, self.anilist_id, target, overwrite)


@dataclass(frozen=True)
class Plan:
    """The effect of one chunk on the catalogue.

    ``repeats`` are rows about a title that an earlier row is about.
    """

    slots: list[Slot]
    absorbed: list[tuple[StoredTitle, StoredTitle]]
    repeats: list[DumpFault]

    @property
    def absorptions(self) -> list[tuple[int, int]]:
        """Pairs of stored titles to merge: the id that is kept, the id that is deleted."""
        return [(heir.id, old.id) for heir, old in self.absorbed]

    def keep_apart(self, refused: Collection[int]) -> None:
        """Leave the AniList ids of titles that cannot be absorbed where they are."""
        apart = [pair for pair in self.absorbed if pair[1].id in refused]
        for slot in self.slots:
            if slot.stored and any(slot.stored in pair for pair in apart):
                slot.anilist_id = slot.stored.anilist_id
        self.absorbed[:] = [pair for pair in self.absorbed if pair not in apart]

    @property
    def released(self) -> list[int]:
        """Stored titles that give up their AniList id."""
        stored = [(slot.stored, slot.anilist_id) for slot in self.slots if slot.stored]
        return [title.id for title, now in stored if title.anilist_id not in (None, now)]

    @property
    def added(self) -> list[PlannedTitle]:
        fresh = [(slot, slot.lead or slot.rest) for slot in self.slots if slot.stored is None]
        return [slot.planned(_fill_gaps(lead, slot.rest), overwrite=True) for slot, lead in fresh if lead]

    @property
    def overwriting(self) -> list[PlannedTitle]:
        return [slot.planned(slot.lead, overwrite=True) for slot in self.slots if slot.lead and slot.stored]

    @property
    def completing(self) -> list[PlannedTitle]:
        """Rows that only fill gaps; to be written after the overwriting ones."""
        known = [(slot, slot.rest) for slot in self.slots if slot.stored]
        return [
            slot.planned(_without_overridden(slot.lead, rest), overwrite=False)
            for slot, rest in known
            if rest
        ]

    @property
    def renaming(self) -> dict[int, UpstreamAnime]:
        """Names that replace those of the same kind of dump, by our id."""
        return {slot.stored.id: slot.names_lead for slot in self.slots if slot.stored and slot.names_lead}

    @property
    def naming(self) -> dict[int, UpstreamAnime]:
        """Names that only fill gaps in those of the same kind of dump; applied after ``renaming``."""
        return {slot.stored.id: slot.names_rest for slot in self.slots if slot.stored and slot.names_rest}


class Planner:
    """Plans a whole dump, chunk by chunk, with the same result as row by row.

    Among dumps the newest wins; one of the same date, or undated like the stored one, wins too, so that a
    corrected file can be imported again. Values from an upstream sync are never overwritten, only completed.
    Rows that repeat an earlier one of the file, and rows without a MyAnimeList id about a title that has one,
    only complete too; the ids of repeated rows are ignored. Thus importing a file twice changes nothing.
    """

    def __init__(self, dated: date | None) -> None:
        self._dated = dated or date.min
        self._seen_mal = IdSet()
        self._seen_anilist = IdSet()
        self._by_mal: dict[int | None, Slot] = {}
        self._by_anilist: dict[int | None, Slot] = {}
        self._absorbed: list[tuple[StoredTitle, StoredTitle]] = []
        self._gone: set[Slot] = set()
        self._repeats: list[DumpFault] = []

    def plan(self, rows: Sequence[DumpTitle], stored: Iterable[StoredTitle]) -> Plan:
        slots = {Slot.of(title): None for title in stored}
        self._by_mal = {slot.mal_id: slot for slot in slots if slot.mal_id is not None}
        self._by_anilist = {slot.anilist_id: slot for slot in slots if slot.anilist_id is not None}
        self._absorbed, self._gone, self._repeats = [], set(), []
        for row in rows:
            slots[self._assign(row)] = None
        return Plan([slot for slot in slots if slot not in self._gone], self._absorbed, self._repeats)

    def _assign(self, row: DumpTitle) -> Slot:
        anime = row.anime
        holder = self._by_anilist.get(anime.anilist_id)
        slot = self._by_mal.get(anime.mal_id)
        if slot is None and holder is not None and None in (anime.mal_id, holder.mal_id):
            slot = holder
        if slot is None:
            slot = Slot(None, None, None, self._dated, self._dated, synced=False)
        repeated = self._is_repeated(anime)
        if repeated or slot.counted:
            self._note_repeat(row.line, slot.line)
        slot.counted = slot.counted or not repeated
        overwrite = not (repeated or slot.synced) and self._wins(slot.dated, slot, anime)
        rename = not repeated and self._wins(slot.named, slot, anime)
        slot.take(row, self._dated, overwrite=overwrite, rename=rename)
        if slot.mal_id is None and anime.mal_id is not None:
            slot.mal_id = anime.mal_id
            self._by_mal[anime.mal_id] = slot
        if not repeated and anime.anilist_id not in (None, slot.anilist_id):
            self._claim(slot, row, holder, overwrite=overwrite)
        self._note_seen(slot, anime)
        return slot

    def _note_repeat(self, line: int, first: int) -> None:
        which = f"line {first}" if first not in (0, line) else "an earlier line"
        self._repeats.append(DumpFault(line, f"the same title as {which}", "skipped"))

    def _is_repeated(self, anime: UpstreamAnime) -> bool:
        if anime.mal_id is not None:
            return anime.mal_id in self._seen_mal
        return anime.anilist_id in self._seen_anilist

    def _note_seen(self, slot: Slot, anime: UpstreamAnime) -> None:
        if anime.mal_id is not None:
            self._seen_mal.add(anime.mal_id)
        if anime.anilist_id is not None and anime.anilist_id == slot.anilist_id:
            self._seen_anilist.add(anime.anilist_id)

    def _wins(self, before: date, slot: Slot, anime: UpstreamAnime) -> bool:
        """Whether a row overwrites values of a dump of that date."""
        if self._dated == before:
            return anime.mal_id is not None or slot.mal_id is None
        return self._dated > before

    def _claim(self, slot: Slot, row: DumpTitle, holder: Slot | None, *, overwrite: bool) -> None:
        """Give the title the row's AniList id, unless the id's owner or its current id has precedence."""
        has_to_stay = slot.anilist_id is not None and (not overwrite or slot.anilist_id in self._seen_anilist)
        if has_to_stay or (holder is not None and not self._gives_way(holder)):
            _log.debug("dump_id_taken", line=row.line, mal_id=slot.mal_id, anilist_id=row.anime.anilist_id)
            return
        if holder is not None and holder.mal_id is None:
            self._absorb(slot, holder)
        elif holder is not None:
            holder.anilist_id = None
        self._by_anilist.pop(slot.anilist_id, None)
        slot.anilist_id = row.anime.anilist_id
        self._by_anilist[slot.anilist_id] = slot

    def _gives_way(self, holder: Slot) -> bool:
        """Whether a title may lose its AniList id: not if it came from this file, a newer dump or a sync."""
        if holder.mal_id is None:
            return True
        return (
            not holder.synced and self._dated >= holder.dated and holder.anilist_id not in self._seen_anilist
        )

    def _absorb(self, heir: Slot, old: Slot) -> None:
        """Merge two titles; the one with a MyAnimeList id is kept."""
        if old.counted:
            old.counted = False
            self._note_repeat(old.line, heir.line)
        old.anilist_id = None
        if heir.stored is not None and old.stored is not None:
            self._absorbed.append((heir.stored, old.stored))
            return
        self._gone.add(old)
        heir.inherit(old)


_FILLABLE = [
    field.name
    for field in fields(UpstreamAnime)
    if field.name not in {"title", "mal_id", "anilist_id", "tags", "relations"}
]


def _without_overridden(first: UpstreamAnime | None, second: UpstreamAnime) -> UpstreamAnime:
    """``second`` without tags and studios that ``first`` overrides, so that they are not created in vain."""
    if first is None:
        return second
    return replace(second, tags=_other_tags(first, second), studios=() if first.studios else second.studios)


def _fill_below(first: UpstreamAnime | None, second: UpstreamAnime | None) -> UpstreamAnime | None:
    return second if first is None else _fill_gaps(first, second)


def _fill_gaps(first: UpstreamAnime, second: UpstreamAnime | None) -> UpstreamAnime:
    """``first`` with gaps filled from ``second``; also its score if only ``second`` has a number of votes."""
    if second is None:
        return first
    gaps = [name for name in _FILLABLE if getattr(first, name) in (None, ())]
    if first.scored_by is None and second.scored_by is not None and second.score is not None:
        gaps.append("score")
    tags = (*first.tags, *_other_tags(first, second))
    return replace(first, tags=tags, **{name: getattr(second, name) for name in gaps})


def _other_tags(first: UpstreamAnime, second: UpstreamAnime) -> tuple[UpstreamTag, ...]:
    """The tags of ``second`` of the kinds that ``first`` has none of."""
    kinds = {tag.kind for tag in first.tags}
    return tuple(tag for tag in second.tags if tag.kind not in kinds)
