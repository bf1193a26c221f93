"""GET /search/anime: ranking, typing mistakes, scripts."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from app.api.limits import SEARCHES
from app.container import Container
from app.utils.processes.embedded import ServerUrls
from tests.factories.catalogue import Title, store_titles
from tests.fixtures.catalogue import client_on
from tests.fixtures.servers import Clones

TITLES = [
    # title, members, other names
    ("Naruto", 100, ["ナルト", "Наруто"]),
    ("Naruto Gaiden", 5, []),
    ("Naruto: Shippuuden", 90, []),
    ("The Last: Naruto the Movie", 80, []),
    ("Boruto", 70, ["Narutoverse"]),
    ("Onaruton", 1000, []),
    ("Movie of the Last", 60, []),
    ("Fullmetal Alchemist", 99, ["Hagane no Renkinjutsushi", "鋼の錬金術師"]),
    ("Fullmetal Alchemist: Brotherhood", 100, []),
    ("Cowboy Bebop", 50, ["Ковбой Бибоп"]),
    ("Re:Zero", 40, ["Ré:Zéro kara Hajimeru"]),
    ("Steins;Gate", 45, []),
    ("One Piece", 44, []),
    ("Shingeki no Kyojin", 43, ["Attack on Titan", "進撃の巨人"]),
    ("Kimetsu no Yaiba", 42, ["鬼滅の刃", "Demon Slayer"]),
    ("100% Pascal", 4, []),
    ("1000 Pascal", 3, []),
    ("Ça va", 2, ["ＦＵＬＬ ＷＩＤＴＨ"]),
    ("Ao", 1, []),
    ("K-On!", 30, ["けいおん！"]),
    ("Kono Oto Tomare", 31, []),
    ("Don't Cry", 3, ["Ne plačte"]),
    ("Monster", 20, ["モンスター"]),
    ("22/7", 2, []),
    (".hack//Sign", 2, []),
    ("Fate/stay night: Unlimited Blade Works", 61, ["Fate - Stay Night"]),
    ("Fate/stay night", 60, []),
    ("Gintama", 62, []),
    ("Gintama'", 50, []),
    ("!!!", 1, []),
    ("Spy x Family", 33, ["SPY×FAMILY"]),
    ("Witch Watch", 7, []),
    ("Little Witch Academia", 90, []),
]  # fmt: skip


@pytest.fixture(scope="module")
async def searched(clones: Clones, servers: ServerUrls) -> AsyncIterator[httpx.AsyncClient]:
    """A client on a small catalogue."""
    url = await clones.make()
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    rows = [{"title": title, "members": members, "synonyms": names} for title, members, names in TITLES]
    await store_titles(connection, [Title(row) for row in rows])
    await connection.close()
    async with client_on(url, servers.redis_url) as (client, _):
        yield client
    await clones.drop(url)


async def found(client: httpx.AsyncClient, query: str, path: str = "/search/anime") -> list[str]:
    page = await client.get(path, params={"q": query, "fields": "title", "limit": 100})
    assert page.status_code == 200, page.text
    titles = [title["title"] for title in page.json()]
    assert min(100, int(page.headers["X-Total-Count"])) == len(titles)
    return titles


async def test_better_matches_come_first_and_ties_are_ordered_by_popularity(
    searched: httpx.AsyncClient,
) -> None:
    assert await found(searched, "naruto") == [
        "Naruto",  # the whole title
        "Naruto: Shippuuden",  # a whole word, and better known than the next
        "The Last: Naruto the Movie",
        "Naruto Gaiden",
        "Boruto",  # the beginning of a synonym, in the middle of a word
        "Onaruton",  # a part of a word, however well known
    ]
    assert await found(searched, "last movie") == ["The Last: Naruto the Movie", "Movie of the Last"]


ALIKE = {
    "NARUTO gaiden": "Naruto Gaiden",
    "наруто": "Naruto",
    "ナルト": "Naruto",
    "renkinjutsushi": "Fullmetal Alchemist",
    "錬金術師": "Fullmetal Alchemist",
    "鬼滅": "Kimetsu no Yaiba",
    "巨人": "Shingeki no Kyojin",
    "re zero": "Re:Zero",
    "Re:Zero kara": "Re:Zero",
    "steins gate": "Steins;Gate",
    "ca va": "Ça va",
    "full width": "Ça va",
    "ao": "Ao",
    "100%": "100% Pascal",
    "  one   piece ": "One Piece",
}


@pytest.mark.parametrize("query", ALIKE)
async def test_case_accents_width_and_script_are_ignored(searched: httpx.AsyncClient, query: str) -> None:
    assert (await found(searched, query))[0] == ALIKE[query]


PUNCTUATED = {
    "cowboy-bebop": "Cowboy Bebop",
    '"cowboy bebop"': "Cowboy Bebop",
    "cowboy.bebop!!": "Cowboy Bebop",
    "«Ковбой Бибоп»": "Cowboy Bebop",
    "бибоп/ковбой": "Cowboy Bebop",
    "cow-boy bebop": "Cowboy Bebop",
    "monster?": "Monster",
    "モンスタ": "Monster",
    "モンスタ－": "Monster",
    "naruto: gaiden": "Naruto Gaiden",
    "one-piece": "One Piece",
    "Shingeki.no.Kyojin": "Shingeki no Kyojin",
    "「進撃の巨人」": "Shingeki no Kyojin",
    "rezero": "Re:Zero",
    "re-zero": "Re:Zero",
    "Ｒｅ：Ｚｅｒｏ": "Re:Zero",
    "kon": "K-On!",
    "k on": "K-On!",
    "K–On": "K-On!",
    "けいおん": "K-On!",
    "steinsgate": "Steins;Gate",
    "Stein's;Gate": "Steins;Gate",
    "dont cry": "Don't Cry",
    "don’t cry": "Don't Cry",
    "don`t cry": "Don't Cry",
    "NE PLACTE": "Don't Cry",
    "22/7": "22/7",
    "22 7": "22/7",
    "227": "22/7",
    ".hack//SIGN": ".hack//Sign",
    "hack sign": ".hack//Sign",
    "Fate/stay night": "Fate/stay night",
    "fate stay-night": "Fate/stay night",
    "gintama": "Gintama",
    "gintama'": "Gintama'",
    "spy×family": "Spy x Family",
    "spyxfamily": "Spy x Family",
    "cowbow-bebop": "Cowboy Bebop",
}


@pytest.mark.parametrize("query", PUNCTUATED)
async def test_punctuation_does_not_hide_titles(searched: httpx.AsyncClient, query: str) -> None:
    assert (await found(searched, query))[0] == PUNCTUATED[query]
    assert PUNCTUATED[query] in await found(searched, query, "/anime")


async def test_short_words_stay_next_to_their_neighbours(searched: httpx.AsyncClient) -> None:
    assert (await found(searched, "k-on"))[0] == "K-On!"
    assert await found(searched, "no-kyojin") == ["Shingeki no Kyojin"]


NOTHING = ["!!!", "''", "\u0301\u0301", "\u20dd\u20dd", "ーー", "💩💩", "- -", "\u200b\u200b", "«»"]


@pytest.mark.parametrize("query", NOTHING)
async def test_a_query_without_words_finds_nothing(searched: httpx.AsyncClient, query: str) -> None:
    assert await found(searched, query) == []
    assert await found(searched, query, "/anime") == []


MISTYPED = {
    "naurto": "Naruto",
    "narto": "Naruto",
    "narutto": "Naruto",
    "naroto": "Naruto",
    "наурто": "Naruto",
    "fullmetal alchemsit": "Fullmetal Alchemist: Brotherhood",
    "fulmetal alchemist": "Fullmetal Alchemist",
    "fulmetl alchmst brotherhod": "Fullmetal Alchemist: Brotherhood",
    "кавбой бибоп": "Cowboy Bebop",
    "onepiece": "One Piece",
    "full metal alchemist": "Fullmetal Alchemist: Brotherhood",
    "atack on titan": "Shingeki no Kyojin",
    "demon slyer": "Kimetsu no Yaiba",
    "shingeki no kyogin": "Shingeki no Kyojin",
    "hagane no renkinjutsusi": "Fullmetal Alchemist",
}


@pytest.mark.parametrize("query", MISTYPED)
async def test_typing_mistakes_are_forgiven(searched: httpx.AsyncClient, query: str) -> None:
    assert (await found(searched, query))[0] == MISTYPED[query]
    assert MISTYPED[query] in await found(searched, query, "/anime")


async def test_catalogue_filters_are_tolerant_only_without_exact_matches(searched: httpx.AsyncClient) -> None:
    assert "Boruto" not in await found(searched, "naruto gaiden", "/anime")
    assert set(await found(searched, "naruto", "/anime")) == set(await found(searched, "naruto"))


@pytest.mark.parametrize("query", ["1_0", "100%%", "n_ruto", "%ruto", "__", "%%", "zzzqqq xyzzy", "\\\\"])
async def test_unknown_words_find_nothing(searched: httpx.AsyncClient, query: str) -> None:
    assert await found(searched, query) == []
    assert await found(searched, query, "/anime") == []


async def test_mistakes_in_the_real_catalogue(real: httpx.AsyncClient) -> None:
    wanted = {
        "fullmetal alchemsit": "Fullmetal Alchemist: Brotherhood",
        "naurto": "Naruto",
        "кавбой бибоп": "Cowboy Bebop",
        "evangelon": "Shinseiki Evangelion",
        "demon slyer": "Kimetsu no Yaiba",
        "sword art onlien": "Sword Art Online",
        "atack on titan": "Shingeki no Kyojin",
        "haikyu": "Haikyuu!!",
        "boku no hiro akademia": "Boku no Hero Academia",
        "death noot": "Death Note",
        "steinsgate": "Steins;Gate",
        "進撃の巨人": "Shingeki no Kyojin",
        "鬼滅": "Kimetsu no Yaiba",
    }
    first = {query: (await found(real, query))[0] for query in wanted}
    assert first == wanted


async def test_punctuation_in_the_real_catalogue(real: httpx.AsyncClient) -> None:
    wanted = {
        "cowboy-bebop": "Cowboy Bebop",
        '"cowboy bebop"': "Cowboy Bebop",
        "monster?": "Monster",
        "death note:": "Death Note",
        "«Атака титанов»": "Shingeki no Kyojin",
        "one-piece": "One Piece",
        "Shigatsu.wa.Kimi.no.Uso": "Shigatsu wa Kimi no Uso",
        "K-On!": "K-On!",
        "kon": "K-On!",
        "Steins;Gate": "Steins;Gate",
        ".hack//SIGN": ".hack//Sign",
        "Fate/stay night": "Fate/stay night",
        "22/7": "22/7",
        "yu gi oh": "Yu☆Gi☆Oh!",
        "カウボーイ・ビバップ": "Cowboy Bebop",
        "ワンピース": "One Piece",
        "D Gray-man": "D.Gray-man",
        "gintama°": "Gintama°",
        "SPY×FAMILY": "Spy x Family",
        "Dr.Stone": "Dr. Stone",
        "【推しの子】": "[Oshi no Ko]",
    }
    first = {query: (await found(real, query))[0] for query in wanted}
    assert first == wanted
    for query in ("Re:Zero", "rezero", "re zero", "Re Zero!"):
        assert (await found(real, query))[0].startswith("Re:Zero kara Hajimeru")


async def test_pages_neither_overlap_nor_skip(made: httpx.AsyncClient) -> None:
    whole = await made.get("/search/anime", params={"q": "shi", "limit": 100, "fields": "id"})
    ids: list[int] = []
    page = await made.get("/search/anime", params={"q": "shi", "limit": 9, "fields": "id"})
    while "next" in page.links and len(ids) < 90:
        ids += [title["id"] for title in page.json()]
        page = await made.get(page.links["next"]["url"])
    assert len(ids) >= 90
    assert ids == [title["id"] for title in whole.json()][: len(ids)]


async def test_results_are_complete_objects(made: httpx.AsyncClient) -> None:
    [anime] = (await made.get("/search/anime", params={"q": "ka", "limit": 1})).json()
    assert (await made.get(f"/anime/{anime['id']}")).json() == anime


@pytest.mark.parametrize(
    "query", ["", "q=", "q=a", "q=%20a%20", "q=" + "x" * 101, "q=a%00b", "q=ab&search=ab"]
)
async def test_queries_that_do_not_fit(made: httpx.AsyncClient, query: str) -> None:
    answer = await made.get(f"/search/anime?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "query", ["aa", "x" * 100, "a " * 50, "%F0%9F%92%A9%F0%9F%92%A9", "%CC%81%CC%81", "''"]
)
async def test_queries_at_the_limits(made: httpx.AsyncClient, query: str) -> None:
    assert (await made.get(f"/search/anime?q={query}")).status_code == 200


COUNTED = ["/search/anime?q=shi", "/anime?search=shi", "/anime?q=shi", "/anime?%73earch=shi&genre=Action"]


@pytest.mark.parametrize("path", COUNTED)
async def test_each_search_counts_for_a_limit(client: httpx.AsyncClient, path: str) -> None:
    answers = [await client.get(path) for _ in range(3)]
    etag = {"If-None-Match": answers[0].headers["ETag"]}
    answers.append(await client.get(path, headers=etag))
    assert answers[-1].status_code == 304
    left = [int(answer.headers["RateLimit-Remaining"]) for answer in answers]
    assert left == [left[0], left[0] - 1, left[0] - 2, left[0] - 3]
    assert answers[0].headers["RateLimit-Limit"] == str(SEARCHES.limit)


async def test_all_searches_of_a_client_share_one_limit(client: httpx.AsyncClient) -> None:
    paths = [COUNTED[number % len(COUNTED)] for number in range(SEARCHES.limit)]
    assert {(await client.get(path)).status_code for path in paths} == {200}
    for path in COUNTED:
        refused = await client.get(path)
        assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.headers["RateLimit-Remaining"] == "0"
    for path in ("/anime", "/anime?search=", "/anime?genre=Action"):
        page = await client.get(path)
        assert page.status_code == 200
        assert "RateLimit-Limit" not in page.headers


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("Шингеки но Кьёджин", "Shingeki no Kyojin"), ("Сингэки но кёдзин", "Shingeki no Kyojin"),
        ("кимецу но яиба", "Kimetsu no Yaiba"), ("ырштпулш тщ лнщошт", "Shingeki no Kyojin"),
        ("rjd,jq ,b,jg", "Cowboy Bebop"), ("singeki no kyouzin", "Shingeki no Kyojin"),
        ("kimetu no yaiba", "Kimetsu no Yaiba"), ("naruto sippuden", "Naruto: Shippuuden"),
        ("спай фэмили", "Spy x Family"), ("атак он тайтан", "Shingeki no Kyojin"),
        ("фейт стей найт", "Fate/stay night: Unlimited Blade Works"), ("демон слэйер", "Kimetsu no Yaiba"),
    ],
)  # fmt: skip
async def test_other_scripts_sounds_and_keyboards(
    searched: httpx.AsyncClient, query: str, title: str
) -> None:
    assert (await found(searched, query))[0] == title
    assert title in await found(searched, query, "/anime")


async def test_short_words_match_only_at_the_start_of_a_word(searched: httpx.AsyncClient) -> None:
    for path in ("/search/anime", "/anime"):
        titles = await found(searched, "na", path)
        assert {"Naruto", "Naruto Gaiden", "The Last: Naruto the Movie", "Boruto"} <= set(titles)
        assert not {"Onaruton", "Kimetsu no Yaiba"} & set(titles)
        assert "Shingeki no Kyojin" in await found(searched, "進撃", path)
        assert "Shingeki no Kyojin" in await found(searched, "巨人", path)  # ideographs stand inside of words


async def test_repeated_words_count_once(searched: httpx.AsyncClient) -> None:
    assert await found(searched, "na na na na", "/anime") == await found(searched, "na", "/anime")


@pytest.mark.parametrize("query", ["ze-no-ze-no-ze", "ga/ze/no/" * 9])
async def test_short_words_are_not_similar_to_every_title_that_has_them(
    searched: httpx.AsyncClient, query: str
) -> None:
    for path in ("/search/anime", "/anime"):  # the comparison of a whole catalogue took seconds
        assert await found(searched, query, path) == []


async def test_a_mistyped_name_comes_before_better_known_titles_with_one_of_its_words(
    searched: httpx.AsyncClient,
) -> None:
    assert (await found(searched, "Witch Wntch"))[:2] == ["Witch Watch", "Little Witch Academia"]


async def test_a_season_comes_first_then_the_others_of_its_name(
    client: httpx.AsyncClient, container: Container
) -> None:
    names = {"Overlord": 900, "Overlord II": 800, "Overlord III": 700, "Overlord Movie 2": 850}
    async with container.db.transaction() as tx:
        for title, members in names.items():
            values = {"title": title, "members": members}
            await tx.session.execute(
                text("insert into anime (title, members) values (:title, :members)"), values
            )
    for query in ("overlord 2", "overlord season 2", "overlord 2nd season", "overlord s2", "overlord II"):
        titles = await found(client, query)
        assert titles[0] == "Overlord II", query
        assert set(titles) == set(names), query


async def test_hidden_titles_are_counted(client: httpx.AsyncClient, container: Container) -> None:
    async with container.db.transaction() as tx:
        for title, adult in (("Night Story", False), ("Night Story Uncut", True), ("Night Story Two", True)):
            values = {"title": title, "adult": adult}
            await tx.session.execute(
                text("insert into anime (title, is_adult) values (:title, :adult)"), values
            )
    for path, name in (("/search/anime", "q"), ("/anime", "search")):
        everything = await client.get(path, params={name: "night story"})
        assert (len(everything.json()), "X-Hidden-Count" in everything.headers) == (3, False)
        safe = await client.get(path, params={name: "night story", "sfw": "true"})
        assert [anime["title"] for anime in safe.json()] == ["Night Story"]
        assert (safe.headers["X-Total-Count"], safe.headers["X-Hidden-Count"]) == ("1", "2")
        nothing = await client.get(path, params={name: "uncut", "sfw": "true"})
        assert (nothing.json(), nothing.headers["X-Hidden-Count"]) == ([], "1")
