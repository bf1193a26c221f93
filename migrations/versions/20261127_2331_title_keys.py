"""An index of full names, by which rows of list files without an id are linked."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261127_2331"
down_revision: str | None = "20261127_2330"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# The same for any case, width, accent and mark, and however the words are set apart; lines stay lines.
_FOLDED = r"""
regexp_replace(
    lower(normalize(regexp_replace(normalize({}, NFKD), '[\u0300-\u036f]', '', 'g'), NFKC)),
    '[^[:alnum:]\n]+', '', 'g')
"""
_TITLE_KEY = f"""
create function title_key(name text) returns text
language sql immutable strict parallel safe
return {_FOLDED.format("name")}
"""

# All names of a title are folded as one text: that is many times faster than one by one. In PL/pgSQL, so
# that it is not inlined and keeps its cost: else the planner computes it for every title, index or not. It
# calls nothing of ours, which ANALYZE would not find.
_TITLE_KEYS = f"""
create function title_keys(
    title text, title_english text, title_japanese text, title_russian text, synonyms text[]
) returns text[]
language plpgsql immutable parallel safe cost 10000
as $$
declare
    names text := concat_ws(E'\\n', title, title_english, title_japanese, title_russian,
                            array_to_string(synonyms, E'\\n'));
begin
    return array_remove(string_to_array({_FOLDED.format("names")}, E'\\n'), '');
end
$$
"""


def upgrade() -> None:
    op.execute(sa.text(_TITLE_KEY))
    op.execute(sa.text(_TITLE_KEYS))
    op.create_index(
        "ix_anime_title_keys",
        "anime",
        [sa.text("title_keys(title, title_english, title_japanese, title_russian, synonyms)")],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    # Nobody asks for figures of the names, and ANALYZE would call the function for every row to have them.
    op.execute("alter index ix_anime_title_keys alter column 1 set statistics 0")


def downgrade() -> None:
    op.drop_index("ix_anime_title_keys", table_name="anime", postgresql_using="gin")
    op.execute("drop function title_keys")
    op.execute("drop function title_key")
