"""``ETag`` and ``If-Match`` of objects that carry a version."""

import re
from typing import Annotated

from fastapi import Depends, Header

from app.schemas.domain.library import Entry

_TAG = re.compile(r'(?:W/)?"(\d{1,18})-(\d{1,18})"')


def entry_etag(entry: Entry) -> str:
    return f'"{entry.id}-{entry.version}"'


async def _versions(
    if_match: Annotated[
        str | None, Header(description="The ETag that the change is based on; a stale one answers 412.")
    ] = None,
) -> frozenset[tuple[int, int]] | None:
    """The pairs of id and version that the client allows; None allows any."""
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset((int(id_), int(version)) for id_, version in _TAG.findall(if_match))


IfMatch = Annotated[frozenset[tuple[int, int]] | None, Depends(_versions)]
