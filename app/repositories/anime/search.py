"""Free text over every title, synonym and script: as written, with a letter wrong, or merely alike."""

from app.repositories.anime.filters import Arguments, all_words, where

_TYPO_LETTERS = 4  # a shorter word with a letter wrong could be almost any other
_ENOUGH = 50  # titles as written; with so many of them nobody mistyped
_FEW = 3  # titles with a letter wrong; with fewer of them more may be wrong

# ``close`` has each word as written or with one letter wrong: the longest finds, the others are checked
# on what it found, row by row, which `offset 0` keeps the planner from turning round.
_TOLERANCE = """
    near as materialized (
        select distinct hit.id
        from unnest(search_typos({longest}) || search_pattern({longest})) as pattern
        cross join lateral (select x.id from anime x where x.search_text like pattern) hit
        where {close_if}
    ),
    close as materialized (
        select hit.id, hit.members
        from near
        cross join lateral (
            select a.id, a.members from anime a where a.id = near.id and {others} offset 0
        ) hit
    ),
    alike as materialized (
        select a.id, a.members, near.likeness
        from search_alike({query}) near join anime a using (id)
        where {alike_if} and (select count(*) from close) < {few} and a.id not in (select id from close)
    )
"""
_NEARLY = "a.search_text like any ((select search_typos({word}) || search_pattern({word}))::text[])"

# Better first: the whole of a title, its beginning, whole words, their beginning, a part, parts apart.
_STRICT = r"""
    asked as materialized (
        select substr(pattern, 2, length(pattern) - 2) as text from search_pattern({query}) as pattern
    ),
    strict as materialized (
        select a.id, a.members, case
            when a.search_text like E'%\n ' || asked.text || E' \n%' then 0
            when a.search_text like E'%\n ' || asked.text || '%' then 1
            when a.search_text like '% ' || asked.text || ' %' then 2
            when a.search_text like '% ' || asked.text || '%' then 3
            when a.search_text like '%' || asked.text || '%' then 4
            else 5 end as tier
        from anime a, asked
        where {words}
    )
"""


def is_tolerant(search: str) -> bool:
    """Whether other spellings are tried too; not where a letter that is a wildcard elsewhere was typed."""
    return not {"%", "_"} & set(search) and any(map(_may_be_mistyped, search.split()))


def ranked(search: str, arguments: Arguments) -> str:
    """A WITH list that ends in ``found(id, tier, likeness, members)``, the lower tier being the better."""
    query = arguments.place(" ".join(search.split()), "text")
    tables = [_STRICT.format(query=query, words=where(list(all_words(search, arguments))))]
    found = "select id, tier, 1 as likeness, members from strict"
    if is_tolerant(search):
        few = f"(select count(*) from strict) < {_ENOUGH}"
        none = "not exists (select from strict)"
        tables.append(_tolerance(search, query, arguments, close_if=few, alike_if=none))
        found += """
            union all select id, 6, 1, members from close where id not in (select id from strict)
            union all select id, 7, likeness, members from alike
        """
    tables.append(f"found as materialized ({found})")
    return f"with {', '.join(tables)}"


def meant(search: str, arguments: Arguments) -> tuple[str, str]:
    """A WITH list, and the condition on ``a`` that it was perhaps meant; for where nothing is as written."""
    query = arguments.place(" ".join(search.split()), "text")
    none = f"not exists (select from anime a where {where(list(all_words(search, arguments)))})"
    tables = f"with {_tolerance(search, query, arguments, close_if=none, alike_if=none)}"
    return tables, "a.id in (select id from close union all select id from alike)"


def _tolerance(search: str, query: str, arguments: Arguments, *, close_if: str, alike_if: str) -> str:
    words = set(search.split())
    longest = max(filter(_may_be_mistyped, words), key=lambda word: (len(word), word))
    others = [_nearly(word, arguments) for word in sorted(words - {longest})]
    return _TOLERANCE.format(
        longest=arguments.place(longest, "text"),
        others=where(others),
        query=query,
        close_if=close_if,
        alike_if=alike_if,
        few=_FEW,
    )


def _nearly(word: str, arguments: Arguments) -> str:
    if _may_be_mistyped(word):
        return _NEARLY.format(word=arguments.place(word, "text"))
    return next(all_words(word, arguments))


def _may_be_mistyped(word: str) -> bool:
    return len(word) >= _TYPO_LETTERS and word.isalnum()
