"""A page of a list and the exact total in one statement."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession


async def fetch_page(
    on: AsyncConnection | AsyncSession,
    *,
    select: str,
    source: str,
    order: str,
    values: Mapping[str, Any],
) -> tuple[Sequence[Row[Any]], int]:
    """One page of ``select … source order by …``, and the total number of rows.

    ``values`` has ``limit`` and ``offset``. The total is right even if the page is past the end.
    """
    statement = f"""
    with page as (
        select {select}, row_number() over (order by {order}) as place {source}
        order by {order} limit :limit offset :offset
    )
    select (select count(*) {source}) as total, page.*
    from (select 1) as always left join page on true
    order by page.place
    """
    rows = (await on.execute(text(statement), values)).all()
    return [row for row in rows if row.place is not None], rows[0].total
