"""Plausible synthetic anime, a function of the id."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

LAST_ID = 70_000  # the largest id that Jikan has
FIRST_SEASONAL = 30_000
FIRST_YEAR, LAST_YEAR = 1960, 2030
SEASONS = ("winter", "spring", "summer", "fall")
NOW = date(2026, 11, 1)

_WORDS = json.loads((Path(__file__).parents[1] / "samples" / "jikan_words.json").read_text("utf-8"))
_SITE = "https://myanimelist.net"
_TYPES = ("TV", "Movie", "OVA", "ONA", "Special", "TV Special", "Music")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def season_ids(year: int, season: str) -> list[int]:
    """The ids of one season: 30 to 79 of the 100 reserved for it."""
    if not FIRST_YEAR <= year < LAST_YEAR:
        return []
    slot = (year - FIRST_YEAR) * 4 + SEASONS.index(season)
    first = FIRST_SEASONAL + slot * 100
    return list(range(first, first + 30 + slot * 7 % 50))


def score_of(mal_id: int) -> float:
    """Decreases with the id, so that a list ordered by id is ordered by score too."""
    if mal_id < FIRST_SEASONAL:
        return round(9.05 - mal_id * 0.0001, 2)
    return round(5 + mal_id * 37 % 390 / 100, 2)


def make_anime(mal_id: int, *, full: bool = False) -> dict[str, Any]:
    """Jikan's object for this id, with every key of the real API."""
    begins, ends, season, kind = _run(mal_id)
    upcoming, airing = begins > NOW, begins <= NOW and ends > NOW
    name = _name(mal_id)
    native = _pick("native_first", mal_id) + _pick("native_second", mal_id // 10) + str(mal_id)
    episodes = None if upcoming else 1 if kind in {"Movie", "Music"} else 12 + mal_id % 3 * 6
    score = None if upcoming else score_of(mal_id)
    anime: dict[str, Any] = {
        "mal_id": mal_id,
        "url": f"{_SITE}/anime/{mal_id}/{name.replace(' ', '_')}",
        "images": _images(mal_id),
        "trailer": _trailer(mal_id),
        "approved": True,
        **_titles(name, native, mal_id),
        "type": kind,
        "source": _pick("sources", mal_id),
        "episodes": episodes,
        "status": "Not yet aired" if upcoming else "Currently Airing" if airing else "Finished Airing",
        "airing": airing,
        "aired": _aired(begins, ends, mal_id, upcoming=upcoming, airing=airing),
        "duration": "Unknown" if upcoming else "1 hr 52 min" if kind == "Movie" else "24 min per ep",
        "rating": None if upcoming else _pick("ratings", mal_id),
        "score": score,
        "scored_by": None if score is None else 100_000 - mal_id,
        "rank": None if score is None else mal_id + 1,
        "popularity": mal_id + 2,
        "members": 250_000 - mal_id,
        "favorites": mal_id % 997,
        "synopsis": _pick("synopses", mal_id).format(name=name),
        "background": None,
        "season": season,
        "year": begins.year if season else None,
        "broadcast": _broadcast(mal_id, weekly=kind == "TV" and not upcoming),
        "producers": [],
        "licensors": [],
        "studios": [_named("producer", *_pick("studios", mal_id))],
        "genres": [_named("genre", *_pick("genres", mal_id)), _named("genre", *_pick("genres", mal_id + 3))],
        "explicit_genres": [],
        "themes": [_named("genre", *_pick("themes", mal_id))] if mal_id % 2 else [],
        "demographics": [_named("genre", *_pick("demographics", mal_id))] if mal_id % 3 else [],
    }
    if full:
        anime |= {"relations": [], "theme": {"openings": [], "endings": []}, "external": [], "streaming": []}
    return anime


def _run(mal_id: int) -> tuple[date, date, str | None, str]:
    """First day, last day, season (television only) and type."""
    if mal_id >= FIRST_SEASONAL:
        slot = (mal_id - FIRST_SEASONAL) // 100
        year, quarter = FIRST_YEAR + slot // 4, slot % 4
        if year < LAST_YEAR:
            begins = date(year, 1 + quarter * 3, 1 + mal_id % 28)
            return begins, begins + timedelta(weeks=12), SEASONS[quarter], "TV"
    begins = date(1965 + mal_id % 60, 1 + mal_id % 12, 1 + mal_id % 28)
    kind = _TYPES[mal_id % len(_TYPES)]
    if kind == "TV":
        return begins, begins + timedelta(weeks=12), SEASONS[(begins.month - 1) // 3], kind
    return begins, begins, None, kind


def _name(mal_id: int) -> str:
    first, second = _WORDS["first"], _WORDS["second"]
    name = f"{first[mal_id % len(first)]} {second[mal_id // len(first) % len(second)]}"
    part = mal_id // (len(first) * len(second))
    return f"{name} {part + 1}" if part else name


def _titles(name: str, native: str, mal_id: int) -> dict[str, Any]:
    english = f"The {name}" if mal_id % 4 else None
    synonyms = [f"{name} (TV)", f"SHN-{mal_id}"] if mal_id % 2 else []
    titles = [{"type": "Default", "title": name}]
    titles += [{"type": "Synonym", "title": synonym} for synonym in synonyms]
    titles.append({"type": "Japanese", "title": native})
    if english:
        titles.append({"type": "English", "title": english})
        titles.append({"type": "German", "title": f"Der {name}"})
    return {
        "titles": titles,
        "title": name,
        "title_english": english,
        "title_japanese": native,
        "title_synonyms": synonyms,
    }


def _aired(begins: date, ends: date, mal_id: int, *, upcoming: bool, airing: bool) -> dict[str, Any]:
    """Like Jikan, pads unknown parts with January 1; only ``string`` has the real precision."""
    if upcoming and mal_id % 3 == 0:
        begins, text = date(begins.year, 1, 1), f"{begins.year} to ?"
    elif upcoming and mal_id % 3 == 1:
        begins = begins.replace(day=1)
        text = f"{_MONTHS[begins.month - 1]} {begins.year} to ?"
    elif upcoming or airing:
        text = f"{_written(begins)} to ?"
    elif begins == ends:
        text = _written(begins)
    else:
        text = f"{_written(begins)} to {_written(ends)}"
    last = None if upcoming or airing or begins == ends else ends
    return {
        "from": f"{begins}T00:00:00+00:00",
        "to": f"{last}T00:00:00+00:00" if last else None,
        "prop": {"from": _parts(begins), "to": _parts(last)},
        "string": text,
    }


def _written(day: date) -> str:
    return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"


def _parts(day: date | None) -> dict[str, int | None]:
    if day is None:
        return {"day": None, "month": None, "year": None}
    return {"day": day.day, "month": day.month, "year": day.year}


def _broadcast(mal_id: int, *, weekly: bool) -> dict[str, str | None]:
    if not weekly:
        return {"day": None, "time": None, "timezone": None, "string": "Unknown" if mal_id % 2 else None}
    day, hour = _pick("days", mal_id), f"{mal_id % 24:02}:{mal_id % 2 * 30:02}"
    return {"day": day, "time": hour, "timezone": "Asia/Tokyo", "string": f"{day} at {hour} (JST)"}


def _images(mal_id: int) -> dict[str, dict[str, str]]:
    stem = f"https://cdn.myanimelist.net/images/anime/{mal_id % 2000}/{100_000 + mal_id}"
    return {
        kind: {
            "image_url": f"{stem}.{kind}",
            "small_image_url": f"{stem}t.{kind}",
            "large_image_url": f"{stem}l.{kind}",
        }
        for kind in ("jpg", "webp")
    }


def _trailer(mal_id: int) -> dict[str, Any]:
    code = f"standin{mal_id:04}" if mal_id % 2 else None
    sizes = ("image_url", "small_image_url", "medium_image_url", "large_image_url", "maximum_image_url")
    return {
        "youtube_id": code,
        "url": f"https://www.youtube.com/watch?v={code}" if code else None,
        "embed_url": f"https://www.youtube.com/embed/{code}?enablejsapi=1&wmode=opaque&autoplay=1"
        if code
        else None,
        "images": dict.fromkeys(sizes, f"https://img.youtube.com/vi/{code}/default.jpg" if code else None),
    }


def _named(kind: str, mal_id: int, name: str) -> dict[str, Any]:
    url = f"{_SITE}/anime/{kind}/{mal_id}/{name.replace(' ', '_')}"
    return {"mal_id": mal_id, "type": "anime", "name": name, "url": url}


def _pick(words: str, number: int) -> Any:
    return _WORDS[words][number % len(_WORDS[words])]
