"""Open dumps of rated lists: CSV with one entry per row, plain, .gz or .zst."""

import csv
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import DumpUnreadable
from app.external.catalogue_dumps.blocks import Blocks
from app.schemas.domain.dumps import DumpFault
from app.schemas.domain.recommendations import RATING_STATUSES
from app.schemas.words import entry_status
from app.utils.text.cleaning import INT_MAX

_NEEDED = ("user_id", "mal_id")
_UNKNOWN = frozenset(("", "null", "none", "nan", "\\N"))


@dataclass
class RatingDump:
    """Entries by column.

    Number of the list, MyAnimeList id, score from 0 to 10 (0 if unscored), status index. The index is that in
    ``RATING_STATUSES``. ``sources`` has the origin of each list, if the file states it.
    """

    users: "array[int]" = field(default_factory=lambda: array("i"))
    mal_ids: "array[int]" = field(default_factory=lambda: array("i"))
    scores: "array[float]" = field(default_factory=lambda: array("f"))
    statuses: "array[int]" = field(default_factory=lambda: array("b"))
    sources: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    faults: int = 0


def read_ratings(path: Path, on_fault: Callable[[DumpFault], None]) -> RatingDump:
    """All valid rows; ``on_fault`` is called for each of the others. Raises ``DumpUnreadable``.

    Columns are found by the names in the first row, in any order: ``user_id``, ``mal_id``, ``score``,
    ``status``; other columns are ignored. A row without score and status is invalid.
    """
    blocks = Blocks(path)
    try:
        rows = csv.reader(_lines(blocks))
        places = _places(next(rows, []), path)
        return _collect(rows, places, on_fault)
    except csv.Error as error:
        raise DumpUnreadable(f"{path} is not CSV: {error}") from error
    finally:
        blocks.close()


def _places(names: list[str], path: Path) -> dict[str, int]:
    places = {name.strip().lower(): place for place, name in reversed(list(enumerate(names)))}
    missing = [name for name in _NEEDED if name not in places]
    if missing or not {"score", "status"} & places.keys():
        raise DumpUnreadable(f"{path} has no columns user_id, mal_id and score or status")
    return places


def _collect(
    rows: Iterator[list[str]], places: dict[str, int], on_fault: Callable[[DumpFault], None]
) -> RatingDump:
    dump, numbers = RatingDump(), dict[str, int]()
    wanted = [places.get(name, -1) for name in ("user_id", "mal_id", "score", "status", "source")]
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        try:
            user, mal_id, score, status, source = (row[at].strip() if at >= 0 else "" for at in wanted)
            entry = _mal_id(mal_id), _score(score), _status(status)
            if not user:
                raise ValueError("no user_id")
        except (IndexError, ValueError) as error:
            dump.faults += 1
            on_fault(DumpFault(line, "too few columns" if isinstance(error, IndexError) else str(error)))
            continue
        number = numbers.setdefault(user, len(numbers))
        if number == len(dump.names):
            dump.names.append(user)
            dump.sources.append(source)
        dump.users.append(number)
        dump.mal_ids.append(entry[0])
        dump.scores.append(entry[1])
        dump.statuses.append(entry[2])
    return dump


def _mal_id(word: str) -> int:
    if not word.isdecimal() or not 0 < int(word) <= INT_MAX:
        raise ValueError(f"mal_id is not an id: {word[:30]!r}")
    return int(word)


def _score(word: str) -> float:
    if word.lower() in _UNKNOWN:
        return 0.0
    try:
        score = float(word)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 10:
        raise ValueError(f"score is not from 0 to 10: {word[:30]!r}")
    return score


def _status(word: str) -> int:
    if word.lower() in _UNKNOWN:
        return 0
    status = entry_status(word)
    if status is None:
        raise ValueError(f"unknown status {word[:30]!r}")
    return RATING_STATUSES.index(status)


def _lines(blocks: Blocks) -> Iterator[str]:
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from (line.decode("utf-8-sig", "replace") for line in lines)
    if rest:
        yield rest.decode("utf-8-sig", "replace")
