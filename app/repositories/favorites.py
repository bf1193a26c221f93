"""SQL of favourites."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.repositories.cards import CARD, card_of
from app.repositories.paging import fetch_page
from app.schemas.domain.watching import Favorite
from app.utils.db.database import Transaction


class FavoriteRepository:
    """Runs in a transaction or, for single reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def insert(self, user_id: int, anime_id: int) -> Favorite | None:
        """Add a favourite; None if it is one already or the title does not exist."""
        row = (
            await self._connection.execute(
                text(
                    f"""
                    with added as (
                        insert into favorites (user_id, anime_id)
                        select :user_id, id from anime where id = :anime_id
                        on conflict do nothing returning id, anime_id, created_at
                    )
                    select added.id, added.created_at, {CARD}
                    from added join anime a on a.id = added.anime_id
                    """
                ),
                {"user_id": user_id, "anime_id": anime_id},
            )
        ).first()
        return None if row is None else Favorite(row.id, card_of(row), row.created_at)

    async def find(self, user_id: int, anime_id: int) -> Favorite | None:
        found = await self._connection.execute(
            text(
                f"""
                select f.id, f.created_at, {CARD} from favorites f join anime a on a.id = f.anime_id
                where f.user_id = :user_id and f.anime_id = :anime_id
                """
            ),
            {"user_id": user_id, "anime_id": anime_id},
        )
        row = found.first()
        return None if row is None else Favorite(row.id, card_of(row), row.created_at)

    async def delete(self, user_id: int, anime_id: int) -> None:
        await self._connection.execute(
            text("delete from favorites where user_id = :user_id and anime_id = :anime_id"),
            {"user_id": user_id, "anime_id": anime_id},
        )

    async def list_by_user(self, user_id: int, *, limit: int, offset: int) -> tuple[list[Favorite], int]:
        """One page, newest first, and the total number."""
        rows, total = await fetch_page(
            self._connection,
            select=f"f.id, f.created_at, {CARD}",
            source="from favorites f join anime a on a.id = f.anime_id where f.user_id = :user_id",
            order="f.created_at desc, f.id desc",
            values={"user_id": user_id, "limit": limit, "offset": offset},
        )
        return [Favorite(row.id, card_of(row), row.created_at) for row in rows], total
