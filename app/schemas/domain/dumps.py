"""Rows of a dump file, and their plan of storage."""

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
    """A row that is not stored: ``failed`` is invalid, ``skipped`` is valid but not usable."""

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
    """The state of a stored title that decides how a dump may change it.

    ``dated`` is the date of its last data, ``named`` that of its names from dumps of this format.
    """

    id: int
    mal_id: int | None
    anilist_id: int | None
    dated: date | None
    synced: bool
    named: date | None = None


class PlannedTitle(NamedTuple):
    """One row to write. Without a ``target`` it is new.

    With ``overwrite`` it replaces values, otherwise it fills gaps. The ids are those of the row afterwards,
    regardless of ``anime``.
    """

    anime: UpstreamAnime
    mal_id: int | None
    anilist_id: int | None
    target: int | None = None
    overwrite: bool = False
