"""Repair text: decode HTML entities and mojibake."""

import re
from html import unescape
from html.entities import html5

_ROUNDS = 3  # text may have been escaped by several programs in turn
_ENTITY = re.compile(
    r"&#(5[56]\d{3});&#(5[67]\d{3});"  # a character beyond U+FFFF, escaped as a surrogate pair
    r"|&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
)
_TAG = re.compile(r"<[A-Za-z/!]")
_OF_TAGS = re.compile(r"&(?:amp;)*(?:amp|lt|gt|#0*6[02]|#[xX]0*3[cCeE]);")


def readable(text: str) -> str:
    """The text with entities decoded and mojibake repaired; unchanged if it has neither."""
    if "&" in text:
        text = _decoded(text)
    return text if text.isascii() else _without_mojibake(text)


def _without_mojibake(text: str) -> str:
    from ftfy import fix_encoding  # here, because its patterns take long to compile
    from ftfy.badness import is_bad

    return fix_encoding(text) if is_bad(text) else text


def _decoded(text: str) -> str:
    if _TAG.search(text):  # next to real markup, an escaped <, > or & must stay escaped
        escaped = _OF_TAGS.findall(text)
        return "".join(
            part
            for pair in zip(map(_unescaped, _OF_TAGS.split(text)), [*escaped, ""], strict=True)
            for part in pair
        )
    return _unescaped(text)


def _unescaped(text: str) -> str:
    for _ in range(_ROUNDS):
        decoded = _ENTITY.sub(lambda found: entity(found[0]), text)
        if decoded == text:
            break
        text = decoded
    return text


def entity(reference: str) -> str:
    """The character of an entity reference; the reference itself if HTML does not define it."""
    halves = _ENTITY.fullmatch(reference)
    if halves and halves[1]:
        pair = chr(int(halves[1])) + chr(int(halves[2]))
        return pair.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if reference == "&nbsp;":
        return " "
    if reference.startswith("&#"):
        return unescape(reference).replace("\ufffd", "")  # a number that is not a character
    return html5.get(reference[1:], reference)
