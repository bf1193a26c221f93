"""Dependencies of routes: the services, the caller, the page."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Query, Request, Response
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.links import absolute_url
from app.container import Container
from app.errors import Unauthenticated
from app.schemas.domain.accounts import Principal
from app.utils.text.cleaning import INT_MAX

MAX_LIMIT = 100

_PAGING = frozenset({"limit", "offset", "page"})
_UNFIT = str.maketrans({"<": "%3C", ">": "%3E", '"': "%22", " ": "%20"})  # would end a URL in Link

_bearer = OAuth2PasswordBearer(tokenUrl="/api/auth/token", auto_error=False)


async def _container(request: Request) -> Container:
    container: Container = request.app.state.container
    return container


Services = Annotated[Container, Depends(_container)]


BearerToken = Annotated[str | None, Depends(_bearer)]


async def _principal(request: Request, _: BearerToken) -> Principal:
    """The principal that ``access.py`` authenticated."""
    principal: Principal | None = getattr(request.state, "principal", None)
    if principal is None:
        raise Unauthenticated
    return principal


CurrentUser = Annotated[Principal, Depends(_principal)]


async def _optional_principal(bearer: BearerToken, services: Services) -> Principal | None:
    if bearer is None:
        return None
    principal = await services.accounts.authentication.authenticate(bearer)
    return principal if "read:content" in principal.permissions else None


OptionalUser = Annotated[Principal | None, Depends(_optional_principal)]
"""The caller, or None without a token or without permission to read lists; an invalid token is 401."""


class Page(BaseModel):
    """``limit`` with either ``offset`` or ``page``."""

    model_config = ConfigDict(extra="ignore")

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20
    offset: Annotated[int | None, Field(ge=0, le=INT_MAX)] = None
    page: Annotated[int | None, Field(ge=1, le=INT_MAX // MAX_LIMIT)] = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "Page":
        if self.offset is not None and self.page is not None:
            raise ValueError("give offset or page, not both")
        return self

    @property
    def start(self) -> int:
        """The number of rows before this page."""
        return (self.page - 1) * self.limit if self.page else self.offset or 0


Paging = Annotated[Page, Query()]


def page_headers(request: Request, page: Page, total: int) -> dict[str, str]:
    """The headers ``X-Total-Count`` and ``Link`` of a page."""
    last = max(0, (total - 1) // page.limit * page.limit) if total else 0
    targets = {"first": 0, "last": last}
    if page.start > 0:
        targets["prev"] = max(0, min(page.start, last + page.limit) - page.limit)
    if page.start + page.limit < total:
        targets["next"] = page.start + page.limit
    url_of = _page_urls(request, page)
    links = [f'<{url_of(start)}>; rel="{rel}"' for rel, start in targets.items()]
    return {"X-Total-Count": str(total), "Link": ", ".join(links)}


def set_page_headers(request: Request, response: Response, page: Page, total: int) -> None:
    response.headers.update(page_headers(request, page, total))


def _page_urls(request: Request, page: Page) -> Callable[[int], str]:
    """A function from an offset to the URL of that page, with all other parameters of the request."""
    sent = request.scope["query_string"].decode("latin-1").split("&")
    others = "".join(f"{pair}&" for pair in sent if pair and pair.partition("=")[0] not in _PAGING)
    base = f"{absolute_url(request, request.scope['path'])}?{others.translate(_UNFIT)}"
    limit = f"&limit={page.limit}" if page.limit != INT_MAX else ""  # INT_MAX: none was given
    if page.page:
        return lambda start: f"{base}page={start // page.limit + 1}{limit}"
    return lambda start: f"{base}offset={start}{limit}"
