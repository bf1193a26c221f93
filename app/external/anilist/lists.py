"""The AniList side of the two-way sync: converts statuses, score scales and dates in both directions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from app.external.anilist.client import AniListClient
from app.external.anilist.mapping import MappingError, as_object, map_media
from app.external.list_files import scores
from app.logs import log
from app.schemas.domain.library import MediaType, Subject
from app.schemas.domain.sync import NOTHING, Hold, RemoteAccount, RemoteEntry, SyncState, SyncStatus
from app.schemas.limits import MAX_NOTES_LENGTH, MAX_PROGRESS, MAX_REWATCHES
from app.utils.text.cleaning import clean_number, clean_text, partial_date, read_int

STATUSES: dict[str, SyncStatus] = {
    "CURRENT": "watching",
    "PLANNING": "plan_to_watch",
    "COMPLETED": "completed",
    "DROPPED": "dropped",
    "PAUSED": "on_hold",
    "REPEATING": "rewatching",
}
_ANILIST_STATUSES = {ours: theirs for theirs, ours in STATUSES.items()}
_IDS_PER_QUERY = 50

# The points of each scale, which AniList derives from its internal 100 points.
_SCALES: dict[str, tuple[scores.Scale, tuple[float, ...]]] = {
    "POINT_10": (scores.TEN_POINTS, tuple(map(float, range(1, 11)))),
    "POINT_5": (scores.FIVE_STARS, tuple(map(float, range(1, 6)))),
    "POINT_3": (scores.THREE_FACES, tuple(map(float, range(1, 4)))),
}


class AniListLists:
    """Implements ``RemoteLists``."""

    service = "anilist"
    id_field: Literal["anilist_id", "mal_id"] = "anilist_id"

    def __init__(self, client: AniListClient) -> None:
        self._client = client

    def hold(self, media_type: MediaType, score_format: str | None) -> Hold:
        def held(state: SyncState) -> SyncState:
            volumes = state.volumes or None if media_type == "manga" else None
            notes = state.notes and state.notes.strip()
            return replace(
                state, score=held_score(state.score, score_format), volumes=volumes, notes=notes or None
            )

        return held

    async def list_entries(self, account: RemoteAccount, media_type: MediaType) -> list[RemoteEntry]:
        whole = await self._client.list_collection(
            media_type, user_id=account.remote_user_id, token=account.token
        )
        options = as_object(as_object(whole.get("user")).get("mediaListOptions"))
        scale = clean_text(options.get("scoreFormat")) or account.score_format
        found: dict[int, RemoteEntry] = {}
        for group in whole["lists"]:
            status = as_object(group).get("status")
            for raw in as_object(group).get("entries") or ():
                entry = _mapped(raw, media_type, scale, status)
                if entry is not None:  # entries of custom lists are repeated there
                    found.setdefault(entry.remote_id, entry)
        return list(found.values())

    async def find_entries(
        self, account: RemoteAccount, media_type: MediaType, remote_ids: Sequence[int]
    ) -> dict[int, RemoteEntry] | None:
        found: dict[int, RemoteEntry] = {}
        for start in range(0, len(remote_ids), _IDS_PER_QUERY):
            some = remote_ids[start : start + _IDS_PER_QUERY]
            found_entries = await self._client.list_entries(media_type, some, account)
            if found_entries is None:
                return None
            entries = (_mapped(raw, media_type, account.score_format) for raw in found_entries)
            found |= {entry.remote_id: entry for entry in entries if entry and entry.remote_id in some}
        return found

    async def save(
        self, account: RemoteAccount, media_type: MediaType, remote_id: int, changes: Mapping[str, Any]
    ) -> RemoteEntry:
        answer = await self._client.save_entry({"mediaId": remote_id, **_to_anilist(changes)}, account)
        entry = _mapped({**answer, "mediaId": remote_id}, media_type, account.score_format)
        if entry is None:
            raise MappingError("an entry has no title")
        return entry


def held_score(score: int | None, score_format: str | None) -> int | None:
    """Our score after a round trip through a list with this score format."""
    if not score:
        return None
    if score_format not in _SCALES:
        return score
    scale, points = _SCALES[score_format]
    known = [one for one in map(scale, points) if one is not None]
    same = next((one.value for one in known if one.low <= score <= one.high), None)
    return same or min((one.value for one in known), key=lambda value: abs(value - score))


_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "status": ("status", lambda status: _ANILIST_STATUSES[status]),
    "score": ("scoreRaw", lambda score: score or 0),
    "progress": ("progress", lambda progress: progress),
    "volumes": ("progressVolumes", lambda volumes: volumes or 0),
    "rewatch_count": ("repeat", lambda count: count),
    "started_at": ("startedAt", lambda day: _fuzzy(day)),
    "finished_at": ("completedAt", lambda day: _fuzzy(day)),
    "notes": ("notes", lambda notes: notes or ""),
    "is_private": ("private", lambda private: private),
}


def _to_anilist(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with AniList's names, statuses and dates."""
    return {_FIELDS[name][0]: _FIELDS[name][1](value) for name, value in changes.items()}


def _fuzzy(text: str | None) -> dict[str, int | None]:
    parts: list[int | None] = [int(part) for part in (text or "").split("-") if part]
    year, month, day = (parts + [None] * 3)[:3]
    return {"year": year, "month": month, "day": day}


def _mapped(
    raw: Any, media_type: MediaType, scale: str | None, list_status: object = None
) -> RemoteEntry | None:
    """None, and a log line, if it is not an entry of a title.

    Unreadable fields count as missing, and missing fields overwrite nothing. ``list_status`` is the status
    of the list that has the entry, used if its own is unknown.
    """
    entry = as_object(raw)
    media = as_object(entry.get("media"))
    remote_id = read_int(entry.get("mediaId") or media.get("id"), low=1)
    if remote_id is None:
        log.warning("anilist.entry_skipped", status=str(entry.get("status"))[:50])
        return None
    read = {name: _READ[name](entry.get(key), scale) for name, key in _RESPONSE_KEYS.items()}
    read["status"] = STATUSES.get(str(entry.get("status"))) or STATUSES.get(str(list_status))
    if media_type == "anime":
        read["volumes"] = None
    missing_fields = {name for name, value in read.items() if value is UNREADABLE}
    missing_fields |= {name for name, key in _RESPONSE_KEYS.items() if key not in entry}
    if read["status"] is None:
        log.warning("anilist.unknown_status", status=str(entry.get("status"))[:50], media_id=remote_id)
        read["status"] = "plan_to_watch"
        missing_fields.add("status")
    known = {name: getattr(NOTHING, name) if value is UNREADABLE else value for name, value in read.items()}
    stamp = read_int(entry.get("updatedAt")) or 0
    return RemoteEntry(
        remote_id,
        SyncState(**known),
        datetime.fromtimestamp(stamp, UTC),
        _subject(media, media_type, remote_id),
        frozenset(missing_fields),
    )


# the keys in AniList's responses
_RESPONSE_KEYS = {
    "score": "score",
    "progress": "progress",
    "volumes": "progressVolumes",
    "rewatch_count": "repeat",
    "started_at": "startedAt",
    "finished_at": "completedAt",
    "notes": "notes",
    "is_private": "private",
}


UNREADABLE: Any = object()


def _read_count(most: int, *, null: Any = UNREADABLE) -> Callable[[Any, str | None], Any]:
    def read(raw: Any, _: str | None) -> Any:
        if raw is None:
            return null
        count = read_int(raw, 0, most)
        return UNREADABLE if count is None else count

    return read


def _read_volumes(raw: Any, scale: str | None) -> Any:
    volumes = _read_count(MAX_PROGRESS, null=None)(raw, scale)
    return volumes or None  # UNREADABLE is true


def _read_score(raw: Any, scale: str | None) -> Any:
    """0 is no score."""
    number = clean_number(raw)
    if number is None or not 0 <= number <= 100:
        return UNREADABLE
    if number == 0:
        return None
    if scale in _SCALES:
        read = _SCALES[scale][0](number)
        return UNREADABLE if read is None else read.value
    return int(number * 10 + 0.5) if scale == "POINT_10_DECIMAL" and number <= 10 else int(number + 0.5)


def _read_date(raw: Any, _: str | None) -> Any:
    """A date without a year is empty; one that does not exist is unreadable."""
    if not isinstance(raw, dict):
        return UNREADABLE
    year, month, day = (read_int(raw.get(name), low=1) for name in ("year", "month", "day"))
    if year is None:
        return None if not raw.get("year") else UNREADABLE
    if not 1900 <= year <= 2200:
        return UNREADABLE
    whole = f"{year:04}" + (f"-{month:02}" if month else "") + (f"-{day:02}" if month and day else "")
    return partial_date(whole) or UNREADABLE


def _read_notes(raw: Any, _: str | None) -> Any:
    if raw is not None and not isinstance(raw, str):
        return UNREADABLE
    return (clean_text(raw) or "")[:MAX_NOTES_LENGTH] or None


def _read_privacy(raw: Any, _: str | None) -> Any:
    return raw if isinstance(raw, bool) else UNREADABLE


_READ: dict[str, Callable[[Any, str | None], Any]] = {
    "score": _read_score,
    "progress": _read_count(MAX_PROGRESS),
    "volumes": _read_volumes,
    "rewatch_count": _read_count(MAX_REWATCHES),
    "started_at": _read_date,
    "finished_at": _read_date,
    "notes": _read_notes,
    "is_private": _read_privacy,
}


def _subject(media: Mapping[str, Any], media_type: MediaType, remote_id: int) -> Subject:
    bare = Subject(media_type=media_type, anilist_id=remote_id, mal_id=read_int(media.get("idMal"), low=1))
    try:
        known = map_media({**media, "id": remote_id}, media_type)
    except MappingError:
        return bare
    details = {name: getattr(known, name) for name in ("title", "image_url", "total", "format", "site_url")}
    return replace(bare, **details)
