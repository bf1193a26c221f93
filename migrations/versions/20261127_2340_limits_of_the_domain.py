"""CHECK constraints for the limits of counts, positions and lengths; values beyond are clamped."""

from collections.abc import Sequence

from alembic import op

revision: str = "20261127_2340"
down_revision: str | None = "20261127_2331"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# The constraints come first and hold for every write from then on; they are validated last, which locks
# nobody out. So each statement stands alone, outside of a transaction, and may be run again.
# Table, column, and what it has to be afterwards and had to be before.
_CHECKS: tuple[tuple[str, str, str, str | None], ...] = (
    ("entries", "progress", "progress between 0 and 100000", "progress >= 0"),
    ("entries", "volumes", "volumes between 0 and 100000", "volumes >= 0"),
    ("entries", "max_progress", "max_progress between 1 and 100000", "max_progress > 0"),
    ("entries", "rewatch_count", "rewatch_count between 0 and 10000", "rewatch_count >= 0"),
    ("watch_progress", "episode", "episode between 1 and 100000", "episode >= 1"),
    (
        "watch_progress",
        "position_seconds",
        "position_seconds between 0 and 1000000",
        "position_seconds >= 0",
    ),
    ("views", "episode", "episode between 1 and 100000", "episode >= 1"),
    ("anime", "episodes", "episodes between 1 and 100000", "episodes > 0"),
    ("anime", "duration_minutes", "duration_minutes between 0.01 and 10000", None),
)

# Not by least(), which makes a limit of null.
_CLAMPS = (
    """
    update entries set
        progress = case when progress > 100000 then 100000 else progress end,
        volumes = case when volumes > 100000 then 100000 else volumes end,
        max_progress = case when max_progress > 100000 then 100000 else max_progress end,
        rewatch_count = case when rewatch_count > 10000 then 10000 else rewatch_count end,
        version = version + 1,
        updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond')
    where greatest(progress, volumes, max_progress) > 100000 or rewatch_count > 10000
    """,
    # of reports beyond the last possible episode the latest one becomes that of this episode
    """
    delete from watch_progress w using watch_progress o
    where w.user_id = o.user_id and w.anime_id = o.anime_id and w.episode >= 100000 and o.episode >= 100000
      and (w.last_watched_at, w.id) < (o.last_watched_at, o.id)
    """,
    """
    update watch_progress
    set episode = case when episode > 100000 then 100000 else episode end,
        position_seconds = case when position_seconds > 1000000 then 1000000 else position_seconds end
    where episode > 100000 or position_seconds > 1000000
    """,
    "update views set episode = 100000 where episode > 100000",
    # a length that no episode has is none that is known; in one statement, since both constraints hold
    """
    update anime set
        episodes = case when episodes > 100000 then 100000 else episodes end,
        duration_minutes = case when duration_minutes between 0.01 and 10000 then duration_minutes end
    where episodes > 100000 or duration_minutes not between 0.01 and 10000
    """,
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("set lock_timeout = '4s'")
        for table, column, wanted, _ in _CHECKS:
            _constrain(table, column, wanted)
        for clamp in _CLAMPS:
            op.execute(clamp)
        for table, column, _, _ in _CHECKS:
            op.execute(f"alter table {table} validate constraint ck_{table}_{column}")


def downgrade() -> None:
    for table, column, _, before in _CHECKS:
        _constrain(table, column, before)
        if before is not None:
            op.execute(f"alter table {table} validate constraint ck_{table}_{column}")


def _constrain(table: str, column: str, condition: str | None) -> None:
    name = f"ck_{table}_{column}"
    added = f", add constraint {name} check ({condition}) not valid" if condition else ""
    op.execute(f"alter table {table} drop constraint if exists {name}{added}")
