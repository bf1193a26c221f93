"""What a dump file holds, row by row."""

from dataclasses import dataclass
from typing import Literal

from app.schemas.domain.anime import UpstreamAnime


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


DumpRow = DumpTitle | DumpFault
