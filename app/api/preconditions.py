"""``If-Match`` of objects that carry a version."""

import re
from typing import Annotated

from fastapi import Depends, Header, Request

_VERSION = re.compile(r'"(\d{1,18})-(\d{1,18})"')  # a strong tag of ours, and nothing around it


async def _versions(
    request: Request,
    _: Annotated[
        str | None,
        Header(
            alias="If-Match", description="The ETag that the change is based on; a stale one answers 412."
        ),
    ] = None,
) -> frozenset[tuple[int, int]] | None:
    """The pairs of id and version that the client allows; None allows any.

    Tags are compared strongly (RFC 9110, 13.1.1): a weak one allows nothing. Several headers are one list.
    """
    given = request.headers.getlist("if-match")
    if not given or [line.strip() for line in given] == ["*"]:
        return None
    known = [_VERSION.fullmatch(tag.strip()) for tag in ",".join(given).split(",")]
    return frozenset((int(match[1]), int(match[2])) for match in known if match)


IfMatch = Annotated[frozenset[tuple[int, int]] | None, Depends(_versions)]
