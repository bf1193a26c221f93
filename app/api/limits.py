"""The client of a request, and rate limits per client address or user with their ``RateLimit`` headers."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from app.api.deps import CurrentUser, Services
from app.container import Container
from app.errors import RateLimited
from app.schemas.domain.accounts import ClientInfo
from app.utils.addresses import Network, address_group, client_address, peer_address
from app.utils.redis.quotas import Quota, rate_headers
from app.utils.text.cleaning import clean_text

SEARCHES = Quota("search", 300, 60)  # shared by all routes that search titles

# Far above normal use: it only stops floods; the services enforce the real limits.
_FLOOD = Quota("auth", 12_000, 60)
_AUTH = ("/auth/", "/api/auth/")
_DEVICE = 200  # stored characters of the user agent


def client_of(connection: HTTPConnection, trusted: Sequence[Network]) -> str:
    """The IP address of the client, resolved through trusted proxies."""
    peer = peer_address(connection.client)
    return client_address(peer, connection.headers.getlist("x-forwarded-for"), trusted)


async def _client(request: Request, services: Services) -> str:
    return client_of(request, services.settings.trusted_proxies)


async def _client_group(client: Annotated[str, Depends(_client)]) -> str:
    return address_group(client)


# The client's address, and the key it is counted by: all addresses of a /64 are one client.
ClientAddress = Annotated[str, Depends(_client)]
ClientGroup = Annotated[str, Depends(_client_group)]


async def _client_of(request: Request, address: ClientAddress, network: ClientGroup) -> ClientInfo:
    device = clean_text(request.headers.get("user-agent", "")[:_DEVICE])
    client = ClientInfo(address, network, device, getattr(request.state, "answer_headers", {}))
    request.state.answer_headers = client.headers
    return client


CurrentClient = Annotated[ClientInfo, Depends(_client_of)]


async def limit_flood(connection: HTTPConnection, services: Container) -> None:
    """Reject a flood of requests to the authentication routes from one client."""
    if connection.scope["path"].startswith(_AUTH):
        client = address_group(client_of(connection, services.settings.trusted_proxies))
        await take(_FLOOD, client, connection, services)


def limited(quota: Quota, *, when: Callable[[Request], bool] = lambda _: True) -> Any:
    """A dependency that enforces ``quota`` per client address and sets the ``RateLimit`` headers.

    Only requests for which ``when`` is true are counted.
    """

    async def check(request: Request, client: ClientGroup, services: Services) -> None:
        if when(request):
            await take(quota, client, request, services)

    return Depends(check)


def is_search(request: Request) -> bool:
    """Whether the request searches by name, which is more expensive than other pages."""
    return any(request.query_params.get(name, "").strip() for name in ("search", "q"))


def limited_by_person(quota: Quota) -> Any:
    """Like :func:`limited`, but counted per user instead of per address."""

    async def check(request: Request, user: CurrentUser, services: Services) -> None:
        await take(quota, str(user.user_id), request, services)

    return Depends(check)


async def take(quota: Quota, client: str, request: HTTPConnection, services: Container) -> None:
    """Use the quota once and set its headers; raises :class:`RateLimited` if it is exhausted."""
    standing = await services.quotas.take(quota, client)
    request.state.answer_headers = rate_headers(quota, standing)
    if not standing.allowed:
        raise RateLimited(retry_after=standing.reset_after)
