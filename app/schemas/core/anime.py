"""Schemas of catalogue titles."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.schemas.core.fields import Body
from app.schemas.domain.anime import (
    ANIME_TYPES,
    RATINGS,
    Rating,
    Season,
    Status,
    TagKind,
    UpstreamAnime,
    UpstreamStudio,
    UpstreamTag,
)
from app.schemas.domain.catalogue import NewAnime
from app.schemas.domain.pictures import real_picture, stated_sizes
from app.schemas.fields import (
    Count,
    DurationMinutes,
    Id,
    Label,
    Line,
    PartialDate,
    PartialDateOut,
    Progress,
    Text,
    Url,
    Year,
    one_of,
)

AnimeType = Literal["TV", "Movie", "OVA", "ONA", "Special", "TV Special", "Music", "CM", "PV"]
_RATINGS = {word.lower(): rating for rating in RATINGS for word in (rating, rating.partition(" - ")[0])}


def _whole_rating(value: Any) -> Any:
    """Complete a rating given by its first word, in any case: `pg-13`."""
    return _RATINGS.get(value.strip().lower(), value) if isinstance(value, str) else value


_TAG: dict[str, Any] = {"id": 3, "name": "Action", "mal_id": 1}
EXAMPLE: dict[str, Any] = {
    "id": 42,
    "mal_id": 1,
    "anilist_id": 1,
    "title": "Cowboy Bebop",
    "title_english": "Cowboy Bebop",
    "title_japanese": "カウボーイビバップ",
    "title_russian": "Ковбой Бибоп",
    "synonyms": ["Bebop"],
    "type": "TV",
    "source": "Original",
    "status": "finished",
    "season": "spring",
    "year": 1998,
    "episodes": 26,
    "duration_minutes": 24,
    "rating": "R - 17+ (violence & profanity)",
    "score": 8.75,
    "scored_by": 1069273,
    "rank": 49,
    "popularity": 41,
    "members": 2073470,
    "synopsis": "Bounty hunters roam the solar system.",
    "image_url": "https://cdn.example.org/images/anime/4/19644.jpg",
    "images": {
        "small": "https://cdn.example.org/images/anime/4/19644t.jpg",
        "medium": "https://cdn.example.org/images/anime/4/19644.jpg",
        "large": "https://cdn.example.org/images/anime/4/19644l.jpg",
        "color": None,
    },
    "trailer_url": None,
    "aired_from": "1998-04-03",
    "aired_to": "1999-04",
    "broadcast": {"day": "Saturdays", "time": "01:00", "timezone": "Asia/Tokyo", "string": None},
    "genres": [_TAG],
    "themes": [{"id": 20, "name": "Space", "mal_id": 29}],
    "demographics": [],
    "studios": [{"id": 5, "name": "Sunrise"}],
    "relations_count": 4,
    "created_at": "2026-11-21T09:00:00.000000Z",
    "updated_at": "2026-11-21T09:00:00.000000Z",
    "synced_at": None,
}


class ImagesOut(BaseModel):
    """The cover in three sizes; null if a size is unknown."""

    small: Annotated[str | None, Field(description="50 to 100 pixels wide.")]
    medium: Annotated[str | None, Field(description="225 to 230 pixels wide.")]
    large: Annotated[str | None, Field(description="425 to 460 pixels wide.")]
    color: Annotated[str | None, Field(description="A main colour of the cover, as #rrggbb.")]


class TagOut(BaseModel):
    id: int
    name: str
    mal_id: int | None


class StudioOut(BaseModel):
    id: int
    name: str


class BroadcastOut(BaseModel):
    """When new episodes are shown, in MyAnimeList's terms."""

    day: str | None
    time: str | None
    timezone: str | None
    string: str | None


class AnimeOut(BaseModel):
    """Unknown values are null or empty lists; dates have the precision that is known."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: int
    mal_id: int | None
    anilist_id: int | None
    title: str
    title_english: str | None
    title_japanese: str | None
    title_russian: str | None
    synonyms: list[str]
    type: Annotated[str, one_of(ANIME_TYPES)] | None
    source: str | None
    status: Status | None
    season: Season | None
    year: int | None
    episodes: int | None
    duration_minutes: float | None
    rating: Annotated[str, one_of(RATINGS)] | None
    score: Annotated[float, Field(gt=0, le=10)] | None
    scored_by: int | None
    rank: int | None
    popularity: int | None
    members: int | None
    synopsis: str | None
    image_url: str | None
    images: ImagesOut
    trailer_url: str | None
    aired_from: PartialDateOut | None
    aired_to: PartialDateOut | None
    broadcast: BroadcastOut | None
    genres: list[TagOut]
    themes: list[TagOut]
    demographics: list[TagOut]
    studios: list[StudioOut]
    relations_count: Annotated[
        int, Field(ge=0, description="Number of relations in `/anime/{id}/relations`.")
    ]
    created_at: datetime
    updated_at: datetime
    synced_at: datetime | None


class GenreOut(BaseModel):
    """``count`` is the number of titles in the catalogue."""

    model_config = ConfigDict(json_schema_extra={"example": {**_TAG, "kind": "genre", "count": 5385}})

    id: int
    name: str
    mal_id: int | None
    kind: TagKind
    count: int


_Word = Annotated[Text, Field(min_length=1, max_length=100)]
_LabelOrId = Label | Id
_Labels = Annotated[list[_LabelOrId], Field(max_length=50, default_factory=list)]
_Image = dict[_Word, Url | None]
Color = Annotated[str, Field(pattern="^#[0-9A-Fa-f]{6}$")]


class ImagesIn(Body):
    small: Annotated[Url | None, Field(description="50 to 100 pixels wide.")] = None
    medium: Annotated[Url | None, Field(description="225 to 230 pixels wide.")] = None
    large: Annotated[Url | None, Field(description="425 to 460 pixels wide.")] = None
    color: Annotated[Color | None, Field(description="A main colour of the cover, as #rrggbb.")] = None


class BroadcastIn(Body):
    day: _Word | None = None
    time: _Word | None = None
    timezone: _Word | None = None
    string: _Word | None = None


class AnimeIn(Body):
    """A title added by hand. Genres, themes and demographics are names, or ids of known ones.

    A score has at most two decimals; a score or number of episodes of 0 means unknown.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"title": "Cowboy Bebop", "mal_id": 1, "year": 1998, "genres": ["Action", "Sci-Fi"]}
        }
    )

    title: Line
    mal_id: Id | None = None
    anilist_id: Id | None = None
    title_english: Line | None = None
    title_japanese: Line | None = None
    title_russian: Line | None = None
    synonyms: Annotated[list[Line], Field(max_length=100, default_factory=list)]
    type: AnimeType | None = None
    source: _Word | None = None
    status: Status | None = None
    season: Season | None = None
    year: Year | None = None
    episodes: Progress | None = None
    duration_minutes: DurationMinutes | None = None
    rating: Annotated[Rating, BeforeValidator(_whole_rating)] | None = None
    score: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None = None
    scored_by: Count | None = None
    rank: Id | None = None
    popularity: Id | None = None
    members: Count | None = None
    synopsis: Annotated[Text, Field(max_length=20_000)] | None = None
    image_url: Url | None = None
    images: ImagesIn | Annotated[dict[_Word, _Image], Field(max_length=10)] | None = None
    trailer_url: Url | None = None
    aired_from: PartialDate | None = None
    aired_to: PartialDate | None = None
    broadcast: BroadcastIn | None = None
    is_adult: bool | None = None
    genres: _Labels
    themes: _Labels
    demographics: _Labels
    studios: Annotated[list[Label], Field(max_length=50, default_factory=list)]

    def stated(self) -> NewAnime:
        plain = self.model_dump(exclude={"genres", "themes", "demographics", "studios"})
        plain |= {"score": round(self.score or 0, 2) or None, "episodes": self.episodes or None}
        plain |= {"image_url": real_picture(self.image_url), "images": stated_sizes(plain["images"])}
        kinds: tuple[tuple[TagKind, list[_LabelOrId]], ...] = (
            ("genre", self.genres),
            ("theme", self.themes),
            ("demographic", self.demographics),
        )
        names = [
            UpstreamTag(kind, label) for kind, labels in kinds for label in labels if isinstance(label, str)
        ]
        ids = [label for _, labels in kinds for label in labels if isinstance(label, int)]
        anime = UpstreamAnime(
            **{**plain, "synonyms": tuple(self.synonyms)},
            tags=tuple(names),
            studios=tuple(UpstreamStudio(name) for name in self.studios),
        )
        return NewAnime(anime, tuple(ids))
