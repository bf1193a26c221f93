"""Episodes watched per user and day, kept by triggers, so that statistics need not read the history."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261128_1330"
down_revision: str | None = "20261128_0940"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_USERS = 200  # a transaction

_INCREASE = "(c.after ->> 'progress')::bigint - coalesce((c.before ->> 'progress')::bigint, 0)"
_IS_COUNTED = f"c.origin not in ('import', 'undo') and {_INCREASE} > 0"
_COUNT = f"""
create function count_activity() returns trigger language plpgsql as $$
declare
    increase bigint := {_INCREASE.replace("c.", "new.")};
    entry record;
begin
    select media_type, is_private into entry from entries where id = new.entry_id;
    if entry.media_type = 'manga' or exists (
        select from entry_tombstones where entry_id = new.entry_id and media_type = 'manga'
    ) then
        return null;
    end if;
    insert into activity_days as d (user_id, day, episodes, public_episodes)
    values (new.user_id, (new.changed_at at time zone 'UTC')::date, increase,
            case when not entry.is_private then increase else 0 end)
    on conflict (user_id, day) do update
        set episodes = d.episodes + excluded.episodes,
            public_episodes = d.public_episodes + excluded.public_episodes;
    return null;
end
$$
"""
# A change written by the same command as the entry is not moved: count_activity sees the entry as it is then.
_MOVE = f"""
create function move_activity() returns trigger language plpgsql as $$
declare
    entry record;
    factor int := 1;
begin
    if tg_op = 'DELETE' then
        entry := old;
        factor := -1;
    else
        entry := new;
        if new.is_private then
            factor := -1;
        end if;
    end if;
    update activity_days d set public_episodes = d.public_episodes + factor * moved.episodes
    from (
        select (c.changed_at at time zone 'UTC')::date as day, sum({_INCREASE}) as episodes
        from entry_changes c
        left join entries e on e.id = c.entry_id
        where c.user_id = entry.user_id and c.entry_id = entry.id and {_IS_COUNTED}
          and (e.id is null or not (c.xmin = e.xmin and c.cmin = e.cmin))
        group by 1
    ) moved
    where d.user_id = entry.user_id and d.day = moved.day;
    return null;
end
$$
"""
# As the triggers count, for some users in each transaction. Writers of a list hold its lock, 0x4C697374.
_FILL = f"""
do $$
declare
    batch int[];
    last int := 0;
begin
    loop
        select array_agg(id order by id) into batch
        from (select id from users where id > last order by id limit {_USERS}) u;
        exit when batch is null;
        perform pg_advisory_xact_lock({0x4C697374}, id) from unnest(batch) id;
        delete from activity_days where user_id = any(batch);
        insert into activity_days (user_id, day, episodes, public_episodes)
        select c.user_id, (c.changed_at at time zone 'UTC')::date, sum({_INCREASE}),
               coalesce(sum({_INCREASE}) filter (where not e.is_private), 0)
        from entry_changes c
        left join entries e on e.id = c.entry_id
        left join entry_tombstones t on t.entry_id = c.entry_id
        where c.user_id = any(batch) and {_IS_COUNTED}
          and e.media_type is distinct from 'manga' and t.media_type is distinct from 'manga'
        group by 1, 2;
        last := batch[array_upper(batch, 1)];
        commit;
    end loop;
end $$
"""


def upgrade() -> None:
    op.create_table(
        "activity_days",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("episodes", sa.BigInteger(), nullable=False),
        sa.Column("public_episodes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_activity_days_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "day", name=op.f("pk_activity_days")),
    )
    op.execute(_COUNT)
    op.execute(_MOVE)
    op.execute(
        f"""
        create trigger entry_changes_activity after insert on entry_changes
        for each row when ({_IS_COUNTED.replace("c.", "new.")}) execute function count_activity()
        """
    )
    op.execute(
        """
        create trigger entries_activity_privacy after update of is_private on entries
        for each row when (old.is_private <> new.is_private and new.media_type = 'anime')
        execute function move_activity()
        """
    )
    op.execute(
        """
        create trigger entries_activity_return after insert on entries
        for each row when (new.version > 1 and not new.is_private and new.media_type = 'anime')
        execute function move_activity()
        """
    )
    op.execute(
        """
        create trigger entries_activity_end after delete on entries
        for each row when (not old.is_private and old.media_type = 'anime')
        execute function move_activity()
        """
    )
    with op.get_context().autocommit_block():
        op.execute(sa.text(_FILL.replace(":=", r"\:=").replace("::", r"\:\:")))


def downgrade() -> None:
    for table, name in (
        ("entries", "entries_activity_end"),
        ("entries", "entries_activity_return"),
        ("entries", "entries_activity_privacy"),
        ("entry_changes", "entry_changes_activity"),
    ):
        op.execute(f"drop trigger {name} on {table}")
    op.execute("drop function move_activity()")
    op.execute("drop function count_activity()")
    op.drop_table("activity_days")
