"""Recommendations by the genres and studios of a list, in one statement; used without a model."""

from app.repositories.anime.filters import SAFE
from app.repositories.anime.rendering import columns, joins
from app.repositories.recommendations.serving import has_unwatched_predecessor
from app.schemas.domain.recommendations import RecommendationSpec
from app.utils.db.database import Driver

# How much the user likes each listed title, about -1 to 1: by score, otherwise by status.
_MINE = f"""
    select a.id, a.title, a.tag_ids, a.studio_ids, e.score, e.status, not ({SAFE}) as is_adult,
           coalesce((e.score - 60) / 40.0::float8, case e.status
               when 'completed' then 0.5 when 'watching' then 0.4 when 'plan_to_watch' then 0.2 else 0 end)
           - case e.status when 'dropped' then 0.6 else 0 end as liking
    from entries e join anime a on a.id = coalesce(
        e.anime_id,
        (select id from anime where mal_id = e.mal_id),
        (select id from anime where anilist_id = e.anilist_id))
    where e.user_id = $1 and e.media_type = 'anime'
"""
# Only popular or well rated titles are candidates; obscure ones make bad recommendations.
_CANDIDATES = f"""
    select a.id, a.tag_ids, a.studio_ids, a.score, a.scored_by, a.members
    from (
        (select id from anime order by popularity, id limit 4000)
        union
        (select id from anime order by score desc nulls last, id limit 2000)
    ) known join anime a using (id)
    where a.status is distinct from 'upcoming'
      and (a.type is null or a.type not in ('Music', 'CM', 'PV'))
      and ({SAFE} or not $4 and exists (select from mine where is_adult))
      and a.id not in (select id from mine)
      and not exists (select from ignored_recommendations where user_id = $1 and anime_id = a.id)
      and not {has_unwatched_predecessor("a")}
"""
# A label's weight: the mean liking of its titles, plus how much commoner it is among liked titles than among
# candidates.
_LABELS = """
    select m.tag, m.completed,
           m.liking / (m.count + 3)
               + greatest(-1.5, least(1.5, ln((m.liked + 2 * c.share) / (t.liked + 2) / c.share))) as liking
    from (
        select tag, count(*) as count, sum(liking) as liking, sum(greatest(liking, 0)) as liked,
               count(*) filter (where status = 'completed') as completed
        from mine cross join unnest(tag_ids) as tag group by tag
    ) m
    join (
        select tag, count(*)::float8 / (select count(*) from candidates) as share
        from candidates cross join unnest(tag_ids) as tag group by tag
    ) c using (tag)
    cross join (select sum(greatest(liking, 0)) as liked from mine) t
"""
_MAKERS = """
    select studio, sum(liking) / (count(*) + 3) as liking
    from mine cross join unnest(studio_ids) as studio group by studio
"""
_TASTED = """
    select c.*, 4 * coalesce(tags.liking, 0) + coalesce(makers.liking, 0) / 2 as liking
    from candidates c
    cross join lateral (
        select sum(liking) / (cardinality(c.tag_ids) + 1) as liking
        from unnest(c.tag_ids) as tag join labels using (tag)
    ) tags
    cross join lateral (
        select max(liking) as liking from unnest(c.studio_ids) as studio join makers using (studio)
    ) makers
"""
# Liked titles come first, damped by popularity and score; all others are ordered by score.
_CHOSEN = """
    select *, row_number() over (
        order by sign(liking) desc,
                 case when liking > 0 then
                     liking + ln(coalesce(members, 0) + 1000::float8)
                     + 0.3 * (coalesce(score, 6) * coalesce(scored_by, 100) + 13000)
                           / (coalesce(scored_by, 100) + 2000::float8)
                 end desc,
                 score desc nulls last, id
    ) as place
    from tasted order by place limit $2 offset $3
"""
_LIKED_MOST = """
    select * from mine where liking > 0.3 order by liking desc, id limit 100
"""
_LIKEST = """
    select f.id, f.title, f.score, f.status, s.shared
    from liked_most f
    cross join lateral (
        select count(*) + 2 * (f.studio_ids && c.studio_ids)::int as shared
        from unnest(f.tag_ids) as tag where tag = any(c.tag_ids)
    ) s
    where f.tag_ids && c.tag_ids and c.liking > 0
    order by s.shared * f.liking / (cardinality(f.tag_ids) + cardinality(c.tag_ids)) desc, f.id limit 1
"""
_FAVOURED = """
    select g.name, l.completed from unnest(c.tag_ids) as tag join labels l using (tag)
    join genres g on g.id = tag where l.liking > 0 and c.liking > 0
    order by l.liking desc, g.name, g.id limit 1
"""
_REASON = """
    case
        when likest.shared > 1 and likest.score is not null
            then format('Because you rated %s %s', likest.title, trim_scale(likest.score / 10.0))
        when likest.shared > 1 and likest.status = 'completed'
            then format('Because you completed %s', likest.title)
        when favoured.completed > 2 then format('Popular in %s, which you often complete', favoured.name)
        when favoured.name is not null then format('Popular in %s, which you like', favoured.name)
        when likest.title is not null then format('Because you like %s', likest.title)
        when c.score is not null then 'Among the best rated of all'
        else 'Not on your list yet'
    end
"""
# Where the reason names a title on the list.
_BECAUSE = """
    case when likest.title is not null
              and (likest.shared > 1 and (likest.score is not null or likest.status = 'completed')
                   or favoured.name is null)
         then json_build_array(json_build_object('id', likest.id, 'title', likest.title))
         else '[]'::json end
"""
_RECOMMENDED = f"""
with mine as materialized ({_MINE}),
     candidates as materialized ({_CANDIDATES}),
     labels as materialized ({_LABELS}),
     makers as materialized ({_MAKERS}),
     tasted as materialized ({_TASTED}),
     liked_most as materialized ({_LIKED_MOST}),
     chosen as (
        select c.id, c.place, {_REASON} as reason, {_BECAUSE} as because from ({_CHOSEN}) c
        left join lateral ({_LIKEST}) likest on true
        left join lateral ({_FAVOURED}) favoured on true
     )
select convert_to(coalesce((select json_agg(p) from (
    select {{columns}}, 'discover' as part, chosen.reason, chosen.because
    from chosen join anime a using (id) {{joins}} order by chosen.place
) p), '[]')::text, 'UTF8')
"""


class GenreRecommendations:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def list_for(self, user_id: int, wanted: RecommendationSpec) -> bytes:
        """JSON of titles that are not on the user's list, best first, each with a ``reason``."""
        found: bytes = await self._driver.fetchval(
            _RECOMMENDED.format(columns=columns(wanted.keys), joins=joins(wanted.keys)),
            user_id,
            wanted.limit,
            wanted.offset,
            wanted.sfw,
        )
        return found
