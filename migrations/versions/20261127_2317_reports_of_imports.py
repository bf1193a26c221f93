"""Reports of imports in chunks, so that a long one is neither rewritten nor read at once."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "20261127_2317"
down_revision: str | None = "20261127_2316"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_MOVE = """
insert into import_reports (job_id, position, rows)
select job_id, 0, (
    select json_agg(json_build_object('line', r -> 0, 'title', r -> 1, 'action', r -> 2, 'reason', r -> 3)
                    order by n)
    from jsonb_array_elements(report) with ordinality as rows(r, n))
from imports where jsonb_array_length(report) > 0
"""
_COUNT = """
update imports i set counts = (
    select jsonb_object_agg(action, number) from (
        select r ->> 2 as action, count(*) as number from jsonb_array_elements(i.report) r group by 1) c)
where jsonb_array_length(report) > 0
"""
_MOVE_BACK = """
update imports i set report = (
    select jsonb_agg(jsonb_build_array(r -> 'line', r -> 'title', r -> 'action', r -> 'reason')
                     order by position, n)
    from import_reports p, json_array_elements(p.rows) with ordinality as rows(r, n)
    where p.job_id = i.job_id)
where exists (select from import_reports p where p.job_id = i.job_id)
"""


def upgrade() -> None:
    op.create_table(
        "import_reports",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("rows", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["imports.job_id"], name=op.f("fk_import_reports_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("pk_import_reports")),
    )
    op.add_column(
        "imports", sa.Column("is_dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.execute(_MOVE)
    op.execute(_COUNT)
    # what was stored until now was no file, but rows in a form of our own; such an import says so and fails
    op.execute("update imports set content = null where content is not null")
    op.drop_column("imports", "report")


def downgrade() -> None:
    op.add_column(
        "imports",
        sa.Column("report", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
    )
    op.execute(_MOVE_BACK)
    op.execute("delete from jobs where id in (select job_id from imports where is_dry_run)")
    op.execute("update imports set content = null where content is not null")
    op.drop_column("imports", "is_dry_run")
    op.drop_table("import_reports")
