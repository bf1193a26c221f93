"""SQL of collections and their items."""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.repositories.cards import CARD, card_of
from app.repositories.paging import fetch_page
from app.schemas.domain.watching import Collection, CollectionItem, Owner
from app.utils.db.database import Transaction

_COLLECTION = """
    c.id, c.user_id, c.name, c.description, c.is_public, c.created_at, c.updated_at,
    c.share_hash is not null as shared,
    (select count(*) from collection_items i where i.collection_id = c.id) as items_count,
    (select u.username from users u where u.id = c.user_id) as owner_username,
    (select u.avatar from users u where u.id = c.user_id) as owner_avatar,
    array(select a.image_url from collection_items i join anime a on a.id = i.anime_id
          where i.collection_id = c.id and a.image_url is not null
          order by i.position, i.anime_id limit 4) as covers
"""
_TOUCH = "update collections set updated_at = clock_timestamp() where id = :collection_id"


class CollectionRepository:
    """Runs in a transaction or, for single reads, on an autocommit connection."""

    def __init__(self, connection: Transaction | AsyncConnection) -> None:
        self._connection = connection.session if isinstance(connection, Transaction) else connection

    async def insert(self, user_id: int, *, name: str, description: str | None, is_public: bool) -> int:
        result = await self._connection.execute(
            text(
                """
                insert into collections (user_id, name, description, is_public)
                values (:user_id, :name, :description, :is_public) returning id
                """
            ),
            {"user_id": user_id, "name": name, "description": description, "is_public": is_public},
        )
        return int(result.scalar_one())

    async def find(self, collection_id: int) -> Collection | None:
        return await self._find("c.id = :key", collection_id)

    async def find_by_share(self, share_hash: bytes) -> Collection | None:
        return await self._find("c.share_hash = :key", share_hash)

    async def find_for_update(self, collection_id: int, user_id: int) -> Collection | None:
        """The user's own collection, locked until the transaction ends."""
        await self._connection.execute(
            text("select 1 from collections where id = :id and user_id = :user_id for update"),
            {"id": collection_id, "user_id": user_id},
        )
        found = await self.find(collection_id)
        return found if found is not None and found.owner.id == user_id else None

    async def _find(self, condition: str, key: int | bytes) -> Collection | None:
        statement = text(f"select {_COLLECTION} from collections c where {condition}")
        row = (await self._connection.execute(statement, {"key": key})).first()
        return None if row is None else _collection_of(row)

    async def list_by_user(self, user_id: int, *, limit: int, offset: int) -> tuple[list[Collection], int]:
        """One page, newest first, and the total number."""
        rows, total = await fetch_page(
            self._connection,
            select=_COLLECTION,
            source="from collections c where c.user_id = :user_id",
            order="c.created_at desc, c.id desc",
            values={"user_id": user_id, "limit": limit, "offset": offset},
        )
        return [_collection_of(row) for row in rows], total

    async def update(
        self, collection_id: int, *, name: str, description: str | None, is_public: bool
    ) -> None:
        await self._connection.execute(
            text(
                """
                update collections set name = :name, description = :description, is_public = :is_public,
                                       updated_at = clock_timestamp()
                where id = :id
                """
            ),
            {"id": collection_id, "name": name, "description": description, "is_public": is_public},
        )

    async def set_share(self, collection_id: int, share_hash: bytes | None, token: bytes | None) -> None:
        """Set the hash and the encrypted secret of the share link; None for both revokes the link."""
        await self._connection.execute(
            text("update collections set share_hash = :share_hash, share_token = :token where id = :id"),
            {"id": collection_id, "share_hash": share_hash, "token": token},
        )

    async def find_share(self, collection_id: int, user_id: int) -> bytes | None:
        """The encrypted secret of the share link of the user's own collection."""
        statement = text("select share_token from collections where id = :id and user_id = :user_id")
        row = (await self._connection.execute(statement, {"id": collection_id, "user_id": user_id})).first()
        return None if row is None else row.share_token

    async def delete(self, collection_id: int) -> None:
        await self._connection.execute(text("delete from collections where id = :id"), {"id": collection_id})

    async def list_items(
        self, collection_id: int, *, limit: int, offset: int
    ) -> tuple[list[CollectionItem], int]:
        """One page of items in the order of the collection, and their total number."""
        rows, total = await fetch_page(
            self._connection,
            select=f"i.position, i.added_at, {CARD}",
            source=(
                "from collection_items i join anime a on a.id = i.anime_id "
                "where i.collection_id = :collection_id"
            ),
            order="i.position, i.anime_id",
            values={"collection_id": collection_id, "limit": limit, "offset": offset},
        )
        return [_item_of(row) for row in rows], total

    async def find_item(self, collection_id: int, anime_id: int) -> CollectionItem | None:
        row = (
            await self._connection.execute(
                text(
                    f"""
                    select i.position, i.added_at, {CARD}
                    from collection_items i join anime a on a.id = i.anime_id
                    where i.collection_id = :collection_id and i.anime_id = :anime_id
                    """
                ),
                {"collection_id": collection_id, "anime_id": anime_id},
            )
        ).first()
        return None if row is None else _item_of(row)

    async def place(self, collection_id: int, anime_id: int, position: int) -> CollectionItem:
        """Insert a title at a position (from 1), or move it there; later items shift."""
        await self.remove(collection_id, anime_id)
        values = {"collection_id": collection_id, "anime_id": anime_id, "position": position}
        await self._connection.execute(
            text(
                """
                update collection_items set position = position + 1
                where collection_id = :collection_id and position >= :position
                """
            ),
            values,
        )
        row = await self._connection.execute(
            text(
                f"""
                with added as (
                    insert into collection_items (collection_id, anime_id, position)
                    values (:collection_id, :anime_id, :position) returning *
                )
                select i.position, i.added_at, {CARD} from added i join anime a on a.id = i.anime_id
                """
            ),
            values,
        )
        await self._connection.execute(text(_TOUCH), values)
        return _item_of(row.one())

    async def remove(self, collection_id: int, anime_id: int) -> None:
        """Remove a title and close the gap; does nothing if it is not in the collection."""
        values: dict[str, Any] = {"collection_id": collection_id, "anime_id": anime_id}
        result = await self._connection.execute(
            text(
                """
                with gone as (
                    delete from collection_items
                    where collection_id = :collection_id and anime_id = :anime_id returning position
                ), closed as (
                    update collection_items i set position = i.position - 1
                    from gone where i.collection_id = :collection_id and i.position > gone.position
                )
                select count(*) from gone
                """
            ),
            values,
        )
        if result.scalar():
            await self._connection.execute(text(_TOUCH), values)


def _collection_of(row: Row[Any]) -> Collection:
    return Collection(
        id=row.id,
        owner=Owner(row.user_id, row.owner_username, row.owner_avatar),
        name=row.name,
        description=row.description,
        is_public=row.is_public,
        shared=row.shared,
        items_count=row.items_count,
        covers=row.covers,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _item_of(row: Row[Any]) -> CollectionItem:
    return CollectionItem(card_of(row), row.position, row.added_at)
