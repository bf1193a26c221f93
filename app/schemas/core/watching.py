"""Schemas of favourites, playback, the viewing log and collections."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.schemas.core.library import EntryOut
from app.schemas.core.users import avatar_path
from app.schemas.domain.library import RenderedEntry
from app.schemas.domain.watching import (
    AnimeCard,
    Collection,
    CollectionItem,
    Favorite,
    View,
    WatchProgress,
)
from app.schemas.fields import Episode, Id, Instant, Line, Note, Percent, PositionSeconds


class CardOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    mal_id: int | None
    title: str
    image_url: str | None
    score: float | None
    episodes: int | None
    title_english: str | None
    title_russian: str | None
    title_japanese: str | None

    @classmethod
    def of(cls, card: AnimeCard) -> "CardOut":
        return cls.model_validate(card)


class _Body(BaseModel):
    """A request body: exact types, no unknown keys; timestamps are text."""

    model_config = ConfigDict(extra="forbid", strict=True)


class FavoriteIn(_Body):
    anime_id: Id


class FavoriteOut(BaseModel):
    id: int
    anime_id: int
    created_at: datetime
    anime: CardOut

    @classmethod
    def of(cls, favorite: Favorite) -> "FavoriteOut":
        return cls(
            id=favorite.id,
            anime_id=favorite.anime.id,
            created_at=favorite.created_at,
            anime=CardOut.of(favorite.anime),
        )


class ProgressIn(_Body):
    """``position_seconds`` or ``progress_percent`` is required; ``client_ts`` is the time of the report."""

    anime_id: Id
    episode: Episode
    position_seconds: PositionSeconds | None = None
    progress_percent: Percent | None = None
    client_ts: Instant | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> "ProgressIn":
        if self.position_seconds is None and self.progress_percent is None:
            raise ValueError("give position_seconds or progress_percent")
        return self


class ProgressOut(BaseModel):
    """``progress_percent`` is computed from the position and the episode length if it was not reported.

    ``id`` is null if nothing was played and the progress comes from the list alone.
    """

    id: int | None
    anime_id: int
    episode: int
    position_seconds: int | None
    progress_percent: float | None
    created_at: datetime
    last_watched_at: datetime
    anime: CardOut

    @classmethod
    def of(cls, progress: WatchProgress) -> "ProgressOut":
        return cls(
            id=progress.id,
            anime_id=progress.anime.id,
            episode=progress.episode,
            position_seconds=progress.position_seconds,
            progress_percent=progress.percent,
            created_at=progress.created_at,
            last_watched_at=progress.last_watched_at,
            anime=CardOut.of(progress.anime),
        )


class ReportedProgressOut(ProgressOut):
    """The stored report, and the list entry of the title; null if it is not on the list."""

    entry: EntryOut | None


def reported_body(kept: WatchProgress, entry: RenderedEntry | None) -> bytes:
    """The JSON of :class:`ReportedProgressOut`."""
    progress = ProgressOut.of(kept).model_dump(mode="json")
    return orjson.dumps({**progress, "entry": None if entry is None else orjson.Fragment(entry.body)})


class ViewIn(_Body):
    """``at`` defaults to now."""

    anime_id: Id
    episode: Episode
    release_id: Id | None = None
    at: Instant | None = None


class ViewOut(BaseModel):
    id: int
    anime_id: int
    episode: int
    release_id: int | None
    at: datetime
    anime: CardOut

    @classmethod
    def of(cls, view: View) -> "ViewOut":
        return cls(
            id=view.id,
            anime_id=view.anime.id,
            episode=view.episode,
            release_id=view.release_id,
            at=view.viewed_at,
            anime=CardOut.of(view.anime),
        )


class CollectionIn(_Body):
    name: Line
    description: Note | None = None
    is_public: bool = False


class CollectionPatch(_Body):
    """Fields that are not sent keep their values."""

    name: Line = ""
    description: Note | None = None
    is_public: bool = False

    @model_validator(mode="after")
    def _something(self) -> "CollectionPatch":
        if not self.model_fields_set:
            raise ValueError("send at least one field")
        return self

    def sent(self) -> Mapping[str, Any]:
        return self.model_dump(include=self.model_fields_set)


class OwnerOut(BaseModel):
    """The owner of a collection."""

    id: int
    username: str
    avatar: str | None


class CollectionOut(BaseModel):
    id: int
    owner: Annotated[OwnerOut, Field(description="The owner's account.")]
    name: str
    description: str | None
    is_public: bool
    shared: Annotated[bool, Field(description="Whether there is a share link.")]
    items_count: int
    covers: Annotated[
        list[str], Field(description="Pictures of its first titles that have one, at most four.")
    ]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, collection: Collection) -> "CollectionOut":
        owner = collection.owner
        return cls(
            id=collection.id,
            owner=OwnerOut(id=owner.id, username=owner.username, avatar=avatar_path(owner.avatar)),
            name=collection.name,
            description=collection.description,
            is_public=collection.is_public,
            shared=collection.shared,
            items_count=collection.items_count,
            covers=collection.covers,
            created_at=collection.created_at,
            updated_at=collection.updated_at,
        )


class CollectionItemIn(_Body):
    """``position`` starts at 1; a title that is in the collection already moves there."""

    anime_id: Id
    position: Id | None = None


class CollectionItemOut(BaseModel):
    anime_id: int
    position: int
    added_at: datetime
    anime: CardOut

    @classmethod
    def of(cls, item: CollectionItem) -> "CollectionItemOut":
        return cls(
            anime_id=item.anime.id,
            position=item.position,
            added_at=item.added_at,
            anime=CardOut.of(item.anime),
        )


class SharedCollectionOut(CollectionOut):
    """A collection as shown by its share link, with one page of its items."""

    items: list[CollectionItemOut]

    @classmethod
    def shown(cls, collection: Collection, items: list[CollectionItem]) -> "SharedCollectionOut":
        head = CollectionOut.of(collection)
        return cls(**head.model_dump(), items=[CollectionItemOut.of(item) for item in items])


class ShareOut(BaseModel):
    share_url: str
