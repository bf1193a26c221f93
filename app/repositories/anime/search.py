"""Free-text search over titles and synonyms in every script: exact, phonetic, mistyped, or similar."""

from dataclasses import dataclass

from app.repositories.anime.filters import SAFE, Arguments, all_words, pattern, where, word_groups
from app.utils.text.readings import (
    Season,
    consonants,
    is_cyrillic,
    other_layouts,
    romanised,
    season,
    sound,
)
from app.utils.text.search_words import search_words

_TYPO_LETTERS = 4  # letters; changing one letter of a shorter word could give almost any other word
_TYPO_LETTERS_BESIDE = 3  # of other words in a query: only the few matches of the longest are checked
_ENOUGH = 5  # matches as written; if there are that many, or one is the whole name, no typo is assumed
_TRIGRAM = 3  # letters
_FEW = 3  # matches with one typo; only below that are similar titles looked for
_MIN_CONSONANTS = 3  # fewer must be those of a whole name
_SURE_CONSONANTS = 5  # a name that starts with this many is no coincidence
_SAME_NAME = 0.45  # trigram similarity of the beginning of a name and the same with one or two typos

# Tiers, the lowest is the best match: as written, then phonetic matches, then the other keyboard layout
# and English in Cyrillic letters, then phonetic matches inside words, then one typo, then trigram similarity.
_SOUNDS, _OTHER_SEASONS, _OTHERWISE, _SOUNDS_WITHIN, _CLOSE_NAME, _CLOSE, _ALIKE = 1, 7, 13, 18, 19, 20, 21
_QUOTES = {'"': '"', "'": "'", "“": "”", "«": "»", "「": "」", "『": "』", "‘": "’"}

# ``close`` has the titles that contain every word as written or with one typo: the index finds the longest
# word, the others are checked on its matches; `offset 0` keeps the planner from reversing that order.
_TOLERANCE = r"""
    near as materialized (
        select distinct hit.id
        from unnest(search_typos({longest}) || search_pattern({longest})) as pattern
        cross join lateral (select x.id from anime x where x.search_text like pattern) hit
        where {close_if}
    ),
    close as materialized (
        select hit.id, hit.members, case
            when exists (
                select from string_to_table(hit.search_text, E'\n') name
                where similarity(left(name, length({spelled}) + 2), search_fold({spelled})) >= {same_name}
            ) then {close_name} else {close} end as tier
        from near
        cross join lateral (
            select a.id, a.members, a.search_text from anime a where a.id = near.id and {others} offset 0
        ) hit
    ),
    alike as materialized (
        select a.id, a.members, max(near.likeness) as likeness
        from ({alike}) near join anime a using (id)
        where {alike_if} and (select count(*) from close) < {few} and a.id not in (select id from close)
        group by a.id
    )
"""
_NEARLY = "a.search_text like any ((select search_typos({word}) || search_pattern({word}))::text[])"

# Best first: whole name, whole words, start of a name, start of a word, substring, words apart.
_TIERS = r"""
    select a.id, a.members, a.title, {first} + case
        when {is_name} then 0
        when {is_words} then 1
        when {begins_name} then 2
        when {begins_word} then 3
        when {is_part} then 4
        else {apart} end as tier
    from anime a, (
        select {patterns}
        from (
            select substr(broken, 2, length(broken) - 2) as broken,
                   substr(joined, 2, length(joined) - 2) as joined
            from {broken} as broken, {joined} as joined
        ) forms offset 0
    ) asked
    where {words}
"""
# A season: a name followed by the season's number, a name that starts so, or the number anywhere after it.
_SEASON = r"""
    select a.id, a.members, a.title, {first} + case
        when a.search_text like any (asked.whole) then 0
        when a.search_text like any (asked.begun) then 1
        else 3 end as tier
    from anime a, (
        select array(select E'%\n ' || name || ' ' || x || E' \n%' from unnest({endings}) x) as whole,
               array(select E'%\n ' || name || ' ' || x || ' %' from unnest({endings}) x) as begun,
               array(select '% ' || x || ' %' from unnest({endings}) x) as behind
        from (select substr({base}, 2, length({base}) - 2) as name) named
    ) asked
    where {words} and a.search_text like any (asked.behind)
"""
# English titles in Cyrillic letters, found by the lines of ``search_text`` that consist of consonants.
_CONSONANTS = r"""
    select a.id, a.members, a.title, {first} + case
        when a.search_text like E'%\n ' || {spoken} || E' \n%' then 0
        when a.search_text like E'%\n ' || {spoken} || ' %' then 1
        when a.search_text like '% ' || {spoken} || ' %' then 2
        when a.search_text like E'%\n ' || {spoken} || '%' then 3
        else 4 end as tier
    from anime a where a.search_text like {pattern}
"""
# Of whole-name matches, main titles come first, those with the query's exact punctuation at the top.
_STRICT = r"""
    strict as materialized (
        select t.id, min(t.members) as members, min(case
            when t.tier > 0 then t.tier
            when search_fold(t.title) in (search_fold({query}), search_fold({unquoted})) then -2
            when search_join(search_fold(t.title)) = search_join(search_fold({query}))
                 or search_break(search_fold(t.title)) = search_break(search_fold({query})) then -1
            else 0 end) as tier
        from ({found}) t group by t.id
    )
"""
_NAME_BEGINS, _NAME_ENDS = r"E'%\n '", r"E' \n%'"


@dataclass(frozen=True, slots=True)
class _Readings:
    """Interpretations of a query: equivalent spellings, and others for when those find nothing."""

    season: Season | None
    sounds: tuple[str, ...]
    otherwise: tuple[str, ...]
    consonants: str

    @property
    def has_sure_consonants(self) -> bool:
        """Whether a name that starts with these consonants is likely to be the intended one."""
        return _count_letters(self.consonants) >= _SURE_CONSONANTS

    @property
    def has_others(self) -> bool:
        """Whether there are other spellings to try if nothing matches as written."""
        return bool(self.otherwise or self.consonants or self.sounds)

    @classmethod
    def of(cls, search: str) -> "_Readings":
        if is_exact(search):
            return cls(None, (), (), "")
        swapped = [text for layout in other_layouts(search) for text in (layout, *phonetic_spellings(layout))]
        return cls(
            season(search),
            phonetic_spellings(search),
            tuple(other for other in dict.fromkeys(swapped) if search_words(other)),
            consonants(word.lower() for word in search_words(search)) if is_cyrillic(search) else "",
        )


def is_exact(search: str) -> bool:
    """Whether only the literal text is searched, since it contains ``%`` or ``_``."""
    return bool({"%", "_"} & set(search))


def has_trigrams(search: str) -> bool:
    """Whether a word is long enough for the trigram index, so that a generic plan serves any such search.

    Planning the statement takes longer than finding a name with it.
    """
    return any(len(word) >= _TRIGRAM for word in _words(search))


def phonetic_spellings(search: str) -> tuple[str, ...]:
    """The phonetic spellings of a search, normalised as in the index; none if equal to the text."""
    spelled = romanised(search) if is_cyrillic(search) else [search]
    written = " ".join(search_words(search)).lower()
    spoken = [sound(" ".join(search_words(text)).lower()) for text in spelled]
    return tuple(dict.fromkeys(text for text in spoken if text != written and any(map(str.isascii, text))))


def is_tolerant(search: str) -> bool:
    """Whether typos are allowed for: a word is long enough and there is no ``%`` or ``_``."""
    return not is_exact(search) and any(map(_may_be_mistyped, _words(search)))


def ranked(search: str, arguments: Arguments, *, safe: bool = False) -> str:
    """A WITH list that ends in ``found(id, tier, likeness, members)``; the lowest tier is the best match.

    With ``safe``, ``found`` excludes adult titles and ``hidden`` has their number.
    """
    query = arguments.add(search, "text")
    readings = _Readings.of(search)
    tables = [_strict(search, query, readings, arguments)]
    found = "select id, tier, 1 as likeness, members from strict"
    if readings.has_others:
        blocks = [_tiers(text, _OTHERWISE, arguments) for text in readings.otherwise]
        if readings.consonants:
            blocks.append(_consonant_tiers(readings.consonants, _OTHERWISE, arguments))
        blocks += [_within(text, arguments) for text in readings.sounds]
        tables.append(f"""
            otherwise as materialized (
                select id, min(members) as members, min(tier) as tier from ({" union all ".join(blocks)}) t
                where not exists (select from strict where tier < {_SOUNDS_WITHIN}) group by id
            )
        """)
        found += """
            where id not in (select id from otherwise) union all select id, tier, 1, members from otherwise
        """
    if is_tolerant(search):
        few = f"""
            (select count(*) from strict) < {_ENOUGH} and not exists (select from strict where tier <= 0)
        """
        none = "not exists (select from strict)"
        if readings.has_others:
            none += " and not exists (select from otherwise)"
        tables.append(_tolerance(search, query, readings, arguments, close_if=few, alike_if=none))
        known = "select id from strict" + (
            " union all select id from otherwise" if readings.has_others else ""
        )
        found += f"""
            union all select id, tier, 1, members from close where id not in ({known})
            union all select id, {_ALIKE}, likeness, members from alike
        """
    return f"with {', '.join([*tables, *_shown(found, safe=safe)])}"


def _shown(found: str, *, safe: bool) -> list[str]:
    """The final tables; with ``safe`` adult titles are removed from ``found`` and counted in ``hidden``."""
    if not safe:
        return [f"found as materialized ({found})"]
    return [
        f"every as materialized (select f.*, {SAFE} as safe from ({found}) f join anime a using (id))",
        "found as materialized (select id, tier, likeness, members from every where safe)",
        "hidden as (select count(*) as titles from every where not safe)",
    ]


def matching(search: str, arguments: Arguments) -> str:
    """A condition on ``a``: its names match the search as written, phonetically or as a season."""
    readings = _Readings.of(search)
    either = [list(all_words(search, arguments))]
    either += [list(all_words(text, arguments, at_start=True)) for text in readings.sounds]
    if readings.has_sure_consonants:
        either.append([f"a.search_text like {arguments.add(_begun(readings.consonants), 'text')}"])
    if readings.season is not None:
        either.append(_season_words(readings.season, arguments))
    return f"({' or '.join(where(words) for words in either)})"


def inexact_matches(search: str, arguments: Arguments) -> tuple[str, str]:
    """A WITH list and a condition on ``a`` for inexact matches, which are used only without exact ones."""
    readings = _Readings.of(search)
    none = f"not exists (select from anime a where {matching(search, arguments)})"
    others = [where(list(all_words(text, arguments))) for text in (*readings.otherwise, *readings.sounds)]
    if readings.consonants:
        others.append(f"a.search_text like {arguments.add(_spoken(readings.consonants), 'text')}")
    other = " or ".join(others) or "false"
    tables = f"""
        with otherwise as materialized (select a.id from anime a where {none} and ({other}))
    """
    found = "select id from otherwise"
    if is_tolerant(search):
        if_none = "not exists (select from otherwise)"
        query = arguments.add(search, "text")
        tolerance = _tolerance(
            search, query, readings, arguments, close_if=f"{none} and {if_none}", alike_if=none
        )
        tables += f", {tolerance}"
        found += " union all select id from close union all select id from alike"
    return tables, f"a.id in ({found})"


def _strict(search: str, query: str, readings: _Readings, arguments: Arguments) -> str:
    blocks = [_tiers(search, 0, arguments)]
    blocks += [
        _tiers(text, _SOUNDS, arguments, at_start=True, apart=_SOUNDS_WITHIN - _SOUNDS)
        for text in readings.sounds
    ]
    if readings.has_sure_consonants:
        blocks.append(_consonant_tiers(readings.consonants, _SOUNDS, arguments, begun=True))
    if readings.season is not None:
        blocks.append(_season(readings.season, 0, arguments))
        blocks.append(_tiers(readings.season.base, _OTHER_SEASONS, arguments))
        for base in phonetic_spellings(readings.season.base):
            blocks.append(_season(Season(base, readings.season.endings), _SOUNDS, arguments))
    unquoted = search[1:-1] if _QUOTES.get(search[:1]) == search[-1:] and len(search) > 2 else search
    return _STRICT.format(
        query=query, unquoted=arguments.add(unquoted, "text"), found=" union all ".join(blocks)
    )


def _tiers(search: str, first: int, arguments: Arguments, *, at_start: bool = False, apart: int = 5) -> str:
    broken = " ".join(search_words(search))
    forms = ["broken"] if broken == " ".join(search.split()) else ["broken", "joined"]

    patterns: list[str] = []  # evaluated once, not per title

    def like(before: str, after: str) -> str:
        """SQL: the text contains either form of the query between ``before`` and ``after``."""
        names = [f"{form}_{len(patterns)}" for form in forms]
        patterns.extend(
            f"{before} || {form} || {after} as {name}" for form, name in zip(forms, names, strict=True)
        )
        return " or ".join(f"a.search_text like asked.{name}" for name in names)

    conditions = {
        "is_name": like(_NAME_BEGINS, _NAME_ENDS),
        "begins_name": like(_NAME_BEGINS, "'%'"),
        "is_words": like("'% '", "' %'"),
        "begins_word": like("'% '", "'%'"),
        "is_part": like("'%'", "'%'"),
    }
    return _TIERS.format(
        first=first,
        apart=apart,
        broken=pattern(broken, arguments),
        joined=pattern(search, arguments),
        patterns=", ".join(patterns),
        words=where(list(all_words(search, arguments, once=has_trigrams(search), at_start=at_start))),
        **conditions,
    )


def _within(sound_: str, arguments: Arguments) -> str:
    """Phonetic matches inside words, which are often coincidences."""
    words = where(list(all_words(sound_, arguments)))
    return f"select a.id, a.members, a.title, {_SOUNDS_WITHIN} as tier from anime a where {words}"


def _consonant_tiers(spoken: str, first: int, arguments: Arguments, *, begun: bool = False) -> str:
    """Names with these consonants; only those that begin with them if ``begun``."""
    like = _begun(spoken) if begun else _spoken(spoken)
    return _CONSONANTS.format(
        first=first, spoken=arguments.add(spoken, "text"), pattern=arguments.add(like, "text")
    )


def _spoken(consonants: str) -> str:
    """A LIKE pattern for names with these consonants; few of them have to be those of a whole name."""
    if _count_letters(consonants) < _MIN_CONSONANTS:
        return f"%\n {consonants} \n%"
    return f"% {consonants.replace(' ', '% ')}%"


def _begun(consonants: str) -> str:
    """A LIKE pattern for names that begin with these consonants."""
    return f"%\n {consonants} %"


def _count_letters(consonants: str) -> int:
    return len(consonants.replace(" ", ""))


def _season(named: Season, first: int, arguments: Arguments) -> str:
    return _SEASON.format(
        first=first,
        base=pattern(" ".join(search_words(named.base)), arguments),
        endings=arguments.add(list(named.endings), "text[]"),
        words=where(list(all_words(named.base, arguments))),
    )


def _season_words(named: Season, arguments: Arguments) -> list[str]:
    endings = arguments.add([f"% {ending} %" for ending in named.endings], "text[]")
    return [*all_words(named.base, arguments), f"a.search_text like any ({endings})"]


def _tolerance(
    search: str, query: str, readings: _Readings, arguments: Arguments, *, close_if: str, alike_if: str
) -> str:
    spelled = readings.sounds[0] if is_cyrillic(search) and readings.sounds else search
    words = _words(search)
    longest = max(filter(_may_be_mistyped, words), key=lambda word: (len(word), word))
    others = [_nearly(word, arguments) for word in sorted(words - {longest})]
    if not any(len(word) >= _TRIGRAM for word in search_words(search)):
        alike_if = "false"  # the trigrams of short words are in most titles: seconds of comparisons
    alike, placed = [f"select id, likeness from search_alike({query})"], query
    if spelled != search:
        placed = arguments.add(spelled, "text")
        alike.append(f"select id, likeness from search_alike({placed})")
    return _TOLERANCE.format(
        longest=arguments.add(longest, "text"),
        others=where(others),
        spelled=placed,
        same_name=_SAME_NAME,
        close_name=_CLOSE_NAME,
        close=_CLOSE,
        alike=" union all ".join(alike),
        close_if=close_if,
        alike_if=alike_if,
        few=_FEW,
    )


def _words(search: str) -> set[str]:
    """The words, with those of one group joined; written apart they are one character off."""
    return {"".join(words) for words in word_groups(search)}


def _nearly(word: str, arguments: Arguments) -> str:
    if len(word) >= _TYPO_LETTERS_BESIDE and word.isalnum():
        return _NEARLY.format(word=arguments.add(word, "text"))
    return next(all_words(word, arguments))


def _may_be_mistyped(word: str) -> bool:
    return len(word) >= _TYPO_LETTERS and word.isalnum()
