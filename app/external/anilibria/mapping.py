"""Map AniLibria's objects to ours; pure functions."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import NAMESPACE_URL, UUID, uuid5

from app.logs import log
from app.schemas.domain.anime import Season, Status
from app.schemas.domain.releases import (
    ScheduledRelease,
    UpstreamEpisode,
    UpstreamGenre,
    UpstreamRelease,
    VideoSource,
)
from app.utils.text.cleaning import INT_MAX, clean_int, clean_number, clean_text, read_int

_TYPES = {
    "TV": "TV", "ONA": "ONA", "WEB": "WEB", "OVA": "OVA", "OAD": "OAD", "MOVIE": "Movie", "DORAMA": "Dorama",
    "SPECIAL": "Special", "ТВ": "TV", "ФИЛЬМ": "Movie", "СПЕШЛ": "Special", "ДОРАМА": "Dorama",
}  # fmt: skip
_SEASONS: dict[str, Season] = {
    "winter": "winter", "spring": "spring", "summer": "summer", "autumn": "fall", "fall": "fall",
    "зима": "winter", "весна": "spring", "лето": "summer", "осень": "fall",
}  # fmt: skip
# Cyrillic letters that look like Latin ones: descriptions of types mix both alphabets.
_LOOK_ALIKES = str.maketrans("АВЕКМНОРСТХаеорсух", "ABEKMHOPCTXaeopcyx")
_QUALITIES = {"hls_1080": "1080p", "hls_720": "720p", "hls_480": "480p"}
_YEARS = range(1900, 2201)
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_FIRST_SECOND = 86_400 * 365  # a smaller number is no timestamp


class MappingError(Exception):
    """The object cannot be mapped; the message gives the reason."""


def map_release(data: object, *, site: str) -> UpstreamRelease:
    """Map a release from any endpoint; ``site`` is the base URL of relative picture paths.

    Raises :class:`MappingError` if it has no id or no name.
    """
    if not isinstance(data, dict):
        raise MappingError("a release is not an object")
    external_id, (name, name_en, alternative) = read_int(data.get("id"), 1), _names(data)
    if external_id is None or name is None:
        raise MappingError("a release has no id or no name")
    episodes = _episodes(data.get("episodes"), site, external_id)
    posters = _pictures(data.get("poster"), site)
    return UpstreamRelease(
        external_id=external_id,
        name_ru=name,
        name_en=name_en,
        name_alternative=alternative,
        alias=clean_text(data.get("alias")),
        description=_paragraphs(data.get("description")),
        type=_type(data.get("type")),
        status=_status(data, episodes),
        year=_year(data.get("year")),
        season=_season(data.get("season")),
        episodes_total=read_int(data.get("episodes_total"), 1, 100_000),
        **dict(zip(("poster_small", "poster_medium", "poster_large"), posters, strict=True)),
        favorites=read_int(data.get("added_in_users_favorites")) or 0,
        publish_day=read_int(_field(data.get("publish_day"), "value"), 1, 7),
        age_rating=clean_text(_field(data.get("age_rating"), "label")),
        notification=clean_text(data.get("notification")),
        external_player=_link(data.get("external_player"), site),
        episode_minutes=_rounded(data.get("average_duration_of_episode"), 1, 10_000),
        blocked=any(_flag(data.get(key)) for key in ("is_blocked_by_geo", "is_blocked_by_copyrights")),
        fresh_at=instant(data.get("fresh_at")),
        added_at=instant(data.get("created_at")),
        updated_at=instant(data.get("updated_at")),
        genres=_genres(data.get("genres")),
        episodes=episodes,
        latest=next(iter(_episodes([data.get("latest_episode")], site, external_id) or ()), None),
    )


def _names(data: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    """The Russian name (or any other if it is missing), the English and the alternative one."""
    names = data.get("name")
    if isinstance(names, str):
        names = {"main": names}
    names = _object(names)
    main, english, other = (_text(names.get(key)) for key in ("main", "english", "alternative"))
    return main or english or other or clean_text(data.get("alias")), english, other


def map_episode(data: object, *, site: str, release_id: int) -> UpstreamEpisode:
    """Map an episode; raises :class:`MappingError` if it has no number.

    The number stands in for an id that is missing or malformed.
    """
    if not isinstance(data, dict):
        raise MappingError("an episode is not an object")
    ordinal = _ordinal(data.get("ordinal"))
    if ordinal is None:
        raise MappingError("an episode has no number")
    preview = _pictures(data.get("preview"), site)
    links = ((quality, _link(data.get(key), site)) for key, quality in _QUALITIES.items())
    return UpstreamEpisode(
        external_id=_uuid(data.get("id")) or str(uuid5(NAMESPACE_URL, f"anilibria:{release_id}:{ordinal:g}")),
        ordinal=ordinal,
        name=clean_text(data.get("name")),
        name_english=clean_text(data.get("name_english")),
        preview=preview[2],
        duration=_rounded(data.get("duration"), 1),
        sources=tuple(VideoSource(quality, url) for quality, url in links if url),
        rutube_id=_text(data.get("rutube_id")),
        youtube_id=_text(data.get("youtube_id")),
        opening=_span(data.get("opening")),
        ending=_span(data.get("ending")),
        sort_order=_place(data.get("sort_order"), ordinal),
        updated_at=instant(data.get("updated_at")),
    )


def map_scheduled(data: object, *, site: str) -> ScheduledRelease:
    """Map an item of the schedule; raises :class:`MappingError` like :func:`map_release`."""
    if not isinstance(data, dict):
        raise MappingError("an item of the schedule is not an object")
    number = read_int(data.get("next_release_episode_number"), 0, 100_000)
    return ScheduledRelease(map_release(data.get("release"), site=site), number)


def map_genre(data: object, *, site: str) -> UpstreamGenre:
    """Map a genre; raises :class:`MappingError` if it has no id or no name."""
    if not isinstance(data, dict):
        raise MappingError("a genre is not an object")
    genre_id, name = read_int(data.get("id"), 1), clean_text(data.get("name"))
    if genre_id is None or name is None:
        raise MappingError("a genre has no id or no name")
    return UpstreamGenre(
        genre_id, name, read_int(data.get("total_releases")), _pictures(data.get("image"), site)[2]
    )


def items_of(body: object) -> list[Any]:
    """The items of a bare array or of ``{data: […]}``: endpoints return either form, or one bare item."""
    if isinstance(body, dict):
        data = body.get("data")
        body = [body] if data is None and "id" in body else [data] if isinstance(data, dict) else data
    if not isinstance(body, list):
        raise MappingError("neither a list nor an object with a list")
    return body


def item_of(body: object) -> object:
    """The item of ``{…}``, ``{data: {…}}`` or a list of one."""
    if isinstance(body, dict) and isinstance(body.get("data"), dict | list):
        body = body["data"]
    return body[0] if isinstance(body, list) and len(body) == 1 else body


def paging_of(body: object) -> tuple[int | None, int | None]:
    """The total numbers of items and pages; None if the response does not state them."""
    meta = _object(_object(_object(body).get("meta")).get("pagination"))
    return read_int(meta.get("total")), read_int(meta.get("total_pages"))


def site_of(base_url: str) -> str:
    """Scheme and host of the API's URL, which also serves the pictures."""
    parts = urlsplit(base_url.split(",")[0].strip())
    return f"{parts.scheme}://{parts.netloc}"


def instant(value: object) -> datetime | None:
    """Parse an ISO 8601 timestamp, or seconds since 1970, to UTC; None if invalid or outside 1900 to 2200."""
    seconds = clean_number(value)
    text = clean_text(value)
    try:
        if seconds is not None:
            moment = datetime.fromtimestamp(seconds, UTC) if seconds >= _FIRST_SECOND else None
        else:
            moment = datetime.fromisoformat(text) if text else None
        moment = moment and moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment is not None and moment.year in _YEARS else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _field(value: object, name: str) -> object:
    """The field of an object; a bare value stands for itself."""
    return value.get(name) if isinstance(value, dict) else value


def _rounded(value: object, low: int, high: int = INT_MAX) -> int | None:
    number = clean_number(value)
    return None if number is None else clean_int(round(number), low, high)


def _flag(value: object) -> bool | None:
    """A boolean, which may be sent as a number or text; None if it is neither true nor false."""
    return _FLAGS.get(str(value).strip().lower())


def _text(value: object) -> str | None:
    """Text, which may be sent as a number: a name such as 86, an id of another site."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else clean_text(value)


def _place(value: object, ordinal: float) -> int:
    """The position in the source's list; the number stands in for one that is missing."""
    place = _rounded(value, -(2**31))
    return int(ordinal) if place is None else place


def _year(value: object) -> int | None:
    year = read_int(value)
    return year if year in _YEARS else None


def _uuid(value: object) -> str | None:
    try:
        return str(UUID(str(value)))
    except ValueError:
        return None


def _ordinal(value: object) -> float | None:
    number = clean_number(value)
    return number if number is not None and 0 <= number <= 100_000 else None


def _span(value: object) -> tuple[int | None, int | None] | None:
    """Start and stop in seconds; either may be unknown."""
    span = _object(value)
    start, stop = _rounded(span.get("start"), 0), _rounded(span.get("stop"), 0)
    return None if start is None and stop is None else (start, stop)


def _paragraphs(value: object) -> str:
    return (clean_text(value) or "").replace("\r\n", "\n")


def _genres(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    names = (clean_text(_field(genre, "name")) for genre in value)
    return tuple(dict.fromkeys(name for name in names if name))


def _episodes(value: object, site: str, release_id: int) -> tuple[UpstreamEpisode, ...] | None:
    """The episodes in the source's order; invalid ones are skipped and logged."""
    if not isinstance(value, list):
        return None
    found: dict[str, UpstreamEpisode] = {}
    for item in value:
        if item is None:
            continue
        try:
            episode = map_episode(item, site=site, release_id=release_id)
        except MappingError as fault:
            log.warning("anilibria.episode_skipped", reason=str(fault))
        else:
            found[episode.external_id] = episode
    return tuple(sorted(found.values(), key=lambda episode: (episode.sort_order, episode.ordinal)))


def _words(value: object) -> list[str]:
    """The code and the description of a term; either may be missing, and a bare text is accepted."""
    if isinstance(value, str):
        value = {"value": value}
    said = _object(value)
    return [word for key in ("value", "description") if (word := clean_text(said.get(key)))]


def _type(value: object) -> str | None:
    """The type by its code, otherwise by its description, which can be Russian or mix both alphabets."""
    for word in _words(value):
        upper = word.upper()
        if known := _TYPES.get(upper) or _TYPES.get(upper.translate(_LOOK_ALIKES)):
            return known
        log.warning("anilibria.unknown_word", kind="type", word=word[:50])
    return None


def _season(value: object) -> Season | None:
    for word in _words(value):
        if known := _SEASONS.get(word.lower()):
            return known
        log.warning("anilibria.unknown_word", kind="season", word=word[:50])
    return None


def _status(data: dict[str, Any], episodes: tuple[UpstreamEpisode, ...] | None) -> Status | None:
    """``upcoming`` if there has been no episode yet and the release is in production; None if not stated."""
    is_ongoing = _flag(data.get("is_ongoing"))
    if is_ongoing is None:
        return None
    if is_ongoing:
        return "airing"
    has_none = episodes == () if episodes is not None else instant(data.get("fresh_at")) is None
    return "upcoming" if has_none and _flag(data.get("is_in_production")) else "finished"


def _pictures(value: object, site: str) -> tuple[str | None, str | None, str | None]:
    """URLs of the small, medium and large picture; the large one is under either of two keys."""
    if isinstance(value, str):
        value = {"preview": value}
    whole, light = _object(value), _object(_object(value).get("optimized"))
    large = _link(whole.get("preview"), site) or _link(whole.get("src"), site)
    medium = _link(light.get("preview"), site) or _link(light.get("src"), site) or large
    small = _link(whole.get("thumbnail"), site) or _link(light.get("thumbnail"), site) or medium
    return small, medium, large


def _link(value: object, site: str) -> str | None:
    """An absolute http(s) URL; paths are relative to the site, ``//host`` becomes https."""
    text = clean_text(value)
    if text is None:
        return None
    try:
        link = f"https:{text}" if text.startswith("//") else urljoin(f"{site}/", text)
        parts = urlsplit(link)
    except ValueError:
        return None
    return link if parts.scheme in {"http", "https"} and parts.netloc else None


def all_of(items: Iterable[object], mapped: Any) -> tuple[list[Any], int]:
    """The mapped items, and how many could not be mapped."""
    found: list[Any] = []
    skipped = 0
    for item in items:
        try:
            found.append(mapped(item))
        except MappingError as fault:
            skipped += 1
            log.warning("anilibria.item_skipped", reason=str(fault))
    return found, skipped
