"""The stand-in's data: recorded bodies where available, otherwise synthetic titles."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.standin.synthetic import LAST_ID, NOW, SEASONS, make_anime, score_of, season_ids

_PAGE = 25
_LISTED = 27_000  # how many titles the top list has
_RECORDED_HEADERS = ("cache-control", "expires", "last-modified", "x-cache-status", "x-request-fingerprint")


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class World:
    """Answers a request target; ``shared`` is the folder with the recordings, or ``None``."""

    def __init__(self, shared: Path | None) -> None:
        self._exact: dict[tuple[str, tuple[tuple[str, str], ...]], Reply] = {}
        self._recorded: dict[int, dict[str, Any]] = {}
        self._seasons: dict[tuple[int, str], tuple[list[int], int]] = {}
        self._changed: dict[int, dict[str, Any]] = {}
        self._gone: set[int] = set()
        if shared is not None and (shared / "upstream" / "INDEX.json").exists():
            self._load(shared / "upstream")
        known = sorted(
            (i for i, one in self._recorded.items() if one.get("score")), key=self._score, reverse=True
        )
        self._top = sorted(
            [*known, *(i for i in range(1, _LISTED) if i not in self._recorded)], key=self._score
        )
        self._top.reverse()

    def change(self, mal_id: int, fields: dict[str, Any]) -> None:
        """Give this title these fields in every response."""
        self._gone.discard(mal_id)
        self._changed[mal_id] = self._changed.get(mal_id, {}) | fields

    def forget(self, mal_id: int) -> None:
        self._gone.add(mal_id)

    def restore(self) -> None:
        self._changed.clear()
        self._gone.clear()

    def answer(self, target: str) -> Reply:
        """The answer to ``GET target``; the path begins with ``/v4``."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if not self._changed and not self._gone:
            exact = self._exact.get((parts.path, tuple(sorted(query.items()))))
            if exact is not None:
                return exact
        path = parts.path.removeprefix("/v4")
        if match := re.fullmatch(r"/anime/(\d{1,9})(/full)?", path):
            return self._one(int(match[1]), full=bool(match[2]))
        if path == "/anime" or path == "/top/anime" or path.startswith("/seasons/"):
            return self._list(path, query)
        return _not_found()

    def _one(self, mal_id: int, *, full: bool) -> Reply:
        if mal_id in self._gone or (mal_id > LAST_ID and mal_id not in self._changed) or mal_id < 1:
            return _resource_missing(mal_id)
        return _reply({"data": self._anime(mal_id, full=full)})

    def _anime(self, mal_id: int, *, full: bool = False) -> dict[str, Any]:
        anime = self._recorded.get(mal_id) or make_anime(mal_id, full=full)
        return anime | self._changed.get(mal_id, {})

    def _list(self, path: str, query: dict[str, str]) -> Reply:
        page, limit = query.get("page") or "1", query.get("limit") or str(_PAGE)
        if not page.isdecimal() or not limit.isdecimal() or int(page) < 1:
            return _invalid({"page": ["The page must be an integer."]})
        if int(limit) > _PAGE:
            return _invalid({"limit": [f"Value {limit} is higher than the configured '25' max value."]})
        found = self._ids(path, query)
        if found is None:
            return _not_found()
        ids, total = [i for i in found if i not in self._gone], len(found)
        first = (int(page) - 1) * int(limit)
        items = [self._anime(mal_id) for mal_id in ids[first : first + int(limit)]]
        last = max(1, -(-total // max(1, int(limit))))
        pagination = {
            "last_visible_page": last,
            "has_next_page": int(page) < last,
            "current_page": int(page),
            "items": {"count": len(items), "total": total, "per_page": int(limit)},
        }
        return _reply({"pagination": pagination, "data": items})

    def _ids(self, path: str, query: dict[str, str]) -> list[int] | None:
        if path == "/top/anime":
            return self._top
        if path == "/anime":
            wanted = (query.get("q") or "").lower()
            return [
                i for i in (*self._recorded, *range(1, 2000)) if wanted in self._anime(i)["title"].lower()
            ][:500]
        if path in {"/seasons/now", "/seasons/upcoming"}:
            year, season = (NOW.year, "fall") if path.endswith("now") else (NOW.year + 1, "winter")
            return season_ids(year, season)
        match = re.fullmatch(r"/seasons/(\d{4})/([a-z]+)", path)
        if not match or match[2] not in SEASONS:
            return None
        return self._season(int(match[1]), match[2])

    def _season(self, year: int, season: str) -> list[int]:
        recorded, total = self._seasons.get((year, season), ([], 0))
        made = [i for i in season_ids(year, season) if i not in self._recorded]
        return [*recorded, *made][: total or None]

    def _score(self, mal_id: int) -> tuple[float, int]:
        one = self._recorded.get(mal_id)
        return (one["score"] if one else score_of(mal_id)), -mal_id

    def _load(self, folder: Path) -> None:
        for entry in json.loads((folder / "INDEX.json").read_text("utf-8")):
            if entry["svc"] != "jikan" or entry["kind"] == "synthetic":
                continue
            body = json.loads((folder / entry["file"]).read_text("utf-8"))
            self._keep_exact(entry, body)
            if entry["kind"] == "recorded":
                for anime in _anime_in(body):
                    kept = self._recorded.get(anime["mal_id"])
                    if kept is None or len(anime) > len(kept):
                        self._recorded[anime["mal_id"]] = anime
                self._keep_season(entry["endpoint"], body)

    def _keep_exact(self, entry: dict[str, Any], body: Any) -> None:
        method, _, target = entry["endpoint"].partition(" ")
        if (
            method != "GET"
            or not target.startswith("/v4/")
            or "{" in target
            or " " in target
            or "..." in target
        ):
            return
        parts = urlsplit(target)
        headers = {name.lower(): value for name, value in (entry.get("headers") or {}).items()}
        kept = tuple((name, headers[name]) for name in _RECORDED_HEADERS if name in headers)
        key = (parts.path, tuple(sorted(parse_qsl(parts.query))))
        self._exact.setdefault(key, Reply(entry["status"], _encode(body), kept))

    def _keep_season(self, endpoint: str, body: Any) -> None:
        match = re.fullmatch(r"GET /v4/seasons/(\d{4})/([a-z]+)", endpoint)
        if match:
            total = body["pagination"]["items"]["total"]
            self._seasons[int(match[1]), match[2]] = ([one["mal_id"] for one in body["data"]], total)


def _anime_in(body: Any) -> Iterator[dict[str, Any]]:
    data = body.get("data", body) if isinstance(body, dict) else body
    for one in data if isinstance(data, list) else [data]:
        if isinstance(one, dict) and isinstance(one.get("aired"), dict) and "mal_id" in one:
            yield one


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/").encode()


def _reply(value: Any, status: int = 200) -> Reply:
    age = "public, s-maxage=86400" if status == 200 else "no-cache, private"
    return Reply(status, _encode(value), (("cache-control", age),))


def _not_found() -> Reply:
    return _reply({"status": 404, "type": "HttpException", "message": "Not Found", "error": None}, 404)


def _resource_missing(mal_id: int) -> Reply:
    return _reply(
        {
            "status": 404,
            "type": "BadResponseException",
            "message": "Resource does not exist",
            "error": f"404 on https://myanimelist.net/anime/{mal_id}",
        },
        404,
    )


def _invalid(messages: dict[str, list[str]]) -> Reply:
    advice = "Invalid or incomplete request. Make sure your request is correct. https://docs.api.jikan.moe/"
    return _reply({"status": 400, "type": "ValidationException", "messages": messages, "error": advice}, 400)
