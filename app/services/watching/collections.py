"""Collections: users' own lists of anime, private by default, shareable by link."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from app.errors import Duplicate, NotFound
from app.repositories.collections import CollectionRepository
from app.repositories.library import EntryRepository
from app.schemas.domain.watching import Collection, CollectionItem
from app.services.library import UnknownTitle
from app.utils.crypto.encryption import Encryption
from app.utils.db.database import Database, Transaction

_PURPOSE = "collection share"


class NoSuchCollection(NotFound):
    default_message = "There is no such collection."


class NotShared(NotFound):
    default_message = "The collection has no usable share link. Create one."


class AlreadyCollected(Duplicate):
    default_message = "This title is already in the collection."


class CollectionService:
    """Other users' private collections are indistinguishable from missing ones."""

    def __init__(self, db: Database, encryption: Encryption) -> None:
        self._db = db
        self._encryption = encryption

    async def list_own(self, user_id: int, *, limit: int, offset: int) -> tuple[list[Collection], int]:
        """The user's own collections, newest first, and their total number."""
        async with self._db.reader() as connection:
            return await CollectionRepository(connection).list_by_user(user_id, limit=limit, offset=offset)

    async def create(
        self, user_id: int, *, name: str, description: str | None, is_public: bool
    ) -> Collection:
        async with self._db.transaction() as tx:
            collections = CollectionRepository(tx)
            created = await collections.insert(
                user_id, name=name, description=description, is_public=is_public
            )
            return await _own(tx, created, user_id)

    async def get(self, collection_id: int, user_id: int) -> Collection:
        """An own or public collection; raises :class:`NoSuchCollection`."""
        async with self._db.reader() as connection:
            return _visible(await CollectionRepository(connection).find(collection_id), user_id)

    async def list_items(
        self, collection_id: int, user_id: int, *, limit: int, offset: int
    ) -> tuple[list[CollectionItem], int]:
        """The items of a visible collection in order, and their total number."""
        async with self._db.reader() as connection:
            collections = CollectionRepository(connection)
            _visible(await collections.find(collection_id), user_id)
            return await collections.list_items(collection_id, limit=limit, offset=offset)

    async def edit(self, collection_id: int, user_id: int, sent: Mapping[str, Any]) -> Collection:
        """Change the fields sent; raises :class:`NoSuchCollection`."""
        async with self._db.transaction() as tx:
            stored = await _own(tx, collection_id, user_id)
            fields = {name: getattr(stored, name) for name in ("name", "description", "is_public")}
            if {**fields, **sent} == fields:
                return stored
            await CollectionRepository(tx).update(collection_id, **{**fields, **sent})
            return await _own(tx, collection_id, user_id)

    async def delete(self, collection_id: int, user_id: int) -> None:
        async with self._db.transaction() as tx:
            await _own(tx, collection_id, user_id)
            await CollectionRepository(tx).delete(collection_id)

    async def put(
        self, collection_id: int, user_id: int, anime_id: int, position: int | None
    ) -> CollectionItem:
        """Add a title at the end or at ``position`` (from 1).

        With a position, a title already in it moves there. Raises :class:`NoSuchCollection`,
        ``UnknownTitle``, and without a position :class:`AlreadyCollected`.
        """
        async with self._db.transaction() as tx:
            collection = await _own(tx, collection_id, user_id)
            if not await EntryRepository(tx).subjects(anime_ids=[anime_id]):
                raise UnknownTitle
            collections = CollectionRepository(tx)
            existing = await collections.find_item(collection_id, anime_id)
            if existing is not None and position is None:
                raise AlreadyCollected("anime_id")
            end = collection.items_count + (0 if existing else 1)
            place = min(position or end, end)
            if existing is not None and existing.position == place:
                return existing
            return await collections.place(collection_id, anime_id, place)

    async def remove_item(self, collection_id: int, user_id: int, anime_id: int) -> None:
        """Remove a title; does nothing if it is not in the collection."""
        async with self._db.transaction() as tx:
            await _own(tx, collection_id, user_id)
            await CollectionRepository(tx).remove(collection_id, anime_id)

    async def share(self, collection_id: int, user_id: int) -> str:
        """Create a share link and return its secret; replaces an earlier link."""
        token = secrets.token_urlsafe(24)
        encrypted = self._encryption.encrypt(token.encode(), _PURPOSE)
        async with self._db.transaction() as tx:
            await _own(tx, collection_id, user_id)
            await CollectionRepository(tx).set_share(collection_id, _hash(token), encrypted)
        return token

    async def find_share(self, collection_id: int, user_id: int) -> str:
        """The secret of the existing share link; raises :class:`NotShared`."""
        async with self._db.reader() as connection:
            encrypted = await CollectionRepository(connection).find_share(collection_id, user_id)
        if encrypted is None:
            raise NotShared
        try:
            return self._encryption.decrypt(encrypted, _PURPOSE).decode()
        except ValueError:  # encrypted with an earlier SECRET_KEY
            raise NotShared from None

    async def unshare(self, collection_id: int, user_id: int) -> None:
        async with self._db.transaction() as tx:
            await _own(tx, collection_id, user_id)
            await CollectionRepository(tx).set_share(collection_id, None, None)

    async def get_shared(
        self, token: str, *, limit: int, offset: int
    ) -> tuple[Collection, list[CollectionItem]]:
        """The collection behind a share link; raises :class:`NoSuchCollection` once it is revoked."""
        async with self._db.reader() as connection:
            collections = CollectionRepository(connection)
            found = await collections.find_by_share(_hash(token))
            if found is None:
                raise NoSuchCollection
            items, _ = await collections.list_items(found.id, limit=limit, offset=offset)
            return found, items


async def _own(tx: Transaction, collection_id: int, user_id: int) -> Collection:
    found = await CollectionRepository(tx).find_for_update(collection_id, user_id)
    if found is None:
        raise NoSuchCollection
    return found


def _visible(found: Collection | None, user_id: int) -> Collection:
    if found is None or not (found.is_public or found.owner.id == user_id):
        raise NoSuchCollection
    return found


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
