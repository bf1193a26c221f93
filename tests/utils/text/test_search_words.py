"""Tokenising of queries, which matches PostgreSQL's of names."""

import unicodedata

import pytest

from app.utils.db.database import Database
from app.utils.text.search_words import search_words

SPLIT = {
    "cowboy-bebop": ["cowboy", "bebop"],
    '"cowboy  bebop"': ["cowboy", "bebop"],
    "«Атака титанов»": ["Атака", "титанов"],
    "Shigatsu.wa.Kimi": ["Shigatsu", "wa", "Kimi"],
    ".hack//SIGN": ["hack", "SIGN"],
    "Ｒｅ：Ｚｅｒｏ": ["Re", "Zero"],
    "Kaguya’s": ["Kaguya", "s"],
    "カウボーイ・ビバップ": ["カウボイ", "ビバップ"],
    "ガンダム": ["ガンダム"],
    "Shōjo　Kakumei": ["Shojo", "Kakumei"],
    "SPY×FAMILY": ["SPY", "x", "FAMILY"],
    "co\u200dwboy be\u200bbop": ["cowboy", "be", "bop"],
    "100% _x_": ["100%", "_x_"],
    "C³": ["C3"],
    "!?…": [],
    "💩💩": [],
    "\u0301\u0301": [],
    "\u3099\u3099": [],
    "\u20dd\ufe0f": [],
    "ーー": [],
    " \t\n\u3000": [],
    "": [],
}


@pytest.mark.parametrize("text", SPLIT)
def test_punctuation_separates_words_and_accents_are_ignored(text: str) -> None:
    assert search_words(text) == SPLIT[text]


@pytest.mark.parametrize("category", ["P", "S", "Z"])
def test_punctuation_and_spaces_of_common_scripts_separate_words(category: str) -> None:
    blocks = [*range(0x20, 0x300), *range(0x2000, 0x2C00), *range(0x3000, 0x3100), *range(0xFF00, 0xFFE0)]
    characters = [chr(code) for code in blocks if unicodedata.category(chr(code))[0] == category]
    plain = [one for one in characters if not any(map(str.isalnum, unicodedata.normalize("NFKD", one)))]
    assert [one for one in plain if search_words(one) and one not in "%_×％＿"] == []


_SAME_ALL_OVER = [
    *range(0x3400, 0xA000),
    *range(0xAC00, 0xD7A4),
    *range(0xD800, 0xF900),
]  # ideographs, Hangul
_BEYOND = [*range(0x1D100, 0x1D200), *range(0x1F000, 0x1FB00), *range(0xE0100, 0xE01F0)]


async def test_postgresql_tokenises_names_like_queries(database: Database) -> None:
    codes = sorted({*range(1, 0x10000), *_BEYOND} - set(_SAME_ALL_OVER) - {0x0A})
    texts = [f"a{chr(code)}b" for code in codes]
    words = [search_words(text) for text in texts]
    split = "select search_break(line) from string_to_table(search_fold($1), E'\\n') as line"
    joined = "select search_join(line) from string_to_table(search_fold($1), E'\\n') as line"
    async with database.driver() as driver:
        broken_there = [row[0] for row in await driver.fetch(split, "\n".join(texts))]
        broken_here = [row[0] for row in await driver.fetch(split, "\n".join(map(" ".join, words)))]
        joined_there = [row[0] for row in await driver.fetch(joined, "\n".join(texts))]
    differing = [
        code for code, *both in zip(codes, broken_there, broken_here, strict=True) if both[0] != both[1]
    ]
    assert [hex(code) for code in differing] == []
    parted = [text.replace(" ", "") for text in broken_there]
    assert [text.replace(" ", "") for text in joined_there] == parted
