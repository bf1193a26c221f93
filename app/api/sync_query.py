"""Query parameters of the Jikan and sync routes."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from app.schemas.core.fields import one_line
from app.schemas.domain.anime import Season

_PAGES = 10_000  # far beyond Jikan's last page


def _lowered(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _some_words(text: str) -> str:
    words = one_line(text)
    if not words:
        raise ValueError("has no words")
    return words


Words = Annotated[str, Field(max_length=100), AfterValidator(_some_words)]


class TopQuery(BaseModel):
    """A page of Jikan's own top list; Jikan returns at most 25 titles."""

    page: Annotated[int, Field(ge=1, le=_PAGES)] = 1
    limit: Annotated[int, Field(ge=1, le=25)] = 25


class SearchQuery(BaseModel):
    """``q`` is an alias of ``query``."""

    query: Words | None = None
    q: Words | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "SearchQuery":
        if self.query is None and self.q is None:
            raise ValueError("give the search text as query or q")
        if self.query is not None and self.q is not None and self.query != self.q:
            raise ValueError("query and q are the same parameter: give one of them")
        return self

    @property
    def words(self) -> str:
        return self.query or self.q or ""


class SyncTopQuery(BaseModel):
    limit: Annotated[int, Field(ge=1, le=1000)] = 25


class SyncSeasonQuery(BaseModel):
    """Both default to the current season."""

    year: Annotated[int | None, Field(ge=1900, le=2100)] = None
    season: Annotated[Season | None, BeforeValidator(_lowered)] = None
