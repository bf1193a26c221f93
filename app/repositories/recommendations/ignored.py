"""SQL of titles that a user does not want recommended."""

from sqlalchemy import text

from app.utils.db.database import Transaction


class IgnoredRepository:
    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def insert(self, user_id: int, anime_id: int) -> bool:
        """Ignore a title; does nothing if it is ignored already. False if there is no such title."""
        found = await self._session.execute(
            text(
                """
                with added as (
                    insert into ignored_recommendations (user_id, anime_id)
                    select :user_id, id from anime where id = :anime_id
                    on conflict do nothing
                )
                select exists (select from anime where id = :anime_id)
                """
            ),
            {"user_id": user_id, "anime_id": anime_id},
        )
        return bool(found.scalar_one())

    async def delete(self, user_id: int, anime_id: int) -> None:
        await self._session.execute(
            text("delete from ignored_recommendations where user_id = :user_id and anime_id = :anime_id"),
            {"user_id": user_id, "anime_id": anime_id},
        )
