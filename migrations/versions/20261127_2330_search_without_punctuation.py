"""Punctuation in names and queries separates words or is ignored, so that it hides no title."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "20261127_2330"
down_revision: str | None = "20261127_2317"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_ROWS_AT_ONCE = 2000  # about a second, for which writers of these rows wait

# The same ranges as in app/utils/search_words.py, as they were when this was written.
_IGNORED = (
    r"\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    r"\u064b-\u065f\u0670\u06d6-\u06dc\u1ab0-\u1aff\u1dc0-\u1dff\u200c-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u20d0-\u20ff\u30fc\ufe00-\ufe0f\ufe20-\ufe2f\ufeff\U000e0100-\U000e01ef"
)
_MARKS_BUT_SPACES = (
    r"\u0001-\u0008\u000e-\u001f\u0021-\u0024\u0026-\u002f\u003a-\u0040\u005b-\u005e\u0060\u007b-\u00bf"
    r"\u00d7\u00f7\u02b9-\u02ff"
    r"\u055a-\u055f\u0589-\u058f\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0606-\u060f\u061b-\u061f\u066a-\u066d"
    r"\u06d4\u0964\u0965\u0970\u0e3f\u0e4f\u0e5a\u0e5b\u1680\u2000-\u206f\u20a0-\u20cf\u2100-\u214f"
    r"\u218a-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u3036\u3037\u303d-\u303f\u30a0\u30fb\ufd3e\ufd3f"
    r"\ufe10-\ufe1f\ufe30-\ufe6f\uffe0-\uffff\U0001d100-\U0001d1ff\U0001f000-\U0001faff"
)
_SPACES = r"\u0009-\u000d\u0020"

# No accents, compatibility forms, lower case. Kana keep their voicing, as one character with it.
_FOLD = rf"""
create or replace function search_fold(value text) returns text
language sql immutable strict parallel safe
return replace(replace(replace(
    translate(
        regexp_replace(
            normalize(
                regexp_replace(
                    replace(lower(normalize(value, NFKD)), '×', '-x-'), '[{_IGNORED}]+', '', 'g'),
                NFC),
            '[\u3099\u309a]+', '', 'g'),
        'øłđħı', 'oldhi'),
    'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe')
"""

# Folded text with every mark as the end of a word: "re zero".
_BREAK = rf"""
create function search_break(folded text) returns text
language sql immutable strict parallel safe
return btrim(regexp_replace(folded, '[{_MARKS_BUT_SPACES}{_SPACES}]+', ' ', 'g'))
"""

# Folded text without its marks: "rezero".
_JOIN = rf"""
create function search_join(folded text) returns text
language sql immutable strict parallel safe
return btrim(regexp_replace(
    regexp_replace(folded, '[{_MARKS_BUT_SPACES}]+', '', 'g'), '[{_SPACES}]+', ' ', 'g'))
"""

# One line a name, broken, and one joined where that is another; each in spaces, so that a pattern can ask
# for a whole name, its beginning or a whole word.
_TEXT = r"""
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

# A LIKE pattern for text that holds this word; every character of it stands for itself. Null for no word.
_PATTERN = r"""
create or replace function search_pattern(word text) returns text
language sql immutable strict parallel safe
return '%' || regexp_replace(nullif(search_join(search_fold(word)), ''), '([%_])', '\\\1', 'g') || '%'
"""

_OLD_FOLD = r"""
create or replace function search_fold(value text) returns text
language sql immutable strict parallel safe
return lower(regexp_replace(normalize(value, NFKD), '[\u0300-\u036f]', '', 'g'))
"""
_OLD_TEXT = r"""
create or replace function anime_search_text(
    title text, title_english text, title_japanese text, title_russian text, synonyms text[]
) returns text
language sql immutable parallel safe
return replace(
    E'\n ' || replace(
        search_fold(concat_ws(E'\n', title, title_english, title_japanese, title_russian,
                              array_to_string(synonyms, E'\n'))),
        E'\n', E' \n ') || E' \n',
    '  ', ' ')
"""
_OLD_PATTERN = r"""
create or replace function search_pattern(word text) returns text
language sql immutable strict parallel safe
return '%' || regexp_replace(search_fold(word), '([\\%_])', '\\\1', 'g') || '%'
"""


def upgrade() -> None:
    for function in (_FOLD, _BREAK, _JOIN, _TEXT, _PATTERN):
        op.execute(function)
    _compute_anew()


def downgrade() -> None:
    for function in (_OLD_FOLD, _OLD_TEXT, _OLD_PATTERN):
        op.execute(function)
    for function in ("search_break", "search_join"):
        op.execute(f"drop function {function}(text)")
    _compute_anew()


def _compute_anew() -> None:
    """Write the column that the functions make, some rows at a time, each time for good."""
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
