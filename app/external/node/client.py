"""Client for the Node service: its titles, event notifications, validation of its users."""

from collections.abc import Mapping
from typing import Any

from app.errors import NotFound, UpstreamError
from app.external.anilibria.mapping import MappingError, all_of
from app.external.base.client import JOB, USER, Client, Deadline, Policy, Request, path_of
from app.external.node.mapping import map_title
from app.schemas.domain.releases import UpstreamRelease
from app.utils.redis.rate_limit import Rate

NODE = Policy("node", "The Node service")
NODE_RATE = Rate.of(per_second=50, per_minute=3000)  # our own limit, in case of a bug


class NodeClient(Client):
    """Every method raises ``NotFound`` if it has no such resource, otherwise ``UpstreamFailure``."""

    policy = NODE

    def __init__(self, base_url: str, *, token: str | None, **options: Any) -> None:
        super().__init__(base_url, **options)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def get_title(self, title_id: int, *, deadline: Deadline = USER) -> UpstreamRelease:
        body = await self._read("api", "anilibria", title_id, deadline=deadline)
        try:
            release = map_title(body)
        except MappingError as fault:
            raise UpstreamError(f"The Node service's title cannot be mapped: {fault}.") from fault
        if release.external_id != title_id:  # while its own upstream is down it returns made-up titles
            raise UpstreamError("The Node service returned a different title.")
        return release

    async def list_titles(
        self, name: str, query: Mapping[str, str | int], *, deadline: Deadline = USER
    ) -> list[UpstreamRelease]:
        """One of its lists: ``popular``, ``updates`` or ``search``."""
        body = await self._read("api", "anilibria", name, query=query, deadline=deadline)
        if not isinstance(body, list):
            raise UpstreamError("The Node service's response has no list.")
        titles: list[UpstreamRelease] = all_of(body, map_title)[0]
        return titles

    async def notify(self, message: Mapping[str, Any], *, deadline: Deadline = JOB) -> None:
        """Send an event."""
        path = path_of(("internal", "anilibria", "notify"))
        shapes = (dict, list, str, type(None))
        await self._upstream.ask(Request(path, {}, message, self._headers, shapes), deadline)

    async def find_user(self, user_id: str, *, deadline: Deadline = USER) -> dict[str, Any] | None:
        """Its data of a user; None if it has no such user."""
        path = path_of(("internal", "users", "validate", user_id))
        try:
            answer: dict[str, Any] = await self._upstream.ask(
                Request(path, {}, headers=self._headers), deadline
            )
        except NotFound:
            return None
        data = answer.get("data", answer)
        return data if isinstance(data, dict) else None

    async def _read(
        self, *parts: str | int, query: Mapping[str, str | int] | None = None, deadline: Deadline
    ) -> Any:
        body: dict[str, Any] = await self._upstream.ask(Request(path_of(parts), query or {}), deadline)
        if body.get("success") is False:
            raise UpstreamError("The Node service reported a failure.")
        return body.get("data")
