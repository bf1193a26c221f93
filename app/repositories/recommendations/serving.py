"""Reads for serving recommendations by model: the user's list, and the chosen titles as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.repositories.anime.filters import SAFE
from app.repositories.anime.rendering import columns, joins
from app.schemas.domain.recommendations import Recommended, Stamp
from app.utils.db.database import Driver

_WELL_KNOWN = 150  # titles offered to a user without enough ratings


@dataclass(frozen=True, slots=True)
class UserList:
    """Ids, scores (0 to 100, 0 if unscored) and statuses of listed titles; ``unwanted`` has ignored ones."""

    anime_ids: list[int]
    scores: list[int]
    statuses: list[str]
    unwanted: list[int]
    has_adult: bool


class ServingRepository:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def stamp(self, user_id: int) -> Stamp:
        row = await self._driver.fetchrow(f"select {_STAMP}", user_id)
        assert row is not None
        return Stamp(*row)

    async def render(
        self, user_id: int, chosen: Sequence[Recommended], keys: tuple[str, ...], *, limit: int, adult: bool
    ) -> tuple[Stamp, bytes]:
        """JSON of the first ``limit`` titles that may be shown, with the :class:`Stamp` of the snapshot."""
        row = await self._driver.fetchrow(
            _RENDERED.format(columns=columns(keys), joins=joins(keys)),
            user_id,
            [one.anime_id for one in chosen],
            [one.part for one in chosen],
            [one.why for one in chosen],
            [one.because[0] if one.because else None for one in chosen],
            [one.because[1] if len(one.because) > 1 else None for one in chosen],
            adult,
            limit,
        )
        assert row is not None
        *stamp, body = row
        return Stamp(*stamp), body

    async def list_of(self, user_id: int) -> UserList:
        row = await self._driver.fetchrow(_LIST, user_id)
        assert row is not None
        return UserList(*row)

    async def model(self, model_id: int) -> bytes | None:
        """The stored model; None if a newer one has replaced it."""
        content: bytes | None = await self._driver.fetchval(
            "select content from recommendation_models where id = $1", model_id
        )
        return content

    async def well_known(self, user_id: int, *, adult: bool) -> tuple[list[int], list[int]]:
        """Ids of popular titles, and of the popular ones among the newest, that are not on the list."""
        row = await self._driver.fetchrow(_POPULAR_AND_NEW, user_id, adult, _WELL_KNOWN)
        assert row is not None
        return row["popular"], row["new"]


def has_unwatched_predecessor(anime: str) -> str:
    """SQL that is true if ``anime`` has an earlier title that user $1 has not completed."""
    return f"""exists (
        select from (
            select to_id as id from anime_relations
            where from_id = {anime}.mal_id and media_type = 'anime'
              and type in ('prequel', 'parent_story', 'full_story')
            union all
            select from_id from anime_relations
            where to_id = {anime}.mal_id and media_type = 'anime'
              and type in ('sequel', 'side_story', 'summary')
        ) r join anime before on before.mal_id = r.id
        where (before.aired_from <= {anime}.aired_from or {anime}.aired_from is null)
          and before.type is distinct from 'Music'
          and not exists (
              select from entries e
              where e.user_id = $1 and e.anime_id = before.id and e.status = 'completed')
    )"""


MAY_BE_SHOWN = (
    "a.status is distinct from 'upcoming' and (a.type is null or a.type not in ('Music', 'CM', 'PV'))"
)

_STAMP = """
    (select max(id) from recommendation_models),
    (select max(updated_at) from entries where user_id = $1),
    (select max(deleted_at) from entry_tombstones where user_id = $1),
    (select count(*) from ignored_recommendations where user_id = $1),
    (select max(created_at) from ignored_recommendations where user_id = $1)
"""
_OWN_ANIME = """
    coalesce(
        e.anime_id,
        (select id from anime where mal_id = e.mal_id),
        (select id from anime where anilist_id = e.anilist_id))
"""
_LIST = f"""
    with own as materialized (
        select {_OWN_ANIME} as id, e.score, e.status
        from entries e where e.user_id = $1 and e.media_type = 'anime'
    )
    select array(select id from own where id is not null order by id),
           array(select coalesce(score, 0) from own where id is not null order by id),
           array(select status from own where id is not null order by id),
           array(select anime_id from ignored_recommendations where user_id = $1),
           exists (select from own join anime a using (id) where not ({SAFE}))
"""
_REASON = """
    case why
        when 'popular' then 'Popular with everybody'
        when 'new' then 'New, and popular already'
        else format(
            case when why = 'liked' then 'Because you liked %s' else 'Because %s on your list' end,
            case when second.id is null then first.title || case when why = 'liked' then '' else ' is' end
                 else format('%s and %s', first.title, second.title)
                      || case when why = 'liked' then '' else ' are' end end)
    end as reason
"""
_BECAUSE = """
    to_json(array_remove(array[
        case when first.id is not null then jsonb_build_object('id', first.id, 'title', first.title) end,
        case when second.id is not null then jsonb_build_object('id', second.id, 'title', second.title) end
    ], null)) as because
"""
_RENDERED = f"""
    select {_STAMP}, convert_to(coalesce((select json_agg(p) from (
        select {{columns}}, part, {_REASON}, {_BECAUSE}
        from unnest($2::int[], $3::text[], $4::text[], $5::int[], $6::int[])
             with ordinality as chosen(anime_id, part, why, first_id, second_id, place)
        join anime a on a.id = chosen.anime_id {{joins}}
        left join anime first on first.id = first_id
        left join anime second on second.id = second_id
        where ($7 or ({SAFE}))
        order by place limit $8
    ) p), '[]')::text, 'UTF8')
"""
_SHOWN = f"""
    {MAY_BE_SHOWN} and ($2 or ({SAFE}))
    and not exists (select from own where own.id = a.id)
    and not exists (select from ignored_recommendations where user_id = $1 and anime_id = a.id)
    and not {has_unwatched_predecessor("a")}
"""
_POPULAR_AND_NEW = f"""
    with own as materialized (
        select {_OWN_ANIME} as id from entries e where e.user_id = $1 and e.media_type = 'anime'
    ),
    newest as (
        select id, mal_id, status, type, is_adult, rating, aired_from, popularity from anime
        where status is distinct from 'upcoming' and aired_from is not null
        order by aired_from desc, id limit 400
    )
    select array(select a.id from anime a where {_SHOWN} order by a.popularity, a.id limit $3) as popular,
           array(select a.id from newest a where {_SHOWN} order by a.popularity, a.id limit $3) as new
"""
