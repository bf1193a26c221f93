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
_MARKUP = frozenset(("&lt;", "&gt;", "&amp;", "&quot;", "&apos;", "&#039;", "&#39;"))


def readable(text: str) -> str:
    """The text with entities decoded and mojibake repaired; unchanged where neither is in it."""
    if "&" in text:
        text = _decoded(text)
    if not text.isascii() and is_bad(text):
        text = fix_encoding(text)
    return text


def _decoded(text: str) -> str:
    # beside real tags, &lt; and its like stand for what must not become one
    keep = _MARKUP if "<" in text else frozenset[str]()
    for _ in range(_ROUNDS):
        decoded = _ENTITY.sub(lambda found: found[0] if found[0] in keep else entity(found[0]), text)
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
