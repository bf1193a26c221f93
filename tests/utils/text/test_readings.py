"""Other spellings of a search: seasons, romanised Cyrillic, the other keyboard, the sound of romaji."""

import pytest

from app.utils.db.database import Database
from app.utils.text.readings import consonants, other_layouts, romanised, season, sound


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("Overlord II", "Overlord"), ("Overlord season 2", "Overlord"), ("Overlord: 2nd Season", "Overlord"),
        ("Overlord S2", "Overlord"), ("Overlord s02", "Overlord"), ("Overlord second season", "Overlord"),
        ("Overlord 2", "Overlord"), ("Оверлорд часть 2", "Оверлорд"), ("Оверлорд 2 сезон", "Оверлорд"),
        ("Оверлорд ТВ-2", "Оверлорд"), ("オーバーロード 第2期", "オーバーロード"),
    ],
)  # fmt: skip
def test_a_season_is_named_in_many_ways(text: str, base: str) -> None:
    named = season(text)
    assert named is not None
    assert named.base == base
    assert {"season 2", "2nd season", "ii", "2", "часть 2"} <= set(named.endings)


@pytest.mark.parametrize("text", ["Overlord", "22/7", "2", "Mob Psycho 100", "Area 88", "V", "season 2"])
def test_queries_that_name_no_season(text: str) -> None:
    assert season(text) is None


@pytest.mark.parametrize(
    ("written", "romaji"),
    [
        ("Шингеки но Кьёджин", "shingeki no kyojin"), ("Сингэки но кёдзин", "shingeki no kyojin"),
        ("Кимецу но Яиба", "kimetsu no yaiba"), ("Дзюдзюцу кайсэн", "jujutsu kaisen"),
        ("Джуджутсу Кайсен", "jujutsu kaisen"), ("Токио Гуль", "tokyo ghoul"),
        ("Наруто Шиппуден", "naruto shippuuden"), ("Хагане но Ренкинджутсуши", "hagane no renkinjutsushi"),
    ],
)  # fmt: skip
def test_cyrillic_sounds_like_its_romaji(written: str, romaji: str) -> None:
    heard = {sound(spelled) for spelled in romanised(written)}
    assert sound(romaji) in heard or sound(romaji.replace("gh", "g").replace("ou", "u")) in heard


def test_ways_to_romanise_sound_the_same() -> None:
    for spellings in (
        ("toukyou", "tokyo", "tookyoo"), ("jujutsu", "jyujyutsu", "juujutsu", "zyuzyutu"),
        ("shingeki", "singeki"), ("chihayafuru", "tihayahuru"), ("shimbun", "shinbun"), ("tsubasa", "tubasa"),
    ):  # fmt: skip
        assert len({sound(spelling) for spelling in spellings}) == 1, spellings


def test_the_other_keyboard_is_the_same_keys() -> None:
    assert other_layouts("yfhenj") == ["наруто"]
    assert other_layouts("тфкгещ") == ["naruto"]
    assert other_layouts("<tk,jv") == ["белбом"]
    assert other_layouts("htqkufy t") == ["рейлган е", "рейлган t"]
    assert other_layouts("ナルト") == []


@pytest.mark.parametrize(
    ("cyrillic", "english"),
    [
        ("чейнсо мен", "chainsaw man"), ("хантер х хантер", "hunter x hunter"), ("токио гуль", "tokyo ghoul"),
        ("сайко пасс", "psycho pass"), ("квин", "queen"), ("фейт стей найт", "fate stay night"),
        ("принцесс принципал", "princess principal"), ("адвенчур", "adventure"), ("шэдоу", "shadow"),
        ("уитч вотч", "witch watch"), ("эйдж оф стил", "age of steel"), ("хроно кросс", "chrono cross"),
    ],
)  # fmt: skip
def test_english_in_cyrillic_letters_has_the_same_consonants(cyrillic: str, english: str) -> None:
    assert consonants(cyrillic.split()) == consonants(english.split())


async def test_postgresql_takes_the_same_steps(database: Database) -> None:
    texts = [
        "shingeki no kyoujin",
        "jyujyutsu kaisen",
        "chihayafuru",
        "violet evergarden",
        "tokio ghoul",
        "aaa",
    ]
    async with database.driver() as driver:
        rows = await driver.fetch(
            "select search_sound(x) as sound, btrim(search_consonants(x)) as consonants"
            " from unnest($1::text[]) x",
            texts,
        )
    assert [row["sound"] for row in rows] == [sound(text) for text in texts]
    assert [row["consonants"] for row in rows] == [consonants(text.split()) for text in texts]
