"""An in-memory AniList for ``httpx.MockTransport``: readable and writable lists, and ways to misbehave."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx

HOST = "anilist.test"
API = f"http://{HOST}/graphql"
OAUTH = f"http://{HOST}/oauth"
CODE = "a code of somebody"

_STARS = {1: 10, 2: 30, 3: 50, 4: 70, 5: 90}


class AniListStandin:
    """One user's lists. Scores are stored in hundredths and returned in ``score_format``, as AniList does.

    ``answer`` handles calls first, and may return None to pass a call on; ``asked`` has every call.
    """

    def __init__(
        self, *, user_id: int = 77, name: str = "mio", score_format: str = "POINT_10_DECIMAL"
    ) -> None:
        self.user_id = user_id
        self.name = name
        self.score_format = score_format
        self.token = "a-token-of-mio.that-nobody.may-see"
        self.entries: dict[int, dict[str, Any]] = {}
        self.media: dict[int, dict[str, Any]] = {}
        self.custom: dict[str, list[int]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.saves: list[dict[str, Any]] = []
        self.answer: Callable[[str, dict[str, Any]], httpx.Response | None] | None = None
        self.headers = {"X-RateLimit-Limit": "30", "X-RateLimit-Remaining": "29"}
        self.now = 1_700_000_000

    def add(self, media_id: int, *, type: str = "ANIME", mal_id: int | None = None, **fields: Any) -> None:
        """Add a title, and the user's entry of it."""
        self.know(media_id, type=type, mal_id=mal_id)
        self.entries[media_id] = {**_blank(media_id), "id": 9_000_000 + media_id}
        self.edit(media_id, **fields)

    def know(
        self, media_id: int, *, type: str = "ANIME", mal_id: int | None = None, total: int | None = None
    ) -> None:
        counted = "chapters" if type == "MANGA" else "episodes"
        self.media[media_id] = {
            "id": media_id, "idMal": mal_id, "type": type, "format": "TV", counted: total,
            "title": {"romaji": f"Title {media_id}", "english": None, "native": None},
            "coverImage": {"large": f"https://img.test/{media_id}.jpg"},
            "siteUrl": f"https://anilist.co/{type.lower()}/{media_id}",
        }  # fmt: skip

    def edit(self, media_id: int, **fields: Any) -> None:
        """Edit an entry on AniList's side; ``score`` is in hundredths."""
        self.now += 1
        self.entries[media_id] |= {"updatedAt": self.now, **fields}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == HOST, request.url
        if request.url.path.startswith("/oauth/"):
            return self._token(json.loads(request.content))
        sent = json.loads(request.content)
        query, variables = sent["query"], sent["variables"]
        name = next(one for one in _OPERATIONS if one in query)
        self.asked.append((name, variables))
        if self.answer is not None and (answer := self.answer(name, variables)) is not None:
            return answer
        bearer = request.headers.get("Authorization")
        if bearer is not None and bearer != f"Bearer {self.token}":
            return failure(400, "Invalid token")
        operation = getattr(self, f"_{_OPERATIONS[name]}")
        answer = operation(variables, signed=bearer is not None)
        return answer if isinstance(answer, httpx.Response) else self._good(answer)

    def count(self, name: str) -> int:
        return sum(one == name for one, _ in self.asked)

    def _good(self, found: dict[str, Any]) -> httpx.Response:
        return httpx.Response(200, json={"data": found}, headers=self.headers)

    def _token(self, sent: dict[str, Any]) -> httpx.Response:
        self.asked.append(("token", sent))
        if sent["code"] != CODE:
            return httpx.Response(400, json={"error": "invalid_grant", "hint": "Cannot decrypt the code"})
        return httpx.Response(
            200, json={"token_type": "Bearer", "expires_in": 31_622_400, "access_token": self.token}
        )

    def _viewer(self, _: dict[str, Any], *, signed: bool) -> Any:
        if not signed:
            return failure(401, "Unauthorized.")
        options = {"scoreFormat": self.score_format}
        return {"Viewer": {"id": self.user_id, "name": self.name, "mediaListOptions": options}}

    def _collection(self, variables: dict[str, Any], *, signed: bool) -> Any:
        if variables.get("userId") != self.user_id and variables.get("userName") != self.name:
            return failure(404, "User not found", MediaListCollection=None)
        mine = sorted(id_ for id_ in self.entries if self.media[id_]["type"] == variables["type"])
        visible = [id_ for id_ in mine if signed or not self.entries[id_]["private"]]
        start = (variables["chunk"] - 1) * variables["perChunk"]
        some = visible[start : start + variables["perChunk"]]
        hidden = {id_ for id_ in some if self.entries[id_].get("hidden")}
        told = {id_: self._told(self.entries[id_]) for id_ in some}
        lists = [
            {"name": "All", "isCustomList": False, "entries": [told[i] for i in some if i not in hidden]}
        ]
        lists += [
            {
                "name": name,
                "isCustomList": True,
                "status": None,
                "entries": [told[i] for i in some if i in ids],
            }
            for name, ids in self.custom.items()
        ]
        user = {"id": self.user_id, "name": self.name, "mediaListOptions": {"scoreFormat": self.score_format}}
        more = len(visible) > start + variables["perChunk"]
        return {"MediaListCollection": {"hasNextChunk": more, "user": user, "lists": lists}}

    def _some_entries(self, variables: dict[str, Any], *, signed: bool) -> Any:
        found = [self.entries[id_] for id_ in variables["ids"] if id_ in self.entries]
        return {"Page": {"mediaList": [self._told(entry) for entry in found]}}

    def _save(self, variables: dict[str, Any], *, signed: bool) -> Any:
        if not signed:
            return failure(401, "Unauthorized.", SaveMediaListEntry=None)
        media_id = variables["mediaId"]
        if media_id not in self.media:
            return failure(404, "Not Found.", SaveMediaListEntry=None)
        self.saves.append(variables)
        entry = self.entries.setdefault(media_id, {**_blank(media_id), "id": 9_000_000 + media_id})
        news = {name: value for name, value in variables.items() if name not in {"mediaId", "scoreRaw"}}
        if "scoreRaw" in variables:
            news["score"] = variables["scoreRaw"]
        total = self.media[media_id].get("episodes")
        if total is not None and "progress" in news:
            news["progress"] = min(news["progress"], total)  # AniList clamps silently
        self.now += 1
        entry |= {"updatedAt": self.now, **news}
        return {"SaveMediaListEntry": self._told(entry)}

    def _search(self, variables: dict[str, Any], *, signed: bool) -> Any:
        words = variables["search"].casefold()
        known = [one for one in self.media.values() if one["type"] == variables["type"]]
        return {"Page": {"media": [one for one in known if words in one["title"]["romaji"].casefold()]}}

    def _of_ids(self, variables: dict[str, Any], *, signed: bool) -> Any:
        ids, mal_ids = variables.get("ids") or [], variables.get("malIds") or []
        known = [one for one in self.media.values() if one["type"] == variables["type"]]
        return {"Page": {"media": [one for one in known if one["id"] in ids or one["idMal"] in mal_ids]}}

    def _one(self, variables: dict[str, Any], *, signed: bool) -> Any:
        known = self.media.get(variables.get("id", 0))
        return {"Media": known} if known else failure(404, "Not Found.", Media=None)

    def _told(self, entry: dict[str, Any]) -> dict[str, Any]:
        shown = {name: value for name, value in entry.items() if name != "hidden"}
        return {**shown, "score": self._score(entry["score"]), "media": self.media[entry["mediaId"]]}

    def _score(self, score: int) -> float:
        if self.score_format == "POINT_100" or not score:
            return score
        if self.score_format == "POINT_10_DECIMAL":
            return score / 10
        if self.score_format == "POINT_5":
            return max(star for star, low in _STARS.items() if low <= max(score, 10))
        if self.score_format == "POINT_3":
            return 1 if score <= 35 else 2 if score <= 60 else 3
        return score // 10


_OPERATIONS = {
    "MediaListCollection": "collection",
    "SaveMediaListEntry": "save",
    "Viewer": "viewer",
    "mediaList(": "some_entries",
    "id_in": "of_ids",
    "media(search": "search",
    "Media(": "one",
}


def failure(status: int, message: str, **found: Any) -> httpx.Response:
    """A failure as AniList reports it: by status and in the body."""
    body = {"errors": [{"message": message, "status": status}], "data": found or None}
    headers = {"Retry-After": "60"} if status == 429 else {}
    return httpx.Response(status, json=body, headers=headers)


def fuzzy(year: int | None = None, month: int | None = None, day: int | None = None) -> dict[str, int | None]:
    return {"year": year, "month": month, "day": day}


def state_of(url: str) -> str:
    """The ``state`` parameter of the sign-in URL."""
    return parse_qs(httpx.URL(url).query.decode())["state"][0]


def _blank(media_id: int) -> dict[str, Any]:
    return {
        "mediaId": media_id, "status": "CURRENT", "score": 0, "progress": 0, "progressVolumes": None,
        "repeat": 0, "private": False, "notes": None, "updatedAt": 0, "startedAt": fuzzy(),
        "completedAt": fuzzy(),
    }  # fmt: skip
