"""Linking releases to anime, on a labelled set of recorded and synthetic releases: no wrong links."""

import gzip
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.container import Container
from app.services.releases.linking import LinkIndex, Named

LABELS = Path(__file__).parents[2] / "samples/release_links.json"
YEARS = (2020, 2025)


@pytest.fixture(scope="module")
def catalogue(shared: Path) -> dict[int, Named]:
    with gzip.open(shared / "datasets" / "catalogue.jsonl.gz", "rt") as lines:
        anime = [json.loads(line) for line in lines]
    return {
        one["mal_id"]: Named(
            one["mal_id"],
            tuple(
                name
                for name in (
                    one["title"],
                    one.get("title_english"),
                    one.get("title_russian"),
                    *(one["synonyms"] or ()),
                )
                if name
            ),
            one["year"],
            one["type"],
            one["episodes"],
        )
        for one in anime
        if one["mal_id"] and (one["year"] is None or any(abs(one["year"] - year) <= 1 for year in YEARS))
    }


def recorded(shared: Path) -> list[Named]:
    folder = shared / "upstream" / "anilibria"
    latest = json.loads((folder / "v1_anime_releases_latest_20_2025_01.json").read_text())
    found = [
        Named(
            one["id"],
            tuple(name for name in one["name"].values() if name),
            one["year"],
            one["type"]["value"],
            one["episodes_total"],
        )
        for one in latest
    ]
    days = json.loads((folder / "legacy_index_php_alib_schedule.json").read_text())
    for one in (item for day in days for item in day["items"]):
        kind = "TV" if one["type"].startswith("ТВ") else None
        found.append(Named(one["id"], tuple(one["names"]), int(one["year"]), kind))
    return [one for one in found if one.year in YEARS]


def respelled(anime: Named, dice: random.Random) -> Named:
    """A release of the anime as a source might spell it."""
    title, russian = anime.names[0], anime.names[2] if len(anime.names) > 2 else anime.names[-1]
    changes = [
        (russian, title),
        (title.replace("2nd Season", "2").replace("3rd Season", "III"),),
        (title.replace(":", "").replace("!", "").replace("-", " "), russian.upper()),
        (title.replace("ou", "o", 1), russian),
        (anime.names[1] if len(anime.names) > 1 else title,),
    ]
    year = None if anime.year is None else anime.year + dice.choice((0, 0, 0, 1))
    return Named(anime.id, dice.choice(changes), year, dice.choice((anime.type, None)))


def test_no_release_of_the_labelled_set_is_linked_wrongly(shared: Path, catalogue: dict[int, Named]) -> None:
    labels: dict[str, int | None] = json.loads(LABELS.read_text())
    whole = LinkIndex(catalogue.values())
    wrong: list[Any] = []
    linked = asked = 0
    for release in recorded(shared):
        link, label = whole.find(release), labels[str(release.id)]
        asked, linked = asked + (label is not None), linked + (link is not None)
        if link is not None and link.anime_id != label:
            wrong.append((release.names, link, label))
    assert asked > 30
    assert linked >= asked - 2
    dice = random.Random(7)
    kinds = {"TV", "ONA", "OVA", "Movie", "Special"}
    known = [one for one in catalogue.values() if one.year in YEARS and one.type in kinds]
    chosen = dice.sample(known, 240)
    without = LinkIndex(
        one for one in catalogue.values() if one.id not in {anime.id for anime in chosen[160:]}
    )
    found = 0
    for number, anime in enumerate(chosen):
        release = respelled(anime, dice)
        there = number < 160
        link = (whole if there else without).find(release)
        found += there and link is not None
        if link is not None and (not there or link.anime_id != anime.id):
            wrong.append((release, link, catalogue[link.anime_id]))
    assert wrong == []
    assert found >= 130


def test_seasons_of_a_series_are_distinguished() -> None:
    first = Named(1, ("Mahou Gakuen",), 2020, "TV", 12)
    second = Named(2, ("Mahou Gakuen 2nd Season", "Mahou Gakuen II"), 2021, "TV", 12)
    movie = Named(3, ("Mahou Gakuen Movie",), 2020, "Movie", 1)
    index = LinkIndex([first, second, movie])

    def found(name: str, year: int | None, kind: str | None = None) -> int | None:
        link = index.find(Named(0, (name,), year, kind))
        return link.anime_id if link else None

    assert found("Mahou Gakuen", 2020) == 1
    assert found("Mahou Gakuen Season 2", 2021) == found("MAHOU GAKUEN (II)", 2021) == 2
    assert found("Mahou Gakuen: Gekijouban", 2020, "Movie") == 3
    assert found("Mahou Gakuen 3", 2021) is None
    assert found("Mahou Gakuen", 2024) is None, "that is another one"
    twins = LinkIndex([first, replace(first, id=9)])
    assert twins.find(Named(0, ("Mahou Gakuen",), 2020)) is None


async def test_links_are_stored_and_shown(container: Container) -> None:
    async with container.db.transaction() as tx:
        await tx.session.execute(
            text("insert into anime (title, year, type, score) values ('Title number 7', 2007, 'OVA', 8.5);")
        )
        await tx.session.execute(
            text(
                "insert into releases (external_id, name_ru, name_en, status, year, type, fetched_at) values "
                "(7, 'Тайтл', 'Title number 7', 'finished', 2007, 'OVA', now()), "
                "(8, 'Тайтл 8', 'Title number 8', 'finished', 2008, 'TV', now())"
            )
        )
    assert await container.releases.links.link() == 1
    assert await container.releases.links.link() == 0, "who was tried today is not tried again"
    release = await container.releases.reading.get(
        await container.db.scalar("select id from releases where external_id = 7")
    )
    assert (release.anime_id is not None, release.rating) == (True, 8.5)
    assert (release.link_confidence or 0) > 0.9
