"""Repair XML that was written without escaping. Declarations are left alone."""

import re
from xml.sax.saxutils import escape

from app.external.list_files.readable import entity

# Every alternative consumes text and none backtracks over it, so that the run time is linear.
_PIECE = re.compile(
    r"<!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)"
    r"|&#5[56]\d{3};&#5[67]\d{3};|&#\d{1,7};|&#x[0-9a-fA-F]{1,6};|&[A-Za-z][A-Za-z0-9]{1,31};"
    r"|&|<(?![A-Za-z_:/!?])|\]\]>",
    re.DOTALL,
)
_OF_XML = frozenset(("&lt;", "&gt;", "&amp;", "&quot;", "&apos;"))


def repaired(text: str) -> str:
    """Escape lone ``&`` and ``<``, and replace HTML entities by their characters."""
    return _PIECE.sub(_well_formed, text)


def _well_formed(found: re.Match[str]) -> str:
    piece = found[0]
    if piece in _OF_XML or piece.startswith(("<![CDATA[", "<!--")):
        return piece
    return escape(_legal(entity(piece) if piece.endswith(";") else piece))


def _legal(text: str) -> str:
    """The text without characters that XML cannot represent."""
    return "".join(one for one in text if one >= " " or one in "\t\n\r")
