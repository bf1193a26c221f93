"""Schemas of relations and watch orders."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.schemas.core.watching import CardOut
from app.schemas.domain.library import EntryStatus, MediaType
from app.schemas.domain.relations import (
    Franchise,
    Included,
    Relation,
    RelationType,
    Step,
    WatchOrder,
    WatchRole,
    WatchSort,
)


class RelationOut(BaseModel):
    """How another title relates to this one: `sequel` means that the other is the sequel of this one."""

    model_config = ConfigDict(from_attributes=True)

    type: RelationType
    sources: Annotated[
        list[str], Field(description="The sources that state it: `mal`, or those named by a dump.")
    ]
    inferred: Annotated[bool, Field(description="Only the inverse relation of the other title is recorded.")]
    disputed: Annotated[bool, Field(description="The sources contradict each other; the dates decided.")]
    media_type: MediaType
    anime: Annotated[CardOut | None, Field(description="Null for manga and for titles not in the catalogue.")]
    title: str | None
    mal_id: int

    @classmethod
    def of(cls, relation: Relation) -> "RelationOut":
        return cls.model_validate(relation)


def words_of(values: Any) -> Any:
    """Split repeated values, each of which may be a comma-separated list."""
    if not isinstance(values, list):
        return values
    words = [word.strip() for value in values for word in str(value).split(",")]
    return [word for word in words if word]


class WatchOrderQuery(BaseModel):
    order: WatchSort = "release"
    include: Annotated[
        list[Included],
        BeforeValidator(words_of),
        Field(default_factory=list, description="Included besides main and side titles; comma-separated."),
    ]


class TieOut(BaseModel):
    """This title is the `type` of the other one."""

    type: RelationType
    anime_id: int


class WatchOrderMarkOut(BaseModel):
    """Your progress in a title."""

    model_config = ConfigDict(from_attributes=True)

    status: EntryStatus
    progress: int
    score: float | None


class StepOut(BaseModel):
    """A title at its position.

    `released_later`: it was released after a title that it precedes in the story.
    """

    position: int
    anime: CardOut
    role: WatchRole
    optional: bool
    released_later: bool
    minutes: Annotated[float | None, Field(description="Total length of its episodes, if known.")]
    why: Annotated[
        TieOut | None, Field(description="The relation to another title that decided the position.")
    ]
    entry: Annotated[WatchOrderMarkOut | None, Field(description="Null if it is not on your list.")]


class FranchiseOut(BaseModel):
    id: int
    title: str
    size: int


class AlternativeOut(BaseModel):
    """Another version of the story, with its own order."""

    title: str
    items: list[StepOut]


class WatchOrderOut(BaseModel):
    """A franchise in watch order. `next` is the first main title that you have not completed."""

    order: WatchSort
    franchise: FranchiseOut
    next: StepOut | None
    items: list[StepOut]
    alternatives: list[AlternativeOut]
    related: Annotated[
        list[FranchiseOut],
        Field(description="Other parts of a large franchise, each with its own order."),
    ]

    @classmethod
    def of(cls, order: WatchOrder) -> "WatchOrderOut":
        items = _steps(order, order.plan.steps)
        return cls(
            order=order.sort,
            franchise=_franchise(order, order.plan.franchise),
            next=None if order.next is None else items[order.next - 1],
            items=items,
            alternatives=[
                AlternativeOut(title=_first(order, steps), items=_steps(order, steps))
                for steps in order.plan.alternatives
            ],
            related=[_franchise(order, franchise) for franchise in order.plan.related],
        )


def _franchise(order: WatchOrder, franchise: Franchise) -> FranchiseOut:
    card = order.titles[franchise.mal_id].card
    return FranchiseOut(id=card.id, title=card.title, size=franchise.size)


def _first(order: WatchOrder, steps: Sequence[Step]) -> str:
    return order.titles[next(step for step in steps if step.role == "alternative").mal_id].card.title


def _steps(order: WatchOrder, steps: Sequence[Step]) -> list[StepOut]:
    return [_step(order, position, step) for position, step in enumerate(steps, start=1)]


def _step(order: WatchOrder, position: int, step: Step) -> StepOut:
    title = order.titles[step.mal_id]
    mark = (order.marks or {}).get(step.mal_id)
    why = step.why
    minutes = title.minutes and title.card.episodes and title.minutes * title.card.episodes
    return StepOut(
        position=position,
        anime=CardOut.of(title.card),
        role=step.role,
        optional=step.role not in ("main", "alternative"),
        released_later=step.released_later,
        minutes=minutes,
        why=None if why is None else TieOut(type=why.type, anime_id=order.titles[why.mal_id].card.id),
        entry=None if mark is None else WatchOrderMarkOut.model_validate(mark),
    )
