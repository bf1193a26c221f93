"""Similar titles: from the last fit, otherwise by genres and studios in the catalogue."""

from app.repositories.anime.filters import SAFE
from app.repositories.recommendations.serving import MAY_BE_SHOWN
from app.utils.db.database import Driver


class SimilarRepository:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def list_for(self, anime_id: int, *, limit: int, sfw: bool) -> bytes | None:
        """Similar titles as JSON, most similar first; None if there is no such title."""
        row = await self._driver.fetchrow(_FITTED, anime_id, limit, sfw)
        if row is None:
            return None
        if row["is_fitted"]:
            body: bytes = row["body"]
        else:
            body = await self._driver.fetchval(_BY_KIND, anime_id, limit, sfw)
        return body


_CARD = """
    json_build_object('id', a.id, 'mal_id', a.mal_id, 'title', a.title, 'image_url', a.image_url,
                      'score', a.score, 'episodes', a.episodes, 'title_english', a.title_english,
                      'title_russian', a.title_russian, 'title_japanese', a.title_japanese) as anime
"""
_SHARED = """
    (select string_agg(g.name, ', ' order by cardinality(string_to_array(g.name, ' ')), g.name)
     from (select name from genres
           where id = any(a.tag_ids) and id = any({title}.tag_ids) order by kind, name limit 3) g)
"""
_REASON = f"""
    case when together > likeness / 2 then format('Liked by many who like %s', t.title)
         else coalesce('Both: ' || {_SHARED.format(title="t")}, 'Of a similar kind') end as reason
"""
_FITTED = f"""
    select s.anime_id is not null as is_fitted, convert_to(coalesce((select json_agg(p) from (
        select {_CARD}, round(likeness::numeric, 3)::float8 as score, {_REASON}
        from unnest(s.similar_ids, s.scores, s.together)
             with ordinality as near(similar_id, likeness, together, place)
        join anime a on a.id = near.similar_id
        where likeness > 0 and (not $3 or ({SAFE}))
        order by place limit $2
    ) p), '[]')::text, 'UTF8') as body
    from anime t left join similar_titles s on s.anime_id = t.id
    where t.id = $1
"""
# Labels that most titles share say little: each is weighted by its rarity.
_BY_KIND = f"""
    with t as materialized (
        select id, title, tag_ids, studio_ids, not ({SAFE}) as is_adult from anime a where id = $1
    ),
    labels as materialized (
        select tag, ln((select count(*) + 1.0 from anime) / (count(*) + 1)) as weight
        from anime a cross join unnest(a.tag_ids) as tag
        where tag = any((select tag_ids from t)::int[]) group by tag
    ),
    near as (
        select a.id, a.popularity,
               (0.9 * sum(l.weight) / nullif((select sum(weight) from labels), 0)
                    * sqrt(count(*)::float8 / cardinality(a.tag_ids))
                + 0.1 * (a.studio_ids && t.studio_ids)::int)::float8 as likeness
        from t join anime a on a.tag_ids && t.tag_ids join labels l on l.tag = any(a.tag_ids)
        where a.id <> t.id and {MAY_BE_SHOWN} and (not ({SAFE})) = t.is_adult and (not $3 or ({SAFE}))
        group by a.id, t.studio_ids
        order by likeness desc nulls last, a.popularity, a.id limit $2
    )
    select convert_to(coalesce((select json_agg(p) from (
        select {_CARD}, round(likeness::numeric, 3)::float8 as score,
               coalesce('Both: ' || {_SHARED.format(title="t")}, 'Of a similar kind') as reason
        from near join anime a using (id) cross join t
        where likeness > 0 order by likeness desc, near.popularity, a.id
    ) p), '[]')::text, 'UTF8')
"""
