"""Security headers, set on every response."""

from collections.abc import Iterable, Iterator

Header = tuple[bytes, bytes]

_ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),
)
_NOTHING = b"default-src 'none'; frame-ancestors 'none'"
# Swagger UI writes styles into its elements, and loads pictures from data URLs.
_DOCS = (
    b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"base-uri 'none'; frame-ancestors 'none'"
)
_AUTH = ("/auth/", "/api/auth/")
_NO_STORE = (b"cache-control", b"no-store")


def security_headers(path: str, given: Iterable[Header], *, signed: bool) -> Iterator[Header]:
    """The headers to add to ``given``; ``signed`` means that the request had credentials."""
    names = {name.lower() for name, _ in given}
    yield from _ALWAYS
    if b"content-security-policy" not in names:
        yield b"content-security-policy", _policy(path)
    if b"cache-control" not in names and (signed or path.startswith(_AUTH)):
        yield _NO_STORE


def _policy(path: str) -> bytes:
    return _DOCS if path.startswith("/docs") else _NOTHING
