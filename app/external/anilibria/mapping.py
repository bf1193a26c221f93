"""Map AniLibria's objects to ours; pure functions."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import UUID

from app.logs import log
from app.schemas.domain.anime import Season, Status
from app.schemas.domain.releases import (
    ScheduledRelease,
    UpstreamEpisode,
    UpstreamGenre,
    UpstreamRelease,
    VideoSource,
)
from app.utils.text.cleaning import clean_int, clean_text

_TYPES = {
    "TV": "TV", "ONA": "ONA", "WEB": "WEB", "OVA": "OVA", "OAD": "OAD", "MOVIE": "Movie", "DORAMA": "Dorama",
    "SPECIAL": "Special", "ТВ": "TV", "ФИЛЬМ": "Movie", "СПЕШЛ": "Special", "ДОРАМА": "Dorama",
}  # fmt: skip
_SEASONS: dict[str, Season] = {"winter": "winter", "spring": "spring", "summer": "summer", "autumn": "fall"}
# Cyrillic letters that look like Latin ones: descriptions of types mix both alphabets.
_LOOK_ALIKES = str.maketrans("АВЕКМНОРСТХаеорсух", "ABEKMHOPCTXaeopcyx")
_QUALITIES = {"hls_1080": "1080p", "hls_720": "720p", "hls_480": "480p"}
_YEARS = range(1900, 2201)


class MappingError(Exception):
    """The object cannot be mapped; the message gives the reason."""


def map_release(data: object, *, site: str) -> UpstreamRelease:
    """Map a release from any endpoint; ``site`` is the base URL of relative picture paths.

    Raises :class:`MappingError` if it has no id or no name.
    """
    if not isinstance(data, dict):
        raise MappingError("a release is not an object")
    external_id, (name, name_en, alternative) = clean_int(data.get("id"), 1), _names(data)
    if external_id is None or name is None:
        raise MappingError("a release has no id or no name")
    episodes = _episodes(data.get("episodes"), site)
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
        episodes_total=clean_int(data.get("episodes_total"), 1, 100_000),
        **dict(zip(("poster_small", "poster_medium", "poster_large"), posters, strict=True)),
        favorites=clean_int(data.get("added_in_users_favorites")) or 0,
        publish_day=clean_int(_object(data.get("publish_day")).get("value"), 1, 7),
        age_rating=clean_text(_object(data.get("age_rating")).get("label")),
        notification=clean_text(data.get("notification")),
        external_player=_link(data.get("external_player"), site),
        episode_minutes=clean_int(data.get("average_duration_of_episode"), 1, 10_000),
        blocked=data.get("is_blocked_by_geo") is True or data.get("is_blocked_by_copyrights") is True,
        fresh_at=instant(data.get("fresh_at")),
        added_at=instant(data.get("created_at")),
        updated_at=instant(data.get("updated_at")),
        genres=_genres(data.get("genres")),
        episodes=episodes,
        latest=next(iter(_episodes([data.get("latest_episode")], site) or ()), None),
    )


def _names(data: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    """The Russian name (or any other if it is missing), the English and the alternative one."""
    names = _object(data.get("name"))
    main, english, other = (clean_text(names.get(key)) for key in ("main", "english", "alternative"))
    return main or english or other or clean_text(data.get("alias")), english, other


def map_episode(data: object, *, site: str) -> UpstreamEpisode:
    """Map an episode; raises :class:`MappingError` if it has no id or no number."""
    if not isinstance(data, dict):
        raise MappingError("an episode is not an object")
    external_id, ordinal = _uuid(data.get("id")), _ordinal(data.get("ordinal"))
    if external_id is None or ordinal is None:
        raise MappingError("an episode has no id or no number")
    preview = _pictures(data.get("preview"), site)
    links = ((quality, _link(data.get(key), site)) for key, quality in _QUALITIES.items())
    return UpstreamEpisode(
        external_id=external_id,
        ordinal=ordinal,
        name=clean_text(data.get("name")),
        name_english=clean_text(data.get("name_english")),
        preview=preview[2],
        duration=clean_int(data.get("duration"), 1),
        sources=tuple(VideoSource(quality, url) for quality, url in links if url),
        rutube_id=clean_text(data.get("rutube_id")),
        youtube_id=clean_text(data.get("youtube_id")),
        opening=_span(data.get("opening")),
        ending=_span(data.get("ending")),
        sort_order=clean_int(data.get("sort_order"), -(2**31)) or 0,
        updated_at=instant(data.get("updated_at")),
    )


def map_scheduled(data: object, *, site: str) -> ScheduledRelease:
    """Map an item of the schedule; raises :class:`MappingError` like :func:`map_release`."""
    if not isinstance(data, dict):
        raise MappingError("an item of the schedule is not an object")
    number = clean_int(data.get("next_release_episode_number"), 0, 100_000)
    return ScheduledRelease(map_release(data.get("release"), site=site), number)


def map_genre(data: object, *, site: str) -> UpstreamGenre:
    """Map a genre; raises :class:`MappingError` if it has no id or no name."""
    if not isinstance(data, dict):
        raise MappingError("a genre is not an object")
    genre_id, name = clean_int(data.get("id"), 1), clean_text(data.get("name"))
    if genre_id is None or name is None:
        raise MappingError("a genre has no id or no name")
    return UpstreamGenre(
        genre_id, name, clean_int(data.get("total_releases")), _pictures(data.get("image"), site)[2]
    )


def items_of(body: object) -> list[Any]:
    """The items of a bare array or of ``{data: […]}``: endpoints return either form."""
    if isinstance(body, dict):
        body = body.get("data")
    if not isinstance(body, list):
        raise MappingError("neither a list nor an object with a list")
    return body


def paging_of(body: object, shown: int) -> tuple[int, int]:
    """The total numbers of items and pages, which may be strings.

    Defaults: ``shown`` items, one page.
    """
    meta = _object(_object(_object(body).get("meta")).get("pagination"))
    total, pages = (_number(meta.get(name)) for name in ("total", "total_pages"))
    return (shown if total is None else total), (1 if pages is None else pages)


def site_of(base_url: str) -> str:
    """Scheme and host of the API's URL, which also serves the pictures."""
    parts = urlsplit(base_url.split(",")[0].strip())
    return f"{parts.scheme}://{parts.netloc}"


def instant(value: object) -> datetime | None:
    """Parse an ISO 8601 timestamp to UTC; None if it is invalid or outside 1900 to 2200."""
    text = clean_text(value)
    try:
        moment = datetime.fromisoformat(text) if text else None
        moment = moment and moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment is not None and moment.year in _YEARS else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value[:12])
    return clean_int(value)


def _year(value: object) -> int | None:
    year = _number(value)
    return year if year in _YEARS else None


def _uuid(value: object) -> str | None:
    try:
        return str(UUID(str(value)))
    except ValueError:
        return None


def _ordinal(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if 0 <= value <= 100_000 else None


def _span(value: object) -> tuple[int | None, int | None] | None:
    """Start and stop in seconds; either may be unknown."""
    span = _object(value)
    start, stop = clean_int(span.get("start")), clean_int(span.get("stop"))
    return None if start is None and stop is None else (start, stop)


def _paragraphs(value: object) -> str:
    return (clean_text(value) or "").replace("\r\n", "\n")


def _genres(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    names = (clean_text(_object(genre).get("name")) for genre in value)
    return tuple(dict.fromkeys(name for name in names if name))


def _episodes(value: object, site: str) -> tuple[UpstreamEpisode, ...] | None:
    """The episodes in the source's order; invalid ones are skipped and logged."""
    if not isinstance(value, list):
        return None
    found: dict[str, UpstreamEpisode] = {}
    for item in value:
        if item is None:
            continue
        try:
            episode = map_episode(item, site=site)
        except MappingError as fault:
            log.warning("anilibria.episode_skipped", reason=str(fault))
        else:
            found[episode.external_id] = episode
    return tuple(sorted(found.values(), key=lambda episode: (episode.sort_order, episode.ordinal)))


def _type(value: object) -> str | None:
    """The type by its code, otherwise by its description, which can be Russian or mix both alphabets."""
    said = _object(value)
    for word in (clean_text(said.get("value")), clean_text(said.get("description"))):
        if word is None:
            continue
        upper = word.upper()
        if known := _TYPES.get(upper) or _TYPES.get(upper.translate(_LOOK_ALIKES)):
            return known
        log.warning("anilibria.unknown_word", kind="type", word=word[:50])
    return None


def _season(value: object) -> Season | None:
    word = clean_text(_object(value).get("value"))
    if word is not None and word not in _SEASONS:
        log.warning("anilibria.unknown_word", kind="season", word=word[:50])
    return _SEASONS.get(word or "")


def _status(data: dict[str, Any], episodes: tuple[UpstreamEpisode, ...] | None) -> Status:
    """``upcoming`` if there has been no episode yet and the release is in production."""
    if data.get("is_ongoing") is True:
        return "airing"
    has_none = episodes == () if episodes is not None else instant(data.get("fresh_at")) is None
    return "upcoming" if has_none and data.get("is_in_production") is True else "finished"


def _pictures(value: object, site: str) -> tuple[str | None, str | None, str | None]:
    """URLs of the small, medium and large picture; the large one is under either of two keys."""
    whole, light = _object(value), _object(_object(value).get("optimized"))
    large = _link(whole.get("preview") or whole.get("src"), site)
    medium = _link(light.get("preview") or light.get("src"), site) or large
    small = _link(whole.get("thumbnail") or light.get("thumbnail"), site) or medium
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
