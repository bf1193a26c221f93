"""MyAnimeList's XML export, and the dialects of it that Kitsu and Shikimori give out."""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from app.external.lists import values
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import BadRow, ListedRow, ListFile

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_DECLARED = re.compile(r"^\s*<\?xml[^>]*\?>")

# Tags that are fields of ours, by what they say; all others are carried along and given back.
MODELLED: dict[MediaType, dict[str, str]] = {
    "anime": {
        "id": "series_animedb_id",
        "progress": "my_watched_episodes",
        "started_at": "my_start_date",
        "finished_at": "my_finish_date",
        "score": "my_score",
        "status": "my_status",
        "notes": "my_comments",
        "rewatch_count": "my_times_watched",
        "tags": "my_tags",
        "is_rewatching": "my_rewatching",
    },
    "manga": {
        "id": "manga_mangadb_id",
        "progress": "my_read_chapters",
        "volumes": "my_read_volumes",
        "started_at": "my_start_date",
        "finished_at": "my_finish_date",
        "score": "my_score",
        "status": "my_status",
        "notes": "my_comments",
        "rewatch_count": "my_times_read",
        "tags": "my_tags",
        "is_rewatching": "my_rereading",
    },
}
_MODELLED_TAGS = {kind: frozenset(tags.values()) for kind, tags in MODELLED.items()}
TITLE: dict[MediaType, str] = {"anime": "series_title", "manga": "manga_title"}
TOTAL: dict[MediaType, str] = {"anime": "series_episodes", "manga": "manga_chapters"}
_PIECE = 1 << 16  # bytes
_YES = frozenset(("1", "yes", "true"))
_ALWAYS = frozenset(("status", "progress", "carried"))


def read(content: bytes) -> ListFile:
    """Raises ``ValueError`` with the place where the file stops being XML."""
    found = ListFile("mal")
    for line, (kind, row) in enumerate(_rows(_decoded(content)), 1):
        try:
            found.rows.append(_row(line, kind, row))
        except ValueError as error:
            found.bad.append(BadRow(line, values.text(row.get(TITLE[kind])), str(error)))
    return found


def _decoded(content: bytes) -> bytes:
    """UTF-8 without what XML forbids. Old exports hold stray bytes; each stands for itself."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pieces = content.decode("utf-8-sig", "surrogateescape")
        text = "".join(
            chr(ord(letter) - 0xDC00) if "\udc80" <= letter <= "\udcff" else letter for letter in pieces
        )
    return _CONTROL.sub("", _DECLARED.sub("", text, count=1)).encode()


def _rows(content: bytes) -> Iterator[tuple[MediaType, dict[str, str]]]:
    try:
        _refuse_entities(content)
        parser: XMLPullParser[Element] = XMLPullParser(("end",))
        for start in range(0, len(content), _PIECE):
            parser.feed(content[start : start + _PIECE])
            yield from _read(parser)
        parser.close()
        yield from _read(parser)
    except ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    except DefusedXmlException as error:
        raise ValueError("XML with entities or a document type is not accepted") from error


def _refuse_entities(content: bytes) -> None:
    """Entities are declared before the first element or nowhere; behind it the fast parser is as safe."""
    next(iter(iterparse(BytesIO(content), events=("start",), forbid_dtd=True)), None)


def _read(parser: "XMLPullParser[Element]") -> Iterator[tuple[MediaType, dict[str, str]]]:
    for event in parser.read_events():
        element = event[-1]
        if not isinstance(element, Element) or element.tag not in TITLE:
            continue
        kind: MediaType = "anime" if element.tag == "anime" else "manga"
        yield kind, {child.tag: child.text or "" for child in element}
        element.clear()


def _row(line: int, kind: MediaType, row: dict[str, str]) -> ListedRow:
    tags, modelled = MODELLED[kind], _MODELLED_TAGS[kind]
    progress = values.whole(row.get(tags["progress"]), "progress")
    status, note = values.status(row.get(tags["status"]), progress)
    fields: dict[str, Any] = {
        "status": status,
        "progress": progress,
        "score": values.ten_point_score(row.get("my_score")),
        "rewatch_count": values.whole(row.get(tags["rewatch_count"]), "times seen"),
        "notes": values.text(row.get("my_comments")),
        "tags": values.tags(row.get("my_tags")),
        "started_at": values.day(row.get("my_start_date")),
        "finished_at": values.day(row.get("my_finish_date")),
        "is_rewatching": row.get(tags["is_rewatching"], "").strip().lower() in _YES,
        "carried": {"mal": {tag: text for tag, text in row.items() if tag not in modelled}},
    }
    if "volumes" in tags:
        fields["volumes"] = values.whole(row.get(tags["volumes"]), "volumes")
    # Kitsu leaves out what it does not know: no word on a field is not the word "nothing"
    fields = {name: value for name, value in fields.items() if name in _ALWAYS or tags[name] in row}
    subject = values.subject(
        kind,
        values.text(row.get(TITLE[kind])),
        mal_id=values.ident(row.get(tags["id"]), "id"),
        total=values.whole(row.get(TOTAL[kind]), "total") or None,
    )
    return ListedRow(line, subject, fields, rounded_score=True, note=note)
