"""Translation of enumeration values in dumps; MyAnimeList's names of genres, themes and demographics."""

import re
from functools import lru_cache

from app.schemas.domain.anime import TagKind, UpstreamTag

_NOT_A_LETTER = re.compile(r"[^a-z0-9+]")


@lru_cache(maxsize=8192)
def squeezed(word: str) -> str:
    """Normalise a value to a key of the tables below: ``NOT_YET_AIRED`` becomes ``notyetaired``."""
    return _NOT_A_LETTER.sub("", word.lower())


# Placeholders for an unknown value map to None; a value in no table is logged.
_UNKNOWN = dict.fromkeys(["", "unknown", "undefined", "none", "null"])

STATUSES: dict[str, str | None] = {
    **_UNKNOWN,
    **dict.fromkeys(
        ["finishedairing", "finished", "completed", "complete", "cancelled", "canceled"], "finished"
    ),
    **dict.fromkeys(["currentlyairing", "airing", "ongoing", "releasing", "hiatus"], "airing"),
    **dict.fromkeys(["notyetaired", "notyetreleased", "upcoming", "announced"], "upcoming"),
}

SEASONS: dict[str, str | None] = {
    **_UNKNOWN,
    **{name: name for name in ("winter", "spring", "summer", "fall")},
    "autumn": "fall",
}

TYPES: dict[str, str | None] = {
    **_UNKNOWN,
    "tv": "TV",
    "tvshort": "TV",
    "movie": "Movie",
    "ova": "OVA",
    "ona": "ONA",
    "special": "Special",
    "tvspecial": "TV Special",
    "music": "Music",
    "cm": "CM",
    "pv": "PV",
}

RATINGS: dict[str, str | None] = {
    **_UNKNOWN,
    **dict.fromkeys(["g", "gallages"], "G - All Ages"),
    **dict.fromkeys(["pg", "pgchildren"], "PG - Children"),
    **dict.fromkeys(["pg13", "pg13teens13orolder"], "PG-13 - Teens 13 or older"),
    **dict.fromkeys(["r", "r17", "r17+", "r17+violenceprofanity"], "R - 17+ (violence & profanity)"),
    **dict.fromkeys(["r+", "r+mildnudity"], "R+ - Mild Nudity"),
    **dict.fromkeys(["rx", "rxhentai"], "Rx - Hentai"),
}

_SOURCES = (
    "Original", "Manga", "4-koma manga", "Web manga", "Digital manga", "Novel", "Light novel", "Visual novel",
    "Web novel", "Game", "Card game", "Video game", "Book", "Picture book", "Radio", "Music", "Mixed media",
    "Anime", "Live action", "Comic", "Doujinshi", "Multimedia project", "Other",
)  # fmt: skip

SOURCES: dict[str, str | None] = {
    **_UNKNOWN,
    **{squeezed(name): name for name in _SOURCES},
    "mixedmediaproject": "Mixed media",
    "sourceinconnue": None,
}

_GENRES = {
    1: "Action", 2: "Adventure", 4: "Comedy", 5: "Avant Garde", 7: "Mystery", 8: "Drama", 9: "Ecchi",
    10: "Fantasy", 12: "Hentai", 14: "Horror", 22: "Romance", 24: "Sci-Fi", 26: "Girls Love",
    28: "Boys Love", 30: "Sports", 36: "Slice of Life", 37: "Supernatural", 41: "Suspense",
    46: "Award Winning", 47: "Gourmet", 49: "Erotica",
}  # fmt: skip

_THEMES = {
    3: "Racing", 6: "Mythology", 11: "Strategy Game", 13: "Historical", 17: "Martial Arts", 18: "Mecha",
    19: "Music", 20: "Parody", 21: "Samurai", 23: "School", 29: "Space", 31: "Super Power", 32: "Vampire",
    35: "Harem", 38: "Military", 39: "Detective", 40: "Psychological", 48: "Workplace", 50: "Adult Cast",
    51: "Anthropomorphic", 52: "CGDCT", 53: "Childcare", 54: "Combat Sports", 55: "Delinquents",
    56: "Educational", 57: "Gag Humor", 58: "Gore", 59: "High Stakes Game", 60: "Idols (Female)",
    61: "Idols (Male)", 62: "Isekai", 63: "Iyashikei", 64: "Love Polygon", 65: "Magical Sex Shift",
    66: "Mahou Shoujo", 67: "Medical", 68: "Organized Crime", 69: "Otaku Culture", 70: "Performing Arts",
    71: "Pets", 72: "Reincarnation", 73: "Reverse Harem", 74: "Love Status Quo", 75: "Showbiz",
    76: "Survival", 77: "Team Sports", 78: "Time Travel", 79: "Video Game", 80: "Visual Arts",
    81: "Crossdressing", 82: "Urban Fantasy", 83: "Villainess",
}  # fmt: skip

_DEMOGRAPHICS = {15: "Kids", 25: "Shoujo", 27: "Shounen", 42: "Seinen", 43: "Josei"}

_KINDS: dict[TagKind, dict[int, str]] = {"genre": _GENRES, "theme": _THEMES, "demographic": _DEMOGRAPHICS}
_TAGS = {
    (kind, name.lower()): UpstreamTag(kind, name, mal_id)
    for kind, names in _KINDS.items()
    for mal_id, name in names.items()
}
_LOOSE_TAGS = {squeezed(name): tag for (_, name), tag in _TAGS.items()}
_ALIASES = {
    "sciencefiction": "scifi", "sport": "sports", "thriller": "suspense", "magicalgirl": "mahoushoujo",
    "yaoi": "boyslove", "shounenai": "boyslove", "yuri": "girlslove", "shoujoai": "girlslove",
    "bl": "boyslove", "gl": "girlslove", "femaleidols": "idolsfemale", "maleidols": "idolsmale",
    "primarilyadultcast": "adultcast", "cutegirlsdoingcutethings": "cgdct", "superpowers": "superpower",
    "vampires": "vampire", "maleharem": "reverseharem", "detectives": "detective",
    "delinquent": "delinquents",
}  # fmt: skip


@lru_cache(maxsize=8192)
def tag(kind: TagKind, name: str) -> UpstreamTag:
    """A tag of a known kind, with its MyAnimeList id if there is one."""
    return _TAGS.get((kind, name.lower())) or UpstreamTag(kind, name)


@lru_cache(maxsize=8192)
def loose_tag(word: str) -> UpstreamTag | None:
    """The MyAnimeList genre, theme or demographic that a free-form tag matches, if any."""
    key = squeezed(word)
    return _LOOSE_TAGS.get(_ALIASES.get(key, key))
