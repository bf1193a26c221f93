"""Text as a person can read it: without HTML entities, and without what a wrong encoding made of it."""

import re
from html import unescape
from html.entities import html5

from ftfy import fix_encoding
from ftfy.badness import is_bad

_ROUNDS = 3  # text passes through more than one program that escapes it, never through many
_ENTITY = re.compile(
    r"&#(5[56]\d{3});&#(5[67]\d{3});"  # a character beyond U+FFFF, escaped half by half
    r"|&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
)
_TAG = re.compile(r"<[A-Za-z/!]")
_OF_TAGS = re.compile(r"&(?:amp;)*(?:amp|lt|gt|#0*6[02]|#[xX]0*3[cCeE]);")


def readable(text: str) -> str:
    """The text with entities decoded and mojibake repaired; unchanged where neither is in it."""
    if "&" in text:
        text = _decoded(text)
    if not text.isascii() and is_bad(text):
        text = fix_encoding(text)
    return text


def _decoded(text: str) -> str:
    if _TAG.search(text):  # beside real tags, an escaped <, > or & must not become one
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
    """The character that a reference stands for; the reference itself where HTML has none of its name."""
    halves = _ENTITY.fullmatch(reference)
    if halves and halves[1]:
        pair = chr(int(halves[1])) + chr(int(halves[2]))
        return pair.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if reference == "&nbsp;":
        return " "
    if reference.startswith("&#"):
        return unescape(reference).replace("\ufffd", "")  # of a number that is no character
    return html5.get(reference[1:], reference)
