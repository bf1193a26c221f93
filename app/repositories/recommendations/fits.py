"""Training data of recommendation models, and storage of the fitted models."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import text

from app.repositories.anime.filters import SAFE
from app.repositories.recommendations.serving import MAY_BE_SHOWN
from app.schemas.domain.recommendations import FitSummary
from app.utils.db.database import Driver, Transaction

_TIMEOUT = 60.0  # seconds for reading a whole table
_LISTS = 500  # lists read per statement
_ROWS = 2000  # similar titles written per statement


class TitleFacts(NamedTuple):
    """The features of a title used for training."""

    id: int
    mal_id: int | None
    aired_from: str | None
    year: int | None
    score: float | None
    members: int
    is_adult: bool
    is_hidden: bool
    tag_ids: list[int]
    studio_ids: list[int]


class FitReads:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def titles(self) -> list[TitleFacts]:
        """All titles, ordered by id."""
        return [TitleFacts(*row) for row in await self._driver.fetch(_TITLES, timeout=_TIMEOUT)]

    async def lists(self) -> AsyncIterator[tuple[int, list[int], list[int], list[str]]]:
        """Per user: the ids of listed titles, their scores (0 to 100, 0 for unscored), and their statuses."""
        last = 0
        while rows := await self._driver.fetch(_ALL_LISTS, last, _LISTS, timeout=_TIMEOUT):
            for row in rows:
                yield tuple(row)
            last = rows[-1]["user_id"]

    async def open_ratings(self) -> bytes | None:
        content: bytes | None = await self._driver.fetchval(
            "select content from open_ratings", timeout=_TIMEOUT
        )
        return content


class FitRepository:
    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def replace_model(self, content: bytes, facts: FitSummary) -> None:
        """Store a model and delete the older ones: it is served from the commit on."""
        await self._session.execute(
            text(
                """
                with added as (
                    insert into recommendation_models (content, facts)
                    values (:content, cast(:facts as jsonb)) returning id
                )
                delete from recommendation_models where id < (select id from added)
                """
            ),
            {"content": content, "facts": orjson.dumps(facts).decode()},
        )

    async def replace_similar(self, rows: Sequence[tuple[int, list[int], list[float], list[float]]]) -> None:
        """Replace all similar titles.

        A row is a title's id, the ids of similar titles, their scores, and the part of each score due to
        lists.
        """
        await self._session.execute(text("delete from similar_titles"))
        for start in range(0, len(rows), _ROWS):
            await self._session.execute(_ADD_SIMILAR, {"rows": _json(rows[start : start + _ROWS])})

    async def replace_open_ratings(self, name: str, content: bytes) -> None:
        await self._session.execute(
            text(
                """
                insert into open_ratings (name, content) values (:name, :content)
                on conflict (id) do update
                set name = excluded.name, content = excluded.content, loaded_at = now()
                """
            ),
            {"name": name, "content": content},
        )

    async def forget_open_ratings(self) -> None:
        await self._session.execute(text("delete from open_ratings"))


def _json(rows: Sequence[tuple[int, list[int], list[float], list[float]]]) -> str:
    names = ("anime_id", "similar_ids", "scores", "together")
    return orjson.dumps([dict(zip(names, row, strict=True)) for row in rows]).decode()


_ADD_SIMILAR: Any = text(
    """
    insert into similar_titles (anime_id, similar_ids, scores, together)
    select r.anime_id, r.similar_ids, r.scores, r.together
    from jsonb_to_recordset(cast(:rows as jsonb))
         as r(anime_id int, similar_ids int[], scores real[], together real[])
    join anime a on a.id = r.anime_id
    """
)
_TITLES = f"""
    select a.id, a.mal_id, a.aired_from, a.year, a.score, coalesce(a.members, 0),
           not ({SAFE}), not ({MAY_BE_SHOWN}), a.tag_ids, a.studio_ids
    from anime a order by a.id
"""
# Entries that are not linked to a title are left out until they are.
_ALL_LISTS = """
    select user_id, array_agg(anime_id), array_agg(coalesce(score, 0)), array_agg(status)
    from entries
    where anime_id is not null
      and user_id in (
          select distinct user_id from entries where user_id > $1 order by user_id limit $2)
    group by user_id order by user_id
"""
