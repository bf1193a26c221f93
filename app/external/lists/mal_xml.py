"""MyAnimeList's XML export, and the dialects of it that Kitsu and Shikimori give out."""

import re
from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from app.external.lists import values
from app.external.lists.collecting import refuse_above
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import BadRow, ListedRow, ListFile
from app.schemas.words import says_again

FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
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
TITLE: dict[MediaType, str] = {"anime": "series_title", "manga": "manga_title"}
TOTAL: dict[MediaType, str] = {"anime": "series_episodes", "manga": "manga_chapters"}
# The words of other exports in this format: MyAnimeList's own of old, and Shikimori's.
_MANGA_TAGS = {
    "series_mangadb_id": "manga_mangadb_id",
    "series_title": "manga_title",
    "series_volumes": "manga_volumes",
    "series_chapters": "manga_chapters",
    "my_times_watched": "my_times_read",
    "my_rereadingg": "my_rereading",
}
_SHIKIMORI_STATUS = "shiki_status"  # knows rewatching, which the status beside it does not
# Ids that MyAnimeList has no tag for: without them an entry could not be told from others of its title.
ANILIST_ID = "anilist_id"
_NOT_CARRIED = frozenset((_SHIKIMORI_STATUS, ANILIST_ID, "update_on_import"))
_TAG = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)
_ROOT = "myanimelist"
_PIECE = 1 << 16  # bytes
_YES = frozenset(("1", "yes", "true"))
_ALWAYS = frozenset(("status", "progress", "carried"))
_KNOWN = {kind: frozenset(tags.values()) | _NOT_CARRIED for kind, tags in MODELLED.items()}


def title_tags(kind: MediaType, title: str | None, total: int | None, form: str | None) -> dict[str, str]:
    """What a file says of a title itself, in its order."""
    tags = {TITLE[kind]: title or "", TOTAL[kind]: str(total or 0)}
    return tags | {"series_type": form or ""} if kind == "anime" else tags


def read(content: bytes) -> ListFile:
    """Raises ``ValueError`` that says where the file stops being XML, or that it is of something else."""
    found = ListFile("mal")
    content = FORBIDDEN.sub("", _DECLARED.sub("", content.decode(), count=1)).encode()
    try:
        root = _root(content)
        for line, (kind, row) in enumerate(_rows(content), 1):
            refuse_above(line)
            try:
                found.rows.append(_row(line, kind, row))
            except ValueError as error:
                found.bad.append(BadRow(line, values.text(row.get(TITLE[kind])), str(error)))
    except ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    except DefusedXmlException as error:
        raise ValueError("XML with entities or a document type is not accepted") from error
    if root != _ROOT and not found.rows:
        raise ValueError(f"there is no list in <{root[:40]}>")
    return found


def _root(content: bytes) -> str:
    """The name of the first element.

    Entities are declared before it or nowhere: behind it the fast parser is as safe as this one.
    """
    _, element = next(iter(iterparse(BytesIO(content), events=("start",), forbid_dtd=True)))
    return str(element.tag)


def _rows(content: bytes) -> Iterator[tuple[MediaType, dict[str, str]]]:
    parser: XMLPullParser[Element] = XMLPullParser(("end",))
    for start in range(0, len(content), _PIECE):
        parser.feed(content[start : start + _PIECE])
        yield from _read(parser)
    parser.close()
    yield from _read(parser)


def _read(parser: "XMLPullParser[Element]") -> Iterator[tuple[MediaType, dict[str, str]]]:
    for event in parser.read_events():
        element = event[-1]
        if not isinstance(element, Element) or element.tag not in TITLE:
            continue
        row = {child.tag: child.text or "" for child in element}
        if element.tag == "anime":
            yield "anime", row
        else:
            yield "manga", {_MANGA_TAGS.get(tag, tag): text for tag, text in row.items()}
        element.clear()


def _row(line: int, kind: MediaType, row: dict[str, str]) -> ListedRow:
    tags, known = MODELLED[kind], _KNOWN[kind]
    progress = values.whole(row.get(tags["progress"]), "progress")
    word = row.get(_SHIKIMORI_STATUS) or row.get(tags["status"], "")
    status, note = values.status(word, progress)
    fields: dict[str, Any] = {
        "status": status,
        "progress": progress,
        "score": values.ten_point_score(row.get("my_score")),
        "rewatch_count": values.whole(row.get(tags["rewatch_count"]), "times seen"),
        "notes": values.text(row.get("my_comments")),
        "tags": values.tags(row.get("my_tags")),
        "started_at": values.day(row.get("my_start_date")),
        "finished_at": values.day(row.get("my_finish_date")),
        "is_rewatching": row.get(tags["is_rewatching"], "").strip().lower() in _YES or says_again(word),
        "carried": {
            "mal": {tag: text.strip() for tag, text in row.items() if tag not in known and is_carried(tag)}
        },
    }
    if "volumes" in tags:
        fields["volumes"] = values.volumes(row.get(tags["volumes"]))
    # Kitsu leaves out what it does not know: no word on a field is not the word "nothing"
    said = _ALWAYS | {name for name, tag in tags.items() if tag in row}
    if _SHIKIMORI_STATUS in row:
        said |= {"is_rewatching"}
    fields = {name: value for name, value in fields.items() if name in said}
    subject = values.subject(
        kind,
        values.text(row.get(TITLE[kind])),
        mal_id=values.ident(row.get(tags["id"]), "id"),
        anilist_id=values.ident(row.get(ANILIST_ID), "AniList id"),
        total=values.whole(row.get(TOTAL[kind]), "total") or None,
    )
    return ListedRow(line, subject, fields, rounded_score=True, note=note)


@lru_cache(maxsize=1024)
def is_carried(tag: str) -> bool:
    """Whether a tag that we do not model can be written as it was read."""
    return _TAG.fullmatch(tag) is not None
