"""MyAnimeList's XML export, and the dialects of it that Kitsu and Shikimori export."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from io import BytesIO
from itertools import islice
from typing import Any
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from app.external.list_files import scores
from app.external.list_files.collecting import refuse_above
from app.external.list_files.details import RowReader, is_yes
from app.external.list_files.xml_repair import repaired
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import BadRow, ListedRow, ListFile
from app.schemas.words import means_rewatching
from app.utils.text.cleaning import clean_text

FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_DECLARED = re.compile(r"^\s*<\?xml[^>]*\?>")

# Tags with a field of their own; all others are kept unchanged and written back on export.
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
TITLE: dict[MediaType, str] = {"anime": "series_title", "manga": "manga_title"}
TOTAL: dict[MediaType, str] = {"anime": "series_episodes", "manga": "manga_chapters"}
# Tags of other exports in this format: MyAnimeList's older ones and Shikimori's.
_MANGA_TAGS = {
    "series_mangadb_id": "manga_mangadb_id",
    "series_title": "manga_title",
    "series_volumes": "manga_volumes",
    "series_chapters": "manga_chapters",
    "my_times_watched": "my_times_read",
    "my_rereadingg": "my_rereading",
}
_ID_TAGS: dict[MediaType, tuple[str, ...]] = {
    "anime": ("series_animedb_id",),
    "manga": ("manga_mangadb_id", "series_mangadb_id"),
}
_SHIKIMORI_STATUS = "shiki_status"  # distinguishes rewatching, unlike my_status
# Not a MyAnimeList tag: identifies entries without a MyAnimeList id in our own exports.
ANILIST_ID = "anilist_id"
_NOT_CARRIED = frozenset((_SHIKIMORI_STATUS, ANILIST_ID, "update_on_import"))
_TAG = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)
_ROOT = "myanimelist"
_CHUNK = 1 << 16  # bytes
_TITLES = frozenset(TITLE.values())  # reported by RowReader.title already
_MOST_CARRIED = 60  # carried tags per entry
_LONGEST_CARRIED = 1_000  # characters
_KNOWN = {kind: frozenset(tags.values()) | _NOT_CARRIED for kind, tags in MODELLED.items()}


def title_tags(kind: MediaType, title: str | None, total: int | None, form: str | None) -> dict[str, str]:
    """The tags about the title itself, in MyAnimeList's order."""
    tags = {TITLE[kind]: title or "", TOTAL[kind]: str(total or 0)}
    return tags | {"series_type": form or ""} if kind == "anime" else tags


def read(content: bytes) -> ListFile:
    """Parse an export; raises ``ValueError`` if the file is not XML or not a list."""
    text = FORBIDDEN.sub("", _DECLARED.sub("", content.decode(), count=1))
    try:
        try:
            return _parsed(text.encode())
        except ParseError:
            return _parsed(repaired(text).encode())
    except ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    except DefusedXmlException as error:
        raise ValueError("XML with entities or a document type is not accepted") from error


def _parsed(content: bytes) -> ListFile:
    found = ListFile("mal")
    root = _root(content)
    for line, (kind, row) in enumerate(_rows(content), 1):
        refuse_above(line)
        try:
            found.rows.append(_row(line, kind, row))
        except ValueError as error:
            found.bad.append(BadRow(line, RowReader().title(row.get(TITLE[kind])), str(error)))
    if root != _ROOT and not found.rows:
        raise ValueError(f"<{root[:40]}> contains no list")
    return found


def _root(content: bytes) -> str:
    """The name of the root element, read with defusedxml, which rejects entity declarations.

    Those can only precede the root element, so the faster standard parser is safe for the rest.
    """
    _, element = next(iter(iterparse(BytesIO(content), events=("start",), forbid_dtd=True)))
    return str(element.tag)


def _rows(content: bytes) -> Iterator[tuple[MediaType, dict[str, str]]]:
    parser: XMLPullParser[Element] = XMLPullParser(("end",))
    for start in range(0, len(content), _CHUNK):
        parser.feed(content[start : start + _CHUNK])
        yield from _read(parser)
    parser.close()
    yield from _read(parser)


def _read(parser: "XMLPullParser[Element]") -> Iterator[tuple[MediaType, dict[str, str]]]:
    for event in parser.read_events():
        element = event[-1]
        if not isinstance(element, Element) or element.tag not in TITLE:
            continue
        row = {child.tag: _text(child) if len(child) else child.text or "" for child in element}
        kind = _kind(element.tag, row)
        if kind == "manga":
            row = {_MANGA_TAGS.get(tag, tag): text for tag, text in row.items()}
        yield kind, row
        element.clear()


def _text(element: Element) -> str:
    """The text including that of nested tags, which come from unescaped markup."""
    return "".join(element.itertext())


def _kind(tag: str, row: Mapping[str, str]) -> MediaType:
    """The kind by the tag of the id, otherwise by the name of the element."""
    for kind, names in _ID_TAGS.items():
        if any(row.get(name, "").strip("0 \t\r\n") for name in names):
            return kind
    return "anime" if tag == "anime" else "manga"


def _row(line: int, kind: MediaType, row: Mapping[str, str]) -> ListedRow:
    tags, known = MODELLED[kind], _KNOWN[kind]
    reader = RowReader()
    word = row.get(_SHIKIMORI_STATUS) or row.get(tags["status"], "")
    fields: dict[str, Any] = {
        "status": reader.status(word),
        "progress": reader.count("progress", row.get(tags["progress"])),
        "volumes": reader.volumes(row.get(tags["volumes"])) if "volumes" in tags else None,
        "rewatch_count": reader.rewatches(row.get(tags["rewatch_count"])),
        "notes": reader.notes(row.get(tags["notes"])),
        "tags": reader.tags(row.get(tags["tags"])),
        "started_at": reader.date("start date", row.get(tags["started_at"])),
        "finished_at": reader.date("finish date", row.get(tags["finished_at"])),
        "is_rewatching": is_yes(row.get(tags["is_rewatching"])) or means_rewatching(word),
        "carried": {"mal": carried_tags(reader, {tag: row[tag] for tag in row if tag not in known})},
    }
    subject = reader.subject(
        kind,
        reader.title(row.get(TITLE[kind])),
        mal_id=reader.identifier("id", row.get(tags["id"])),
        anilist_id=reader.identifier("AniList id", row.get(ANILIST_ID)),
        total=reader.total(row.get(TOTAL[kind])),
    )
    return reader.row(line, subject, reader.score(row.get(tags["score"]), scores.TEN_POINTS), fields)


def carried_tags(reader: RowReader, data: Mapping[str, Any]) -> dict[str, str]:
    """The tags without a field of their own that can be written back unchanged, within the limits."""
    found = {tag: (clean_text(text) or "") if text else "" for tag, text in data.items() if is_carried(tag)}
    if len(found) > _MOST_CARRIED:
        reader.add_note(f"{len(found)} other fields exceed the maximum: cut to {_MOST_CARRIED}")
        found = dict(islice(found.items(), _MOST_CARRIED))
    for tag, text in found.items():
        if len(text) > _LONGEST_CARRIED:
            found[tag] = text[:_LONGEST_CARRIED]
            if tag not in _TITLES:
                reader.add_note(f"{tag} is longer than {_LONGEST_CARRIED:,} characters: cut")
    return found


@lru_cache(maxsize=1024)
def is_carried(tag: str) -> bool:
    """Whether a tag name can be written back unchanged."""
    return _TAG.fullmatch(tag) is not None
