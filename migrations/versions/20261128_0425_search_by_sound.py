"""Names of titles are found by their sound too: long vowels and ways to romanise make no difference."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261128_0425"
down_revision: str | None = "20261128_0345"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_ROWS_AT_ONCE = 500  # well under a second, in which writers of these rows wait

# The same steps as in app/utils/text/readings.py, as they were when this was written.
_SOUNDS = (
    ("jy", "j"), ("zy", "j"), ("dj", "j"), ("dz", "z"), ("tch", "ch"), ("sy", "sh"), ("ty", "ch"),
    ("kio", "kyo"), ("kiu", "kyu"), ("gio", "gyo"), ("rio", "ryo"), ("hio", "hyo"), ("nio", "nyo"),
    ("ohh", "oh"), ("ou", "o"), ("oo", "o"), ("uu", "u"), ("aa", "a"), ("ii", "i"), ("ei", "e"),
    ("ee", "e"), ("shi", "si"), ("sh", "s"), ("chi", "ti"), ("ch", "t"), ("tsu", "tu"), ("ts", "t"),
    ("wo", "o"), ("mb", "nb"), ("mp", "np"), ("ky", "k"), ("gy", "g"), ("ny", "n"), ("hy", "h"),
    ("by", "b"), ("py", "p"), ("my", "m"), ("ry", "r"), ("jo", "zo"), ("bb", "b"), ("dd", "d"),
    ("gg", "g"), ("kk", "k"), ("mm", "m"), ("nn", "n"), ("pp", "p"), ("rr", "r"), ("ss", "s"), ("tt", "t"),
    ("ll", "l"), ("zz", "z"),
)  # fmt: skip
_LETTERS = ("lvfj", "rbhz")


def _sound(text: str) -> str:
    for spelling, other in _SOUNDS:
        text = f"replace({text}, '{spelling}', '{other}')"
    return f"translate({text}, '{_LETTERS[0]}', '{_LETTERS[1]}')"


_SOUND = f"""
create function search_sound(folded text) returns text
language sql immutable strict parallel safe
return {_sound("folded")}
"""

# As before one line a name, broken, and one joined where that is another; then how these sound.
_TEXT = r"""
create or replace function anime_search_text(
    title text, title_english text, title_japanese text, title_russian text, synonyms text[]
) returns text
language sql immutable parallel safe
begin atomic
    select coalesce(E'\n ' || string_agg(distinct line, E' \n ' order by line) || E' \n', '')
    from (
        select string_agg(distinct form.line, E'\n') as written
        from string_to_table(
            search_fold(concat_ws(E'\n', title, title_english, title_japanese, title_russian,
                                  array_to_string(synonyms, E'\n'))), E'\n') as name
        cross join lateral (values (search_break(name)), (search_join(name))) as form (line)
        where form.line <> ''
    ) names
    cross join lateral string_to_table(written || E'\n' || search_sound(written), E'\n') as line
    where line <> '';
end
"""

_OLD_TEXT = r"""
create or replace function anime_search_text(
    title text, title_english text, title_japanese text, title_russian text, synonyms text[]
) returns text
language sql immutable parallel safe
begin atomic
    select coalesce(E'\n ' || string_agg(distinct line, E' \n ' order by line) || E' \n', '')
    from string_to_table(
        search_fold(concat_ws(E'\n', title, title_english, title_japanese, title_russian,
                              array_to_string(synonyms, E'\n'))), E'\n') as name
    cross join lateral (values (search_break(name)), (search_join(name))) as form (line)
    where line <> '';
end
"""


def upgrade() -> None:
    op.execute(_SOUND)
    op.execute(_TEXT)
    _compute_anew()


def downgrade() -> None:
    op.execute(_OLD_TEXT)
    op.execute("drop function search_sound")
    _compute_anew()


def _compute_anew() -> None:
    """Write the column that the function makes, some rows at a time, each time for good."""
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        last = connection.scalar(sa.text("select max(id) from anime")) or 0
        for first in range(0, last + 1, _ROWS_AT_ONCE):
            connection.execute(_COMPUTE, {"first": first, "last": first + _ROWS_AT_ONCE - 1})


_COMPUTE = sa.text("""
    update anime set title = title
    where id between :first and :last and search_text is distinct from
          anime_search_text(title, title_english, title_japanese, title_russian, synonyms)
""")
