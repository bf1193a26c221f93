"""The web client at `/`: its static files, and the paths of its views."""

import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from app.api.access import access
from app.api.conditional import etag_of, is_known_to
from app.api.middleware.compression import BODY, Compressed
from app.errors import NotFound

STATIC = Path(__file__).parents[1] / "static"
# All of these return the page, which reads the path. No view shares its first segment with an API path.
VIEWS = (
    "/", "/title/{anime_id}", "/library", "/continue", "/recommended", "/statistics", "/history",
    "/import", "/connections", "/profile", "/my/collections", "/my/collections/{collection_id}",
    "/shared/{token}", "/people/{username}", "/operator/{part}",
    "/sign-in", "/sign-up", "/reset-password",
)  # fmt: skip

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: https:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_ASK_AGAIN = "no-cache"
_FOREVER = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json"}


@dataclass(frozen=True, slots=True)
class _File:
    media_type: str
    body: Compressed
    etag: str


def add_page(app: FastAPI) -> None:
    """Serve the page at the paths of its views, and its files under `/assets/`."""
    for path in VIEWS:
        app.add_route(path, _show, include_in_schema=False)
    app.add_route("/assets/{path:path}", _send_asset, include_in_schema=False)


@access("public")
async def _show(request: Request) -> Response:
    return _answer(request, _page(), _ASK_AGAIN)


def missing_page(request: Request) -> Response:
    """The page with status 404: its router shows that there is nothing at this address."""
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": _CSP, "Vary": "Accept"}
    request.scope[BODY] = _page().body
    return Response(_page().body.plain, 404, headers, media_type=_page().media_type)


@access("public")
async def _send_asset(request: Request) -> Response:
    """A static file; under the current digest of all files, which the page links, it is cacheable for ever.

    Under another release's digest the current file is sent, not cacheable: processes are replaced one by one.
    """
    first, _, rest = request.path_params["path"].partition("/")
    path = rest if first.startswith("v-") else f"{first}/{rest}".rstrip("/")
    file = _assets().get(path)
    if file is None:
        raise NotFound("File not found.")
    return _answer(request, file, _FOREVER if first == _digest() else _ASK_AGAIN)


def _answer(request: Request, file: _File, cache_control: str) -> Response:
    headers = {"ETag": file.etag, "Cache-Control": cache_control, "Content-Security-Policy": _CSP}
    if is_known_to(request, file.etag):
        return Response(status_code=304, headers=headers)
    request.scope[BODY] = file.body
    return Response(file.body.plain, headers=headers, media_type=file.media_type)


def _read(path: Path, body: bytes) -> _File:
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _File(media_type, Compressed(body), etag_of(body))


@cache
def _assets() -> dict[str, _File]:
    """All files by their path below `/assets/`."""
    root = STATIC / "assets"
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): _read(path, path.read_bytes()) for path in paths}


@cache
def _digest() -> str:
    tags = (f"{name}{file.etag}".encode() for name, file in _assets().items())
    return f"v-{etag_of(*tags)[1:17]}"


@cache
def _page() -> _File:
    path = STATIC / "index.html"
    return _read(path, path.read_bytes().replace(b"/assets/", f"/assets/{_digest()}/".encode()))
