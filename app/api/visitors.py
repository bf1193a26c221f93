"""Who is on the other end, before it is known whose account that is."""

from typing import Annotated

from fastapi import Depends, Request

from app.api.limits import ClientAddress, ClientGroup, limited
from app.schemas.domain.accounts import Visitor
from app.utils.cleaning import clean_text
from app.utils.quotas import Quota

_DEVICE = 200  # characters of the user agent that are kept

# Far above what people and their programs do: it bounds floods, the real limits are the services'.
flood_guard = limited(Quota("auth", 12_000, 60))


def _visitor(request: Request, address: ClientAddress, network: ClientGroup) -> Visitor:
    device = clean_text(request.headers.get("user-agent", "")[:_DEVICE])
    visitor = Visitor(address, network, device, getattr(request.state, "answer_headers", {}))
    request.state.answer_headers = visitor.headers
    return visitor


CurrentVisitor = Annotated[Visitor, Depends(_visitor)]
