"""English names are found by their consonants too: so they are found when typed in Cyrillic letters."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261128_1345"
down_revision: str | None = "20261128_1330"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_ROWS_AT_ONCE = 500  # well under a second, in which writers of these rows wait

# The same steps as in app/utils/text/readings.py, as they were when this was written.
_CONSONANTS = (
    ("cce", "kse"), ("cci", "ksi"), ("bb", "b"), ("cc", "c"), ("dd", "d"), ("ff", "f"), ("gg", "g"),
    ("kk", "k"), ("ll", "l"), ("mm", "m"), ("nn", "n"), ("pp", "p"), ("rr", "r"), ("ss", "s"), ("tt", "t"),
    ("zz", "z"), (" psych", " sK"), ("tch", "C"), ("sch", "SK"), ("chr", "KR"), ("ch", "C"), ("sh", "X"),
    ("ght", "T"), (" gh", " G"), ("gh", ""), ("ph", "F"), ("th", "S"), (" kn", " N"), (" wr", " R"),
    ("wh", "w"), ("ck", "K"), ("qu", "KV"), ("x", "KS"), ("tion", "XN"), ("sion", "XN"), ("ture", "CR"),
    ("sce", "S"), ("sci", "S"), ("ce", "S"), ("ci", "S"), ("cy", "S"), ("c", "K"), ("dge", "G"), ("ts", "S"),
    ("e", "a"), ("i", "a"), ("o", "a"), ("u", "a"), ("y", "a"), (" a", " A"), ("wa", "V"), ("w", ""),
    ("a", ""),
)  # fmt: skip
_LETTERS = ("bdfghjklmnpqrstvz", "BDFGHGKLMNPKRSTVS")


def _consonants(text: str) -> str:
    for letters, sound in _CONSONANTS:
        text = f"replace({text}, '{letters}', '{sound}')"
    return f"translate({text}, '{_LETTERS[0]}', '{_LETTERS[1]}')"


_WORDS = r"' ' || replace(folded, E'\n', E' \n ') || ' '"
# Lines of words in, such lines out, each in spaces.
_FUNCTION = f"""
create function search_consonants(folded text) returns text
language sql immutable strict parallel safe
return {_consonants(_WORDS)}
"""

_SOUNDING = "string_to_table(written || E'\\n' || search_sound(written), E'\\n') as line"
# The capitals of the consonants keep these lines apart from the names, which are in lower case.
_SOUNDING_AND_CONSONANTS = r"""(
        select string_to_table(written || E'\n' || search_sound(written), E'\n')
        union all
        select btrim(spoken) from string_to_table(search_consonants(written), E'\n') as spoken
        where spoken ~ '^[A-Z0-9 ]*[A-Z][A-Z0-9 ]*$'
    ) as lines (line)"""

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
    cross join lateral <lines>
    where line <> '';
end
"""


def upgrade() -> None:
    op.execute(_FUNCTION)
    op.execute(_TEXT.replace("<lines>", _SOUNDING_AND_CONSONANTS))
    _compute_anew()


def downgrade() -> None:
    op.execute(_TEXT.replace("<lines>", _SOUNDING))
    op.execute("drop function search_consonants")
    _compute_anew()


def _compute_anew() -> None:
    """Write the columns that the function makes, some rows at a time, each time for good."""
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        for table, names in _COMPUTED.items():
            last = connection.scalar(sa.text(f"select max(id) from {table}")) or 0
            compute = sa.text(
                f"update {table} set title = title where id between :first and :last "
                f"and search_text is distinct from anime_search_text({names})"
            )
            for first in range(0, last + 1, _ROWS_AT_ONCE):
                connection.execute(compute, {"first": first, "last": first + _ROWS_AT_ONCE - 1})


_COMPUTED = {
    "anime": "title, title_english, title_japanese, title_russian, synonyms",
    "manga": "title, null, null, null, names",
}
