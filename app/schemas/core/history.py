"""Schemas of the history of a list."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from app.schemas.domain.library import ORIGINS, HistoryLine
from app.schemas.fields import one_of

# The fields of the entry that are shown for an addition or a deletion.
_TOLD = ("status", "progress", "score")
_HIDDEN = frozenset({"media_type", "anime_id", "mal_id", "anilist_id", "carried"})


class HistoryLineOut(BaseModel):
    """One change of one entry."""

    id: Annotated[int, Field(description="The id of the change; later changes have higher ones.")]
    entry_id: Annotated[int, Field(description="The entry that was changed.")]
    anime_id: Annotated[int | None, Field(description="Its catalogue title; null for a title of one's own.")]
    title: Annotated[str | None, Field(description="The title as it is called today.")]
    image_url: Annotated[str | None, Field(description="Its cover.")]
    origin: Annotated[str, one_of(ORIGINS)]
    action: Annotated[Literal["added", "changed", "removed"], Field(description="What happened.")]
    changes: Annotated[
        dict[str, list[Any]],
        Field(description="The old and the new value of each field that changed; a score is 0 to 10."),
    ]
    changed_at: Annotated[datetime, Field(description="When.")]

    @classmethod
    def of(cls, line: HistoryLine) -> "HistoryLineOut":
        action: Literal["added", "changed", "removed"] = "changed"
        if line.before is None or line.after is None:
            action = "added" if line.before is None else "removed"
        return cls(
            id=line.id,
            entry_id=line.entry_id,
            anime_id=line.anime_id,
            title=line.title,
            image_url=line.image_url,
            origin=line.origin,
            action=action,
            changes=_changes(line.before, line.after),
            changed_at=line.changed_at,
        )


def _changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, list[Any]]:
    whole = before is None or after is None
    old, new = before or {}, after or {}
    names = [name for name in {**old, **new} if (name in _TOLD if whole else name not in _HIDDEN)]
    return {name: [_shown(name, old.get(name)), _shown(name, new.get(name))] for name in names}


def _shown(name: str, value: Any) -> Any:
    return value / 10 if name == "score" and value is not None else value
