"""Absolute URLs, based on ``PUBLIC_BASE_URL`` or on the host that the client used."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from app.config import Settings
from app.utils.addresses import peer_address, trusted_hops

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
_SCHEMES = frozenset({"http", "https"})
_WEBSOCKET_SCHEMES = {"ws": "http", "wss": "https"}
_FORWARDED = re.compile(r'([A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))')
_ELEMENTS = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')


def absolute_url(connection: HTTPConnection, path: str) -> str:
    """The absolute URL of ``path``, a decoded path of this application."""
    settings: Settings = connection.app.state.container.settings
    return f"{origin_of(connection.scope, settings)}{quote(path)}"


def page_url(connection: HTTPConnection, path: str) -> str:
    """The link to ``path`` for a user: at ``APP_URL``, otherwise like :func:`absolute_url`."""
    settings: Settings = connection.app.state.container.settings
    return f"{settings.app_url}{quote(path)}" if settings.app_url else absolute_url(connection, path)


def opened_by_browser(request: Request) -> bool:
    """Whether a person opened the address: browsers accept HTML then, and no JSON by name."""
    accepted = ",".join(request.headers.getlist("accept")).lower()
    return request.method in ("GET", "HEAD") and "text/html" in accepted and "json" not in accepted


def redirect_browser(request: Request, path: str) -> Response | None:
    """Redirect a user's browser to ``path`` of the page; None for programs."""
    if not opened_by_browser(request):
        return None
    return RedirectResponse(quote(path), 303, {"Vary": "Accept"})


def origin_of(scope: Scope, settings: Settings) -> str:
    """The base of absolute URLs: ``PUBLIC_BASE_URL``, otherwise scheme and host as the client used them.

    Forwarded headers are used only from ``TRUSTED_PROXIES``, and only if they contain a valid scheme and
    host. Empty if the client sent no host, which makes links relative.
    """
    if settings.public_base_url:
        return settings.public_base_url
    scheme, host = _WEBSOCKET_SCHEMES.get(scope["scheme"], scope["scheme"]), ""
    headers = scope["headers"]
    for name, value in headers:
        if name == b"host":
            host = value.decode("latin-1")
    if settings.trusted_proxies:
        said_scheme, said_host = _forwarded(scope, settings)
        scheme, host = said_scheme or scheme, said_host or host
    return f"{scheme}://{host}" if _HOST.fullmatch(host) else ""


def is_allowed_origin(origin: str, scope: Scope, settings: Settings) -> bool:
    """Whether an ``Origin`` header is our own origin or one of ``ALLOWED_ORIGINS``."""
    wanted, allowed = origin.lower(), settings.allowed_origins
    if "*" not in wanted and wanted in {origin_of(scope, settings).lower(), *allowed}:
        return True
    pattern = any_port_pattern(allowed)
    return pattern is not None and re.fullmatch(pattern, wanted) is not None


def any_port_pattern(origins: Sequence[str]) -> str | None:
    """A regular expression for the origins that allow any port, such as ``http://localhost:*``."""
    local = [re.escape(origin.removesuffix("*")) for origin in origins if "*" in origin]
    return rf"(?:{'|'.join(local)})\d{{1,5}}" if local else None


def _forwarded(scope: Scope, settings: Settings) -> tuple[str, str]:
    """Scheme and host as the outermost trusted proxy saw them; empty if it did not forward them."""
    connection = HTTPConnection(scope)
    lists = {
        name: _words(connection.headers.getlist(f"x-forwarded-{name}")) for name in ("for", "proto", "host")
    }
    if not any(lists.values()):
        lists = _standard(connection.headers.getlist("forwarded"))
    hops = trusted_hops(peer_address(connection.client), lists["for"], settings.trusted_proxies)
    if hops == 0:
        return "", ""
    scheme, host = _at(lists["proto"], hops).lower(), _at(lists["host"], hops)
    return scheme if scheme in _SCHEMES else "", host if _HOST.fullmatch(host) else ""


def _words(lines: Sequence[str]) -> list[str]:
    return [word.strip() for line in lines for word in line.split(",") if word.strip()]


def _standard(lines: Sequence[str]) -> dict[str, list[str]]:
    """The ``Forwarded`` headers of RFC 7239, converted to the format of the ``X-Forwarded`` ones."""
    lists: dict[str, list[str]] = {"for": [], "proto": [], "host": []}
    for element in (element for line in lines for element in _ELEMENTS.findall(line)):
        said = {name.lower(): quoted or plain for name, quoted, plain in _FORWARDED.findall(element)}
        for name, values in lists.items():
            values.append(said.get(name, ""))
    return lists


def _at(values: Sequence[str], hops: int) -> str:
    """The value added by the proxy ``hops`` away: proxies append at the right or replace the header."""
    return values[-min(hops, len(values))] if values else ""
