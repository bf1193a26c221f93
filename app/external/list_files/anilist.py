"""AniList: the data archive of an account, and responses to ``MediaListCollection`` queries."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.external.list_files import scores
from app.external.list_files.collecting import collected
from app.external.list_files.details import RowReader, as_object, is_yes
from app.external.list_files.kinds import kind_of_keys, kind_of_url, kind_of_word, stated
from app.external.list_files.scores import Scale
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ListedRow, ListFile
from app.schemas.words import means_rewatching
from app.utils.text.cleaning import clean_line, clean_url

_ARCHIVE_STATUS = {
    "0": "CURRENT", "1": "PLANNING", "2": "COMPLETED", "3": "DROPPED", "4": "PAUSED", "5": "REPEATING",
}  # fmt: skip
_ARCHIVE_TYPES: dict[str, MediaType] = {"0": "anime", "1": "manga"}
_TITLES = ("userPreferred", "romaji", "english", "native")
_SCALES: dict[str, Scale] = {
    "POINT_100": scores.HUNDRED_POINTS,
    "POINT_10_DECIMAL": scores.TEN_POINTS_WITH_DECIMALS,
    "POINT_10": scores.TEN_POINTS,
    "POINT_5": scores.FIVE_STARS,
    "POINT_3": scores.THREE_FACES,
}
_OWNERS = ("user", "User", "Viewer", "viewer")
# names of AniList's standard lists; custom lists can have any name
_LIST_NAMES: dict[MediaType, re.Pattern[str]] = {
    "anime": re.compile(
        r"(?:re)?watching|plan to watch|completed (?:anime|tv(?: short)?|movie|ova|ona|special|music)",
        re.IGNORECASE,
    ),
    "manga": re.compile(
        r"(?:re)?reading|plan to read|completed (?:manga|(?:light )?novel|one[ -]?shot)", re.IGNORECASE
    ),
}
_COUNTED: dict[MediaType, tuple[str, ...]] = {
    "anime": ("episodes", "duration", "nextAiringEpisode"),
    "manga": ("chapters", "volumes"),
}


@dataclass(frozen=True, slots=True)
class _Context:
    """Where an entry was found: the kinds that its list and its collection's alias imply, the collection."""

    list_kind: MediaType | None
    alias_kind: MediaType | None
    collection: int


def reads(document: Any) -> bool:
    if not isinstance(document, Mapping):
        return False
    return _is_archive(document) or any(True for _ in _collections(document))


def read(document: Mapping[str, Any], asked: MediaType | None) -> ListFile:
    """Map the document; ``asked`` is the kind the user stated, for rows that do not have one."""
    if _is_archive(document):
        return collected("anilist", document["lists"], lambda line, row: _archived(line, row, asked))
    found = list(_collections(document))
    pairs = [
        pair
        for number, (name, collection) in enumerate(found)
        for pair in _entries(number, name, collection["lists"])
    ]
    entries = [entry for entry, _ in pairs]
    scale = _scale([document, *(collection for _, collection in found)], entries)
    agreed = _agreed_kinds(pairs)

    def mapped(line: int, entry: Mapping[str, Any]) -> ListedRow:
        _, context = pairs[line - 1]
        kind = stated(_kind(entry, context), agreed.get(context.collection), asked)
        return _listed(line, entry, kind, scale)

    return collected("anilist", entries, mapped)


def _is_archive(document: Mapping[str, Any]) -> bool:
    lists = document.get("lists")
    if not isinstance(lists, list):
        return False
    return not lists or any("series_id" in row for row in lists if isinstance(row, Mapping))


def _collections(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The collections of a response with their aliases, or a single collection without envelope."""
    data = document.get("data", document)
    if not isinstance(data, Mapping):
        return
    bare = data.get("lists")
    if isinstance(bare, list) and any("entries" in one for one in bare if isinstance(one, Mapping)):
        yield "", data
    for name, collection in data.items():
        if isinstance(collection, Mapping) and isinstance(collection.get("lists"), list):
            yield name, collection


def _entries(number: int, name: str, lists: Sequence[Any]) -> Iterator[tuple[Mapping[str, Any], _Context]]:
    alias = kind_of_alias(name)
    for one in lists:
        if isinstance(one, Mapping):
            context = _Context(_kind_of_list(one), alias, number)
            yield from ((entry, context) for entry in one.get("entries") or ())


def kind_of_alias(name: str) -> MediaType | None:
    """The kind in the alias of a query such as ``manga: MediaListCollection(type: MANGA)``."""
    found = re.search("anime|manga", name, re.IGNORECASE)
    return None if found is None else "manga" if found[0].lower() == "manga" else "anime"


def _kind_of_list(one: Mapping[str, Any]) -> MediaType | None:
    name = one.get("name")
    if not isinstance(name, str) or one.get("isCustomList"):
        return None
    return next((kind for kind, pattern in _LIST_NAMES.items() if pattern.fullmatch(name.strip())), None)


def _kind(entry: Any, context: _Context) -> MediaType | None:
    """From the most reliable evidence: the title itself, its counters, the list; volumes last."""
    entry = as_object(entry)
    media = as_object(entry.get("media"))
    counts_volumes: MediaType | None = "manga" if entry.get("progressVolumes") is not None else None
    return (
        kind_of_word(media.get("type"))
        or kind_of_word(media.get("format"))
        or kind_of_url(media.get("siteUrl"))
        or next(
            (kind for url in as_object(media.get("coverImage")).values() if (kind := kind_of_url(url))), None
        )
        or kind_of_keys({name: value for name, value in media.items() if value is not None}, _COUNTED)
        or (counts_volumes if entry.get("progressVolumes") else None)
        or context.list_kind
        or context.alias_kind
        or counts_volumes
    )


def _agreed_kinds(pairs: Sequence[tuple[Mapping[str, Any], _Context]]) -> dict[int, MediaType]:
    """The kind of each collection whose entries agree, since AniList returns one kind per collection."""
    found: dict[int, set[MediaType]] = {}
    for entry, context in pairs:
        if (kind := _kind(entry, context)) is not None:
            found.setdefault(context.collection, set()).add(kind)
    return {number: next(iter(kinds)) for number, kinds in found.items() if len(kinds) == 1}


def _scale(holders: Sequence[Mapping[str, Any]], entries: Sequence[Any]) -> Scale:
    """The user's score format if the response has it, otherwise inferred from the scores."""
    data = [as_object(holder.get("data")) for holder in holders]
    for holder in (*holders, *data):
        for name in _OWNERS:
            options = as_object(as_object(holder.get(name)).get("mediaListOptions"))
            if (scale := _SCALES.get(str(options.get("scoreFormat")))) is not None:
                return scale
    top = max((_number(as_object(entry).get("score")) for entry in entries), default=0)
    return scores.HUNDRED_POINTS if top > 10 else scores.TEN_POINTS_WITH_DECIMALS


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < 1000 else 0.0


def _archived(line: int, row: Mapping[str, Any], asked: MediaType | None) -> ListedRow:
    reader = RowReader()
    kind = stated(
        _ARCHIVE_TYPES.get(str(row.get("series_type"))) or kind_of_word(row.get("series_type")), asked
    )
    number = row.get("status")
    fields = {
        **_state(reader, row, _ARCHIVE_STATUS.get(str(number), number)),
        "started_at": reader.date("start date", row.get("started_on")),
        "finished_at": reader.date("finish date", row.get("finished_on")),
        "volumes": reader.volumes(row.get("progress_volume")) if kind == "manga" else None,
    }
    anilist_id = reader.identifier("AniList id", row.get("series_id"))
    subject = reader.subject(kind, None, anilist_id=anilist_id)
    return reader.row(line, subject, reader.score(row.get("score"), scores.HUNDRED_POINTS), fields)


def _listed(line: int, row: Mapping[str, Any], kind: MediaType, scale: Scale) -> ListedRow:
    reader = RowReader()
    media = as_object(row.get("media"))
    fields = {
        **_state(reader, row, row.get("status")),
        "started_at": reader.date("start date", row.get("startedAt")),
        "finished_at": reader.date("finish date", row.get("completedAt")),
        "volumes": reader.volumes(row.get("progressVolumes")) if kind == "manga" else None,
    }
    titles = media.get("title")
    subject = reader.subject(
        kind,
        reader.title(titles)
        if isinstance(titles, str)
        else reader.title(*map(as_object(titles).get, _TITLES)),
        mal_id=reader.identifier("MyAnimeList id", media.get("idMal")),
        anilist_id=reader.identifier("AniList id", media.get("id") or row.get("mediaId")),
        total=reader.total(media.get("episodes"), media.get("chapters")),
        image_url=clean_url(as_object(media.get("coverImage")).get("large")),
        format=clean_line(media.get("format")),
        site_url=clean_url(media.get("siteUrl")),
    )
    return reader.row(line, subject, reader.score(row.get("score"), scale), fields)


def _state(reader: RowReader, row: Mapping[str, Any], word: Any) -> dict[str, Any]:
    return {
        "status": reader.status(word),
        "is_rewatching": means_rewatching(str(word)),
        "progress": reader.count("progress", row.get("progress")),
        "rewatch_count": reader.rewatches(row.get("repeat")),
        "notes": reader.notes(row.get("notes")),
        "is_private": is_yes(row.get("private")),
    }
