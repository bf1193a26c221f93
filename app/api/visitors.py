"""Who is on the other end, before it is known whose account that is."""

from typing import Annotated

from fastapi import Depends, Request

from app.api.deps import Services
from app.api.limits import ClientAddress, ClientGroup, take
from app.schemas.domain.accounts import Visitor
from app.utils.cleaning import clean_text
from app.utils.quotas import Quota

_DEVICE = 200  # characters of the user agent that are kept

# Far above what people and their programs do: it bounds floods, the real limits are the services'.
_FLOOD = Quota("auth", 12_000, 60)
_AUTH = ("/auth/", "/api/auth/")


async def _stem(request: Request, network: ClientGroup, services: Services) -> None:
    if request.url.path.startswith(_AUTH):
        await take(_FLOOD, network, request, services)


# Before anybody is authenticated, so that a refusal tells the limits too.
flood_guard = Depends(_stem)


def _visitor(request: Request, address: ClientAddress, network: ClientGroup) -> Visitor:
    device = clean_text(request.headers.get("user-agent", "")[:_DEVICE])
    visitor = Visitor(address, network, device, getattr(request.state, "answer_headers", {}))
    request.state.answer_headers = visitor.headers
    return visitor


CurrentVisitor = Annotated[Visitor, Depends(_visitor)]
