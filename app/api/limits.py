"""Inbound limits: how often one client address may ask, and the headers that tell it where it stands."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from app.api.deps import CurrentUser, Services
from app.container import Container
from app.errors import RateLimited
from app.utils.addresses import Network, address_group, client_address, peer_address
from app.utils.redis.quotas import Quota, rate_headers

SEARCHES = Quota("search", 300, 60)  # on every route that searches titles, together


def client_of(connection: HTTPConnection, trusted: Sequence[Network]) -> str:
    """The address of the client, as far as trusted proxies tell it."""
    peer = peer_address(connection.client)
    return client_address(peer, connection.headers.getlist("x-forwarded-for"), trusted)


async def _client(request: Request, services: Services) -> str:
    return client_of(request, services.settings.trusted_proxies)


async def _client_group(client: Annotated[str, Depends(_client)]) -> str:
    return address_group(client)


# The address of the client, and the one it counts with: all addresses of a /64 are one client.
ClientAddress = Annotated[str, Depends(_client)]
ClientGroup = Annotated[str, Depends(_client_group)]


def limited(quota: Quota, *, when: Callable[[Request], bool] = lambda _: True) -> Any:
    """A dependency that lets a client pass as often as ``quota`` allows, and tells it where it stands.

    Requests that are not ``when`` the limit is for pass uncounted.
    """

    async def check(request: Request, client: ClientGroup, services: Services) -> None:
        if when(request):
            await take(quota, client, request, services)

    return Depends(check)


def is_search(request: Request) -> bool:
    """Whether titles are searched for by their names, which costs more than other pages."""
    return any(request.query_params.get(name, "").strip() for name in ("search", "q"))


def limited_by_person(quota: Quota) -> Any:
    """The same for who is signed in, wherever the requests come from."""

    async def check(request: Request, user: CurrentUser, services: Services) -> None:
        await take(quota, str(user.user_id), request, services)

    return Depends(check)


async def take(quota: Quota, client: str, request: HTTPConnection, services: Container) -> None:
    """Use the quota of the client once, tell it where it stands, and refuse it where nothing is left."""
    standing = await services.quotas.take(quota, client)
    request.state.answer_headers = rate_headers(quota, standing)
    if not standing.allowed:
        raise RateLimited(retry_after=standing.reset_after)
