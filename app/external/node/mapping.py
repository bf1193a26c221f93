"""Map titles that the Node service passes on from AniLibria's API v3; pure functions."""

from typing import Any
from urllib.parse import urljoin

from app.external.anilibria.mapping import MappingError
from app.schemas.domain.anime import Season, Status
from app.schemas.domain.releases import UpstreamEpisode, UpstreamRelease, VideoSource
from app.utils.text.cleaning import clean_int, clean_number, clean_text

_SITE = "https://anilibria.tv"
_SEASONS: dict[str, Season] = {"зима": "winter", "весна": "spring", "лето": "summer", "осень": "fall"}
_STATUSES: dict[str, Status] = {"В работе": "airing", "Завершен": "finished", "Завершён": "finished"}
_TYPES = {"ТВ": "TV", "Фильм": "Movie", "OVA": "OVA", "ONA": "ONA", "Спешл": "Special", "WEB": "WEB"}
_QUALITIES = {"fhd": "1080p", "hd": "720p", "sd": "480p"}


def map_title(data: object) -> UpstreamRelease:
    """Map a title; raises :class:`MappingError` if it has no id or no name."""
    title = _object(data)
    external_id, names = clean_int(title.get("id"), 1), _object(title.get("names"))
    name = clean_text(names.get("ru")) or clean_text(names.get("en"))
    if external_id is None or name is None:
        raise MappingError("a title has no id or no name")
    season, kind, posters = (_object(title.get(key)) for key in ("season", "type", "posters"))
    blocked, player = _object(title.get("blocked")), _object(title.get("player"))
    genres = title.get("genres")
    return UpstreamRelease(
        external_id=external_id,
        name_ru=name,
        name_en=clean_text(names.get("en")),
        name_alternative=clean_text(names.get("alternative")),
        alias=clean_text(title.get("code")),
        description=clean_text(title.get("description")) or "",
        type=_TYPES.get(clean_text(kind.get("string")) or ""),
        status=_STATUSES.get(clean_text(_object(title.get("status")).get("string")) or "", "finished"),
        year=clean_int(season.get("year"), 1900, 2200),
        season=_SEASONS.get(clean_text(season.get("string")) or ""),
        episodes_total=clean_int(kind.get("episodes"), 1, 100_000),
        poster_small=_picture(posters.get("small")),
        poster_medium=_picture(posters.get("medium")),
        poster_large=_picture(posters.get("original")),
        blocked=any(blocked.get(why) is True for why in ("blocked", "copyrights", "geoip")),
        genres=tuple(text for one in genres if (text := clean_text(one))) if isinstance(genres, list) else (),
        episodes=_episodes(player),
    )


def _episodes(player: dict[str, Any]) -> tuple[UpstreamEpisode, ...]:
    host, listed = clean_text(player.get("host")), player.get("list")
    items = listed.values() if isinstance(listed, dict) else listed if isinstance(listed, list) else ()
    found = []
    for item in map(_object, items):
        ordinal = clean_number(item.get("episode"))
        if ordinal is None or not 0 <= ordinal <= 100_000:
            continue
        hls = _object(item.get("hls"))
        links = ((quality, _link(hls.get(key), host)) for key, quality in _QUALITIES.items())
        found.append(
            UpstreamEpisode(
                external_id=clean_text(item.get("uuid")) or f"{ordinal:g}",
                ordinal=ordinal,
                name=clean_text(item.get("name")),
                preview=_link(item.get("preview"), None),
                sources=tuple(VideoSource(quality, url) for quality, url in links if url),
                sort_order=int(ordinal),
            )
        )
    return tuple(sorted(found, key=lambda episode: episode.ordinal))


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _picture(value: object) -> str | None:
    return _link(_object(value).get("url"), None)


def _link(value: object, host: str | None) -> str | None:
    """An absolute http(s) URL; paths are relative to the host, or otherwise to AniLibria's site."""
    text = clean_text(value)
    link = urljoin(f"https://{host}/" if host else f"{_SITE}/", text) if text else None
    return link if link is not None and link.startswith(("https://", "http://")) else None
