"""List entries as they are sent: rendered by PostgreSQL, with the ETag that ``If-Match`` wants."""

from collections.abc import Mapping

from fastapi import Response

from app.schemas.domain.library import RenderedEntry


def entry_answer(
    entry: RenderedEntry, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        entry.body,
        status_code=status,
        headers={"ETag": f'"{entry.id}-{entry.version}"', **(headers or {})},
        media_type="application/json",
    )
