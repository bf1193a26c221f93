"""The data of the AniLibria stand-in: recorded releases, and synthetic ones."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_URL, uuid5

from tests.standin.world import Reply

_GENRES = ("Боевые искусства", "Вампиры", "Драма", "Комедия", "Романтика", "Школа", "Экшен")
_SEASONS = ("winter", "spring", "summer", "autumn")
_TYPES = ("TV", "ONA", "OVA", "MOVIE", "SPECIAL")
_START = datetime(2025, 1, 1, tzinfo=UTC)
MADE = range(1, 121)  # synthetic ids


def made_episode(release_id: int, ordinal: float, *, hour: int = 0) -> dict[str, Any]:
    base = f"https://cache.test/videos/media/ts/{release_id}/{ordinal:g}"
    return {
        "id": str(uuid5(NAMESPACE_URL, f"{release_id}/{ordinal:g}")),
        "name": None if ordinal == 1 else f"Серия {ordinal:g}",
        "ordinal": ordinal,
        "opening": {"start": 10, "stop": 100},
        "ending": {"start": None, "stop": None},
        "preview": {"src": f"/storage/previews/{release_id}/{ordinal:g}.jpg", "thumbnail": None},
        "hls_480": f"{base}/480.m3u8?countryIso=RU",
        "hls_720": f"{base}/720.m3u8?countryIso=RU",
        "hls_1080": None if release_id % 3 == 0 else f"{base}/1080.m3u8?countryIso=RU",
        "duration": 1420,
        "rutube_id": None,
        "youtube_id": None,
        "updated_at": _iso(_START + timedelta(hours=release_id + hour)),
        "sort_order": int(ordinal * 2),
        "release_id": release_id,
        "name_english": None,
    }


def made_release(number: int) -> dict[str, Any]:
    fresh = _iso(_START + timedelta(hours=number))
    return {
        "id": number,
        "type": {"value": _TYPES[number % 5], "description": "ОNA"},
        "year": 2000 + number % 25,
        "name": {"main": f"Тайтл номер {number}", "english": f"Title number {number}", "alternative": None},
        "alias": f"title-number-{number}",
        "season": {"value": _SEASONS[number % 4], "description": "Осень"},
        "poster": {
            "src": f"/storage/posters/{number}.jpg",
            "thumbnail": f"/storage/posters/{number}_small.jpg",
            "optimized": {"src": f"/storage/posters/{number}.webp", "thumbnail": None},
        },
        "fresh_at": fresh,
        "created_at": fresh,
        "updated_at": fresh,
        "is_ongoing": number % 4 == 0,
        "age_rating": {"value": "R16_PLUS", "label": "16+", "is_adult": False, "description": ""},
        "publish_day": {"value": number % 7 + 1, "description": "Воскресенье"},
        "description": f"О номере {number}.\r\nИ не только.",
        "notification": None,
        "episodes_total": 12,
        "external_player": None,
        "is_in_production": number % 4 == 0,
        "is_blocked_by_geo": False,
        "is_blocked_by_copyrights": False,
        "added_in_users_favorites": number * 7 % 100,
        "average_duration_of_episode": 24,
        "genres": [{"id": n + 1, "name": _GENRES[n]} for n in (number % 7, (number + 1) % 7)],
        "episodes": [made_episode(number, ordinal) for ordinal in (1, 2, 2.5, 3)],
    }


class AniLibriaWorld:
    """Filters, sorts and pages like the real API; ``change`` gives a release other values."""

    def __init__(self, shared: Path) -> None:
        self._shared = shared
        self._releases: dict[int, dict[str, Any]] = {}
        self.restore()

    def restore(self) -> None:
        self._releases = {number: made_release(number) for number in MADE}
        folder = self._shared / "upstream" / "anilibria"
        recorded = folder / "v1_anime_releases_latest_20_2025_01.json"
        if recorded.is_file():
            for release in json.loads(recorded.read_text()):
                latest = release.pop("latest_episode")
                found = next(folder.glob(f"v1_release_{release['id']}_episodes*.json"), None)
                episodes = json.loads(found.read_text())["episodes"] if found else [latest]
                self._releases[release["id"]] = {**release, "episodes": episodes}

    def change(self, release_id: int, fields: dict[str, Any]) -> None:
        known = self._releases.get(release_id) or {**made_release(release_id), "id": release_id}
        self._releases[release_id] = {**known, **copy.deepcopy(fields)}

    def forget(self, release_id: int) -> None:
        self._releases.pop(release_id, None)

    def answer(self, target: str) -> Reply:
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix("/api/v1/")
        lists: dict[str, Callable[[dict[str, str]], Any]] = {
            "anime/releases/latest": self._latest,
            "anime/catalog/releases": self._catalogue,
            "app/search/releases": self._search,
            "anime/releases/random": lambda _: [self._summary(self._releases[min(self._releases)])],
            "anime/schedule/week": self._schedule,
            "anime/genres": lambda _: [
                {"id": number, "name": name, "total_releases": 10} for number, name in enumerate(_GENRES, 1)
            ],
            "app/status": lambda _: {"is_alive": True},
        }
        if path in lists:
            return _json(lists[path](query))
        number = path.removeprefix("anime/releases/")
        if number.isdecimal() and int(number) in self._releases:
            return _json(self._releases[int(number)])
        return _json({"message": "Not found"}, 404)

    def _by_freshness(self) -> list[dict[str, Any]]:
        return sorted(
            self._releases.values(), key=lambda one: (one["fresh_at"] or "", one["id"]), reverse=True
        )

    def _latest(self, query: dict[str, str]) -> list[dict[str, Any]]:
        chosen = [one for one in self._by_freshness() if one["episodes"]][: int(query.get("limit", 14))]
        return [{**self._summary(one), "latest_episode": one["episodes"][-1]} for one in chosen]

    def _catalogue(self, query: dict[str, str]) -> dict[str, Any]:
        found = [one for one in self._by_freshness() if _matches(one, query)]
        sorting = query.get("f[sorting]", "FRESH_AT_DESC")
        if not sorting.startswith("FRESH_AT"):
            key = "added_in_users_favorites" if sorting.startswith("RATING") else "year"
            found.sort(key=lambda one: (one[key], one["id"]), reverse=True)
        if sorting.endswith("_ASC"):
            found.reverse()
        page, limit = int(query.get("page", 1)), int(query.get("limit", 15))
        pages = max(1, -(-len(found) // limit))
        return {
            "data": [self._summary(one) for one in found[(page - 1) * limit : page * limit]],
            "meta": {"pagination": {"total": str(len(found)), "total_pages": str(pages), "links": []}},
        }

    def _search(self, query: dict[str, str]) -> list[dict[str, Any]]:
        words = query.get("query", "").casefold()
        found = [one for one in self._releases.values() if words in " ".join(_names(one)).casefold()]
        return [self._summary(one, without=("episodes", "genres")) for one in found]

    def _schedule(self, _: dict[str, str]) -> dict[str, Any]:
        airing = [one for one in self._releases.values() if one["is_ongoing"]]
        return {
            "data": [
                {"release": self._summary(one), "next_release_episode_number": len(one["episodes"]) + 1}
                for one in airing
            ]
        }

    @staticmethod
    def _summary(release: dict[str, Any], without: tuple[str, ...] = ("episodes",)) -> dict[str, Any]:
        return {name: value for name, value in release.items() if name not in without}


def _matches(release: dict[str, Any], query: dict[str, str]) -> bool:
    genres = {str(genre["id"]) for genre in release["genres"]}
    wanted: dict[str, Callable[[str], bool]] = {
        "f[years][from_year]": lambda value: release["year"] >= int(value),
        "f[years][to_year]": lambda value: release["year"] <= int(value),
        "f[seasons]": lambda value: release["season"]["value"] == value,
        "f[publish_statuses]": lambda value: release["is_ongoing"] == (value == "IS_ONGOING"),
        "f[genres]": lambda value: set(value.split(",")) <= genres,
        "f[search]": lambda value: value.casefold() in " ".join(_names(release)).casefold(),
    }
    return all(check(query[name]) for name, check in wanted.items() if name in query)


def _names(release: dict[str, Any]) -> list[str]:
    return [name for name in release["name"].values() if name]


def _json(body: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode())


def _iso(moment: datetime) -> str:
    return moment.isoformat()
