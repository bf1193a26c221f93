"""What a dump file holds, row by row."""

from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

from app.schemas.domain.anime import UpstreamAnime
from app.schemas.domain.manga import Manga
from app.schemas.domain.relations import StoredRelation


@dataclass(frozen=True, slots=True)
class DumpTitle:
    line: int
    anime: UpstreamAnime


@dataclass(frozen=True, slots=True)
class DumpFault:
    """A row that is not stored: ``failed`` is broken, ``skipped`` is sound but of no use."""

    line: int
    reason: str
    outcome: Literal["failed", "skipped"] = "failed"


@dataclass(frozen=True, slots=True)
class DumpRelation:
    line: int
    relation: StoredRelation


@dataclass(frozen=True, slots=True)
class DumpManga:
    line: int
    manga: Manga


DumpRow = DumpTitle | DumpRelation | DumpManga | DumpFault


@dataclass(frozen=True, slots=True)
class StoredTitle:
    """What decides how a dump may touch a stored title.

    ``dated`` is the day of what was stored last, ``named`` that of the names from dumps of this format.
    """

    id: int
    mal_id: int | None
    anilist_id: int | None
    dated: date | None
    synced: bool
    named: date | None = None


class PlannedTitle(NamedTuple):
    """One row to write. Without a ``target`` it is new; ``overwrite`` lets it replace, else it fills gaps.

    The ids are those that the row has afterwards, whatever ``anime`` says.
    """

    anime: UpstreamAnime
    mal_id: int | None
    anilist_id: int | None
    target: int | None = None
    overwrite: bool = False
