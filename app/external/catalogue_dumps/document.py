"""Stream rows from one JSON document: an array, or an object with the array under ``data``."""

# Not with ijson: a malformed row must be reported with its line number and must not end the file.

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from app.errors import DumpUnreadable
from app.external.catalogue_dumps.lines import ROW_MAX
from app.schemas.domain.dumps import DumpFault
from app.utils.text.cleaning import is_storable

_BETWEEN = re.compile(r"[\s,\ufeff]*")
_CLOSED = '}]"'  # last characters of values that are complete; a number may continue in the next block
_FOLLOWS = re.compile(r"[\s,\]}]")
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


class Document:
    """Buffers only as much text as the next value needs. Invalid UTF-8 affects only its row."""

    def __init__(self, blocks: Iterator[bytes], name: str) -> None:
        self._blocks = blocks
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._json = json.JSONDecoder(parse_constant=_refuse)
        self._text = ""
        self._at = 0
        self._line = 1
        self._ended = False
        self._suspect = False  # set once the text has an escape or an invalid byte

    def head(self) -> dict[str, Any]:
        """The members before the rows."""
        try:
            return self._head()
        except ValueError as error:
            raise DumpUnreadable(f"{self._name} is not a dump: {error}") from error

    def rows(self) -> Iterator[tuple[int, Any, bool]]:
        """Line number, JSON value or :class:`DumpFault`, and whether the text must be checked."""
        while (start := self._next()) != "]":
            if not start:
                raise DumpUnreadable(f"{self._name} is truncated in line {self._line}")
            line = self._line
            try:
                yield line, self._value(), self._suspect
            except ValueError as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                yield line, DumpFault(line, f"not JSON: {reason}"), False

    def _head(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        opening = self._next()
        self._advance(self._at + 1)
        if opening == "[":
            return found
        if opening != "{":
            raise DumpUnreadable(f"{self._name} is not a dump: neither JSON nor JSON Lines")
        while self._next() == '"':
            key = self._value()
            if self._next() != ":":
                break
            self._advance(self._at + 1)
            if self._next() == "[" and key == "data":
                self._advance(self._at + 1)
                return found
            found[str(key)] = self._value()
        raise DumpUnreadable(f"{self._name} is not a dump: it contains no list of titles")

    def _next(self) -> str:
        """The next character that is neither white space nor a comma; empty at the end."""
        while True:
            match = _BETWEEN.match(self._text, self._at)
            self._advance(match.end() if match else self._at)
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def _value(self) -> Any:
        """Parse the value at the current position; an invalid one is skipped and raises ``ValueError``."""
        while True:
            fault: ValueError
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except RecursionError:
                fault = ValueError("nested too deep")
            except ValueError as error:
                fault = error
            else:
                if self._text[end - 1] in _CLOSED or _FOLLOWS.match(self._text, end) or self._ended:
                    self._advance(end)
                    return value
                fault = ValueError("Expecting ',' delimiter")
            broken_until = self._end_of_broken()
            if broken_until is not None:
                self._advance(broken_until)
                raise fault
            self._read_on()

    def _end_of_broken(self) -> int | None:
        """The end of the current value judged by brackets and quotes; ``None`` if it is not buffered yet."""
        depth = 0
        for token in _TOKEN.finditer(self._text, self._at):
            sign = token[0]
            if sign == '"':
                return None
            if depth == 0 and sign in ",]}":
                return max(token.start(), self._at + 1)
            if sign in "[{":
                depth += 1
            elif sign in "]}":
                depth -= 1
                if depth == 0:
                    return token.end()
        return None

    def _read_on(self) -> None:
        if len(self._text) - self._at > ROW_MAX:
            raise DumpUnreadable(f"{self._name}: the row in line {self._line} is too long")
        if not self._more():
            raise DumpUnreadable(f"{self._name} is truncated in line {self._line}")

    def _more(self) -> bool:
        block = next(self._blocks, None)
        self._ended = block is None
        more = self._decoder.decode(block or b"", self._ended)
        self._suspect = self._suspect or "\\u" in more or not is_storable(more)
        self._text = self._text[self._at :] + more
        self._at = 0
        return not self._ended

    def _advance(self, end: int) -> None:
        self._line += self._text.count("\n", self._at, end)
        self._at = end
