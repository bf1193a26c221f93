"""JSON Lines: one row per line."""

from collections.abc import Iterator
from typing import Any

import orjson

from app.schemas.domain.dumps import DumpFault

ROW_MAX = 16 * 1024 * 1024  # bytes or characters of one row


def rows(blocks: Iterator[bytes]) -> Iterator[tuple[int, Any, bool]]:
    """Line number, JSON value or :class:`DumpFault`, and whether its text must be checked before storing.

    Empty lines are skipped.
    """
    for number, line in enumerate(_lines(blocks), start=1):
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line is _TOO_LONG:
            yield number, DumpFault(number, f"longer than {ROW_MAX} bytes"), False
        elif not line.isspace() and line:
            yield number, _parsed(number, line), b"\\u0000" in line  # orjson rejects lone surrogates


_TOO_LONG = b"(too long)"


def _parsed(number: int, line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return DumpFault(number, f"not JSON: {error.msg}")


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    dropping = False
    for block in blocks:
        first, *others = block.split(b"\n")
        rest = b"" if dropping else rest + first
        dropping = dropping or len(rest) > ROW_MAX
        if others:
            yield _TOO_LONG if dropping else rest
            yield from others[:-1]
            rest, dropping = others[-1], False
    if rest or dropping:
        yield _TOO_LONG if dropping else rest
