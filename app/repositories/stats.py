"""SQL of the statistics of a user's anime list, in one statement."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.schemas.domain.library import ENTRY_STATUSES

# A rewatch counts every episode again; during one, the progress is that of the rewatch.
_MINE = """
    select e.status, e.score, e.progress, e.rewatch_count, a.type, a.year, a.tag_ids, a.duration_minutes,
           e.progress + (e.rewatch_count::bigint + e.is_rewatching::int)
               * coalesce(a.episodes, e.max_progress, e.progress) as episodes
    from entries e left join anime a on a.id = e.anime_id
    where e.user_id = :user_id and e.media_type = 'anime' and (not :public or not e.is_private)
"""
_COUNTED = "count(*) as count, round(avg(m.score) / 10, 2)::float8 as mean_score"
_STATS = f"""
with mine as ({_MINE}), activity as (
    select day, case when :public then public_episodes else episodes end as episodes
    from activity_days
    where user_id = :user_id and day >= (now() at time zone 'UTC')::date - 366
)
select json_build_object(
    'total', (select count(*) from mine),
    'by_status', (select json_object_agg(s, (select count(*) from mine where status = s))
                  from unnest(cast(:statuses as text[])) s),
    'episodes', (select coalesce(sum(episodes), 0) from mine),
    'minutes', (select coalesce(round(sum(episodes * duration_minutes::numeric)), 0) from mine),
    'episodes_of_unknown_length',
        (select coalesce(sum(episodes), 0) from mine where duration_minutes is null),
    'mean_score', (select round(avg(score) / 10, 2)::float8 from mine),
    'scores', (select coalesce(json_agg(json_build_object('score', s.score, 'count', s.count)
                                        order by s.score), '[]')
               from (select score / 10.0::float8 as score, count(*) as count from mine
                     where score is not null group by 1) s),
    'genres', (select coalesce(json_agg(json_build_object(
                          'id', g.id, 'name', g.name, 'kind', g.kind, 'count', g.count,
                          'mean_score', g.mean_score) order by g.count desc, g.name, g.id), '[]')
               from (select t.id, t.name, t.kind, {_COUNTED}
                     from mine m cross join unnest(m.tag_ids) tag join genres t on t.id = tag
                     group by t.id) g),
    'formats', (select coalesce(json_agg(json_build_object(
                           'format', f.type, 'count', f.count, 'mean_score', f.mean_score)
                           order by f.count desc, f.type), '[]')
                from (select m.type, {_COUNTED} from mine m group by 1) f),
    'years', (select coalesce(json_agg(json_build_object(
                         'year', y.year, 'count', y.count, 'mean_score', y.mean_score)
                         order by y.year), '[]')
              from (select m.year, {_COUNTED} from mine m where m.year is not null group by 1) y),
    'activity', (select coalesce(json_agg(json_build_object('date', day, 'episodes', episodes)
                                          order by day), '[]')
                 from activity where episodes > 0)
)::text
"""


class StatsRepository:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, user_id: int, *, public: bool = False) -> bytes:
        """The statistics as JSON; ``public`` leaves private entries out."""
        values: dict[str, Any] = {"user_id": user_id, "public": public, "statuses": list(ENTRY_STATUSES)}
        found: str = (await self._connection.execute(text(_STATS), values)).scalar_one()
        return found.encode()
