"""The client of a request (address, network, device), known before authentication."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from app.api.limits import ClientAddress, ClientGroup, client_of, take
from app.container import Container
from app.schemas.domain.accounts import ClientInfo
from app.utils.addresses import address_group
from app.utils.redis.quotas import Quota
from app.utils.text.cleaning import clean_text

_DEVICE = 200  # characters of the user agent that are kept

# Far above normal use: it only bounds floods; the services enforce the real limits.
_FLOOD = Quota("auth", 12_000, 60)
_AUTH = ("/auth/", "/api/auth/")


async def limit_flood(connection: HTTPConnection, services: Container) -> None:
    """Reject a flood of requests to the authentication routes from one client."""
    if connection.scope["path"].startswith(_AUTH):
        client = address_group(client_of(connection, services.settings.trusted_proxies))
        await take(_FLOOD, client, connection, services)


async def _client_of(request: Request, address: ClientAddress, network: ClientGroup) -> ClientInfo:
    device = clean_text(request.headers.get("user-agent", "")[:_DEVICE])
    client = ClientInfo(address, network, device, getattr(request.state, "answer_headers", {}))
    request.state.answer_headers = client.headers
    return client


CurrentClient = Annotated[ClientInfo, Depends(_client_of)]
