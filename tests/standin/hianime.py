"""An aniwatch-api in memory for ``httpx.MockTransport``, with synthetic bodies and faults."""

from collections.abc import Callable
from typing import Any

import httpx

HOST = "aniwatch.test"
BASE = f"http://{HOST}:4000"
_ROOT = "/api/v2/hianime"


class HiAnimeStandin:
    """Records every request to any host, and responds with what the test sets or with its own data."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answer: Callable[[httpx.Request], httpx.Response] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.answer is not None:
            return self.answer(request)
        path = request.url.path
        if request.url.host != HOST or not path.startswith(_ROOT):
            return httpx.Response(200, json={"success": True, "data": "a secret of another server"})
        return httpx.Response(200, json={"status": 200, "data": self._data(path.removeprefix(_ROOT))})

    @property
    def asked(self) -> list[str]:
        """The path and query of each request, exactly as sent."""
        return [request.url.raw_path.decode() for request in self.requests]

    def _data(self, path: str) -> dict[str, Any]:
        parts = path.strip("/").split("/")
        if parts[0] == "home":
            return {
                "spotlightAnimes": [{"id": "steinsgate-3", "rank": 1, "poster": None}],
                "genres": ["Drama"],
            }
        if parts[0] == "anime" and parts[-1] == "episodes":
            episode = {"number": 1, "title": "Prologue", "episodeId": f"{parts[1]}?ep=230", "isFiller": False}
            return {"totalEpisodes": 1, "episodes": [episode]}
        if parts[0] == "anime":
            return {"anime": {"info": {"id": parts[1], "malId": 9253, "anilistId": 0}}, "seasons": []}
        return {"path": path, "big": 2**70}
