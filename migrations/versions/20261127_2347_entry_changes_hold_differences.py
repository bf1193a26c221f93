"""The history of entries stores differences; entries record when their progress last changed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261127_2347"
down_revision: str | None = "20261127_2340"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_ROWS = 5000  # a transaction
# what a whole state leaves out when an entry has nothing else
_DEFAULTS = """
'{"score": null, "progress": 0, "volumes": null, "max_progress": null, "is_rewatching": false,
  "rewatch_count": 0, "started_at": null, "finished_at": null, "notes": null, "tags": [],
  "is_private": false, "title": null, "source": null, "cover_url": null, "format": null,
  "site_url": null, "carried": {}}'::jsonb
"""
_NO_STATE = "array['media_type', 'anime_id', 'mal_id', 'anilist_id']"
# Begun again, it passes over what is done; meanwhile both kinds are read, whole ones name a ``media_type``.
_SHORTEN = f"""
with chunk as (
    select id, before, after from entry_changes where id > :last order by id limit :rows
), shortened as (
    update entry_changes c set before = d.before, after = d.after
    from chunk cross join lateral (
        select coalesce(jsonb_object_agg(key, old.state -> key), '{{}}') as before,
               coalesce(jsonb_object_agg(key, new.state -> key), '{{}}') as after
        from (select {_DEFAULTS} || chunk.before - {_NO_STATE} as state) old,
             (select {_DEFAULTS} || chunk.after - {_NO_STATE} as state) new,
             jsonb_object_keys(old.state || new.state) key
        where old.state -> key is distinct from new.state -> key
    ) d
    where c.id = chunk.id and chunk.before ? 'media_type' and chunk.after ? 'media_type'
)
select max(id) from chunk
"""
# An entry before a change follows from how it was after it: from the newest change of each back to the first.
_LENGTHEN = """
do $$
declare
    change record;
    entry bigint;
    state jsonb;
begin
    for change in
        select c.id, c.entry_id, c.before, c.after,
               to_jsonb(e) - array['id', 'user_id', 'version', 'created_at', 'updated_at',
                                   'progress_changed_at']
               || jsonb_build_object('mal_id', coalesce(a.mal_id, e.mal_id),
                                     'anilist_id', coalesce(a.anilist_id, e.anilist_id)) as stored
        from entry_changes c
        left join entries e on e.id = c.entry_id
        left join anime a on a.id = e.anime_id
        order by c.entry_id, c.id desc
    loop
        if change.entry_id is distinct from entry then
            entry := change.entry_id;
            state := change.stored;
        end if;
        if change.before ? 'media_type' then
            state := change.before;
        elsif change.before is not null then
            update entry_changes set before = state || change.before, after = state where id = change.id;
            state := state || change.before;
        end if;
    end loop;
end $$
"""


def upgrade() -> None:
    op.execute("alter table entries add column if not exists progress_changed_at timestamptz")
    op.execute("alter table entries alter column progress_changed_at set default statement_timestamp()")
    op.execute("alter table entry_tombstones add column if not exists version int")
    with op.get_context().autocommit_block():
        last: int | None = 0
        while last is not None:
            last = op.get_bind().execute(sa.text(_SHORTEN), {"last": last, "rows": _ROWS}).scalar()


def downgrade() -> None:
    op.execute(_LENGTHEN)
    op.drop_column("entry_tombstones", "version")
    op.drop_column("entries", "progress_changed_at")
