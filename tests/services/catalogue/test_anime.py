"""The catalogue service: one statement per page, exact totals, renamed genres."""

import asyncio
import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.errors import NotFound
from app.repositories.anime import AnimeRepository
from app.schemas.domain.catalogue import AnimeSort, CatalogueFilter, PageSpec
from app.services.catalogue.anime import AnimeService
from app.utils.db.database import Database, Driver
from tests.factories.catalogue import Title, make_titles, store_titles
from tests.fixtures.servers import Clones
from tests.fixtures.statements import StatementLog

EVERY = CatalogueFilter()
DRAMA = CatalogueFilter(genres=("drama",))
PAGE = PageSpec(limit=20)


@pytest.fixture
async def writer(database_url: str) -> AsyncIterator[Driver]:
    """Another client that writes to the same database."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await store_titles(connection, make_titles(300))
    yield connection
    await connection.close()


@pytest.fixture
async def announced() -> list[None]:
    return []


@pytest.fixture
async def anime(database: Database, announced: list[None]) -> AnimeService:
    async def publish() -> None:
        announced.append(None)

    return AnimeService(database, publish)


FILTERS = [
    EVERY,
    DRAMA,
    CatalogueFilter(genres=("drama", "Comedy"), genres_excluded=("Kids",), sfw=True, min_score=2.0),
    CatalogueFilter(search="ka"),
    CatalogueFilter(year_from=1990, statuses=("finished",), types=("TV",)),
]


@pytest.mark.parametrize("wanted", FILTERS, ids=range(len(FILTERS)))
async def test_a_page_is_one_statement(
    database: Database, anime: AnimeService, writer: Driver, wanted: CatalogueFilter
) -> None:
    wire = StatementLog(database)
    await anime.list(wanted, "-score", PAGE)  # loads the names of genres
    assert await wire.take()
    for part in (
        PAGE,
        PageSpec(limit=100),
        PageSpec(limit=1, offset=7),
        PageSpec(offset=2000),
        PageSpec(keys=("id",)),
    ):
        page = await anime.list(wanted, "-score", part)
        assert len(await wire.take()) == 1
        assert len(json.loads(page.body)) == max(0, min(part.limit, page.total - part.offset))
    await writer.execute("update anime set updated_at = now() where id = 1")
    await anime.list(wanted, "-score", PAGE)  # counts again in the same statement
    assert len(await wire.take()) == 1


async def test_title_pages_searches_and_genres_need_one_statement(
    database: Database, anime: AnimeService, writer: Driver
) -> None:
    wire = StatementLog(database)
    await anime.search("kano", PAGE)
    await wire.take()
    for work in (anime.get(1), anime.search("kano", PAGE), anime.genres(None)):
        await work
        assert len(await wire.take()) == 1


async def test_totals_follow_every_kind_of_write(anime: AnimeService, writer: Driver) -> None:
    async def total(wanted: CatalogueFilter = EVERY) -> int:
        return (await anime.list(wanted, "title", PAGE)).total

    dramas = await total(DRAMA)
    assert (await total(), dramas > 0) == (300, True)
    [added] = await store_titles(writer, [Title({"title": "New", "mal_id": 9999}, [("genre", "Drama")])])
    assert (await total(), await total(DRAMA)) == (301, dramas + 1)
    await writer.execute("update anime set tag_ids = '{}' where id = $1", added)
    assert (await total(), await total(DRAMA)) == (301, dramas)
    await writer.execute("delete from anime where id = $1", added)
    assert (await total(), await total(DRAMA)) == (300, dramas)
    await writer.execute("truncate anime cascade")
    assert (await total(), await total(DRAMA)) == (0, 0)


async def test_totals_are_of_the_same_moment_as_the_page(anime: AnimeService, writer: Driver) -> None:
    done = asyncio.Event()
    pages_read = asyncio.Semaphore()

    async def write() -> None:
        for number in range(60):
            if number % 5 == 0:
                await pages_read.acquire()
            await writer.execute(
                "insert into anime (title, members) values ($1, $2)", f"More {number}", number
            )
        done.set()

    writing = asyncio.create_task(write())
    seen = set()
    while not done.is_set():
        page = await anime.list(CatalogueFilter(search="more"), "title", PageSpec(limit=100, keys=("id",)))
        assert len(json.loads(page.body)) == page.total
        seen.add(page.total)
        pages_read.release()
    await writing
    assert (await anime.list(CatalogueFilter(search="more"), "title", PAGE)).total == 60
    assert len(seen) > 3


async def test_uncommitted_writes_are_not_visible(anime: AnimeService, writer: Driver) -> None:
    assert (await anime.list(EVERY, "title", PAGE)).total == 300
    transaction = writer.transaction()
    await transaction.start()
    await writer.execute("insert into anime (title) values ('Soon')")
    assert (await anime.list(EVERY, "title", PAGE)).total == 300
    await transaction.commit()
    assert (await anime.list(EVERY, "title", PAGE)).total == 301


async def test_a_renamed_genre_is_found(anime: AnimeService, writer: Driver) -> None:
    dramas = (await anime.list(DRAMA, "title", PAGE)).total
    await writer.execute("update genres set name = 'Tragedy' where name = 'Drama'")
    assert (await anime.list(DRAMA, "title", PAGE)).total == 0
    page = await anime.list(
        CatalogueFilter(genres=("TRAGEDY",)), "title", PageSpec(limit=1, keys=("genres",))
    )
    assert page.total == dramas
    assert "Tragedy" in [genre["name"] for genre in json.loads(page.body)[0]["genres"]]


async def test_a_name_of_two_kinds_means_either(anime: AnimeService, writer: Driver) -> None:
    await store_titles(
        writer, [Title({"title": "G"}, [("genre", "Both")]), Title({"title": "T"}, [("theme", "Both")])]
    )
    assert (await anime.list(CatalogueFilter(genres=("both",)), "title", PAGE)).total == 2
    assert (await anime.list(CatalogueFilter(genres=("both", "drama")), "title", PAGE)).total == 0


async def test_deleted_titles_are_not_found(anime: AnimeService, writer: Driver) -> None:
    assert (await anime.get(1)).id == 1
    await writer.execute("delete from anime where id = 1")
    with pytest.raises(NotFound):
        await anime.get(1)


async def test_a_total_that_is_dropped_while_its_page_is_read_is_no_failure(
    database: Database, writer: Driver
) -> None:
    async def publish() -> None: ...

    service = AnimeService(database, publish, totals_kept=1)
    first, second = CatalogueFilter(year=2010), CatalogueFilter(year=2011)
    wanted = {first: (await service.list(first, "-score", PAGE)).total}
    wanted[second] = (await service.list(second, "-score", PAGE)).total
    for _ in range(20):
        pages = await asyncio.gather(*(service.list(one, "-score", PAGE) for one in [second, first] * 10))
        assert [page.total for page in pages] == [wanted[second], wanted[first]] * 10


PLANS: dict[str, tuple[CatalogueFilter, AnimeSort, str]] = {
    "best": (EVERY, "-score", "ix_anime_score"),
    "rising": (EVERY, "score", "ix_anime_score_rising"),
    "frequent genre": (CatalogueFilter(genres=("Action",)), "-score", "ix_anime_score"),
    "rare genre": (CatalogueFilter(genres=("Villainess",)), "title", "ix_anime_tag_ids"),
    "upcoming": (CatalogueFilter(statuses=("upcoming",)), "-score", "ix_anime_status_score"),
    "year": (CatalogueFilter(year=2010, seasons=("spring",)), "-score", "ix_anime_year_score"),
    "rare type": (CatalogueFilter(types=("Music",)), "-score", "ix_anime_type_score"),
    "newest": (EVERY, "-year", "ix_anime_year_falling"),
    "title": (EVERY, "title", "ix_anime_title"),
    "word": (CatalogueFilter(search="tsutsumo kanomiri"), "-score", "ix_anime_search_text"),
}


@pytest.fixture(scope="module")
async def large(clones: Clones) -> AsyncIterator[Database]:
    """Enough titles for a full scan to show up in a plan."""
    url = await clones.make()
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await store_titles(connection, make_titles(12_000))
    await connection.close()
    database = Database.connect(url)
    yield database
    await database.close()
    await clones.drop(url)


@pytest.mark.parametrize("name", PLANS)
async def test_common_pages_use_their_index(large: Database, name: str) -> None:
    wanted, sort, index = PLANS[name]
    async with large.driver() as driver:
        repository = AnimeRepository(driver)
        explained = Explained(driver)
        genres = await repository.genre_index()
        await AnimeRepository(explained).page(wanted, sort, PAGE, genres=genres, known_version=0)  # type: ignore[arg-type]
    page = explained.plan.partition("catalogue_version")[0]
    assert index in explained.plan, explained.plan
    assert "Seq Scan on anime" not in page, page


class Explained:
    """Replaces the driver: records the plan of a statement instead of running it."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.plan = ""

    async def fetchrow(self, sql: str, *arguments: object) -> dict[str, object]:
        rows = await self._driver.fetch(f"explain (costs off) {sql}", *arguments)
        self.plan = "\n".join(row[0] for row in rows)
        return {"version": 0, "labels": 0, "total": 0, "body": b"[]"}
