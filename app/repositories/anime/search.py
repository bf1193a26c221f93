"""Free text over every title, synonym and script: as written, with a letter wrong, or merely alike."""

from app.repositories.anime.filters import Arguments, all_words, pattern, units, where
from app.utils.text.search_words import search_words

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

# Better first: the whole of a name, its beginning, whole words, their beginning, a part, parts apart.
# Of those whose name it is, first what has it as its main title, in the very punctuation that was asked for.
_STRICT = r"""
    asked as materialized (
        select substr(broken, 2, length(broken) - 2) as broken,
               substr(joined, 2, length(joined) - 2) as joined
        from {broken} as broken, {joined} as joined
    ),
    strict as materialized (
        select t.id, t.members, case
            when t.tier > 0 then t.tier
            when search_fold({query}) = search_fold(t.title) then -2
            when {is_title} then -1
            else 0 end as tier
        from asked, lateral (
            select a.id, a.members, a.title, case
                when {is_name} then 0
                when {begins_name} then 1
                when {is_words} then 2
                when {begins_word} then 3
                when {is_part} then 4
                else 5 end as tier
            from anime a
            where {words}
        ) t
    )
"""
_NAME_BEGINS, _NAME_ENDS = r"E'%\n '", r"E' \n%'"
_TITLE = "anime_search_text(t.title, null, null, null, '{}')"


def is_tolerant(search: str) -> bool:
    """Whether other spellings are tried too; not where a letter that is a wildcard elsewhere was typed."""
    return not {"%", "_"} & set(search) and any(map(_may_be_mistyped, _words(search)))


def ranked(search: str, arguments: Arguments) -> str:
    """A WITH list that ends in ``found(id, tier, likeness, members)``, the lower tier being the better."""
    query = arguments.place(search, "text")
    tables = [_strict(search, query, arguments)]
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
    query = arguments.place(search, "text")
    none = f"not exists (select from anime a where {where(list(all_words(search, arguments)))})"
    tables = f"with {_tolerance(search, query, arguments, close_if=none, alike_if=none)}"
    return tables, "a.id in (select id from close union all select id from alike)"


def _strict(search: str, query: str, arguments: Arguments) -> str:
    broken = " ".join(search_words(search))
    forms = ["broken"] if broken == " ".join(search.split()) else ["broken", "joined"]

    def like(before: str, after: str, text: str = "a.search_text") -> str:
        """Either form stands in the text between these two."""
        return " or ".join(f"{text} like {before} || asked.{form} || {after}" for form in forms)

    return _STRICT.format(
        query=query,
        broken=pattern(broken, arguments),
        joined=f"search_pattern({query})",
        is_title=like(_NAME_BEGINS, _NAME_ENDS, _TITLE),
        is_name=like(_NAME_BEGINS, _NAME_ENDS),
        begins_name=like(_NAME_BEGINS, "'%'"),
        is_words=like("'% '", "' %'"),
        begins_word=like("'% '", "'%'"),
        is_part=like("'%'", "'%'"),
        words=where(list(all_words(search, arguments))),
    )


def _tolerance(search: str, query: str, arguments: Arguments, *, close_if: str, alike_if: str) -> str:
    words = _words(search)
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


def _words(search: str) -> set[str]:
    """As they are written as one, which is a letter off from written apart."""
    return {"".join(words) for words in units(search)}


def _nearly(word: str, arguments: Arguments) -> str:
    if _may_be_mistyped(word):
        return _NEARLY.format(word=arguments.place(word, "text"))
    return next(all_words(word, arguments))


def _may_be_mistyped(word: str) -> bool:
    return len(word) >= _TYPO_LETTERS and word.isalnum()
