"""Schemas of the internal surface: releases, their cache, users."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.schemas.fields import Id, storable

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(storable)]


class SyncTitleIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title_id: Id
    force: Annotated[bool, Field(description="Fetch it again even if it is known.")] = False
    priority: Annotated[
        Literal["low", "normal", "high"],
        Field(
            description="`high` runs before jobs started by users, `low` after everything else. "
            "A title that is queued already can only move up."
        ),
    ] = "normal"


class SyncTitleOut(BaseModel):
    job_id: int
    key: str
    status: Literal["queued", "running", "succeeded", "failed"]
    status_url: str
    message: str


class ClearCacheIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    pattern: Annotated[
        Pattern,
        Field(description="Inside the namespace: `titles:*`, `title:9919`, `*`.", examples=["titles:*"]),
    ]
    confirm: Literal[True]


class ClearCacheOut(BaseModel):
    cleared: bool
    pattern: str


class CacheStatsOut(BaseModel):
    """The hit rate of each cache level since this process started, 0 to 1."""

    namespace: str
    hit_rate: dict[str, float]
    titles_known: int
    timestamp: datetime


class NotifyIn(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: Literal["new_episode", "new_title", "status_change"]
    title_id: Id
    episode: Annotated[float | None, Field(ge=0, le=100_000, allow_inf_nan=False)] = None
    timestamp: Annotated[str | None, Field(max_length=100)] = None
    data: dict[str, Any] | None = None


class ValidatedUserOut(BaseModel):
    user_id: str | int
    valid: bool
    username: str | None
    role: str | None
    permissions: list[str]
