"""Jobs have a class, a user whose share they use, and a turn within their class."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261128_0007"
down_revision: str | None = "20261127_2350"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_QUEUED = sa.text("status = 'queued'")
_CLASSES = """
    update jobs
    set job_class = case
            when kind = 'accounts.mail' then 'mail'
            when kind = 'library.import' then 'import'
            when kind = 'anime.sync' and owner_id is null then 'upkeep'
            when kind in ('anime.sync', 'anime.sync_top', 'anime.sync_season') then 'order'
            else 'upkeep' end,
        on_behalf_of = coalesce(
            owner_id,
            case when kind = 'accounts.mail' then cast(arguments ->> 'user_id' as bigint) end)
    where status in ('queued', 'running')
"""


def upgrade() -> None:
    op.add_column("jobs", sa.Column("job_class", sa.Text(), server_default="order", nullable=False))
    op.add_column("jobs", sa.Column("on_behalf_of", sa.BigInteger(), nullable=True))
    op.add_column("jobs", sa.Column("turn", sa.BigInteger(), server_default="0", nullable=False))
    op.execute(_CLASSES)
    op.create_index("ix_jobs_turns", "jobs", ["job_class", "turn", "id"], postgresql_where=_QUEUED)
    op.create_index(
        "ix_jobs_turns_of_person", "jobs", ["job_class", "on_behalf_of", "turn"], postgresql_where=_QUEUED
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_turns_of_person", table_name="jobs")
    op.drop_index("ix_jobs_turns", table_name="jobs")
    for column in ("turn", "on_behalf_of", "job_class"):
        op.drop_column("jobs", column)
