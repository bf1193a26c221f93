"""Tokenise search queries exactly as the database tokenises the names they are matched with."""

import re
import unicodedata

# Ranges of a regular expression's character class, valid in Python and in PostgreSQL. Queries and names must
# be split alike: the migrations hold copies of both constants, and a test compares the results.
IGNORED = (
    r"\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    r"\u064b-\u065f\u0670\u06d6-\u06dc\u1ab0-\u1aff\u1dc0-\u1dff\u200c-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u20d0-\u20ff\u30fc\ufe00-\ufe0f\ufe20-\ufe2f\ufeff\U000e0100-\U000e01ef"
)
"""Accents, joiners and the Japanese long vowel mark, which do not distinguish words."""
MARKS = (
    r"\u0001-\u0024\u0026-\u002f\u003a-\u0040\u005b-\u005e\u0060\u007b-\u00bf\u00d7\u00f7\u02b9-\u02ff"
    r"\u055a-\u055f\u0589-\u058f\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0606-\u060f\u061b-\u061f\u066a-\u066d"
    r"\u06d4\u0964\u0965\u0970\u0e3f\u0e4f\u0e5a\u0e5b\u1680\u2000-\u206f\u20a0-\u20cf\u2100-\u214f"
    r"\u218a-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u3036\u3037\u303d-\u303f\u30a0\u30fb\ufd3e\ufd3f"
    r"\ufe10-\ufe1f\ufe30-\ufe6f\uffe0-\uffff\U0001d100-\U0001d1ff\U0001f000-\U0001faff"
)
"""Punctuation, symbols and spaces, which separate words. The LIKE wildcards % and _ count as letters."""

_IGNORED = re.compile(f"[{IGNORED}]+")
_LONE_VOICING = re.compile(r"[\u3099\u309a]+")  # voicing marks that did not combine with a kana
_MARKS = re.compile(f"[{MARKS}]+")


def search_words(text: str) -> list[str]:
    """The words in order, in Unicode compatibility form without accents; empty if there is only punctuation.

    Case is preserved. The multiplication sign becomes a separate word ``x``.
    """
    plain = unicodedata.normalize("NFKD", text).replace("×", "-x-")
    plain = unicodedata.normalize("NFC", _IGNORED.sub("", plain))
    words = _MARKS.split(_LONE_VOICING.sub("", plain))
    return [word for word in words if word]
