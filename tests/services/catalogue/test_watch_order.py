"""Watch orders: main line, story, optional titles, alternatives, cycles; also of real franchises."""

import gzip
import json
import random
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pytest

from app.external.catalogue_dumps import own
from app.external.catalogue_dumps.fields import Notes
from app.schemas.domain.relations import (
    INVERSES,
    Included,
    RelatedTitle,
    RelationType,
    StoredRelation,
    WatchPlan,
    WatchSort,
)
from app.schemas.domain.watching import AnimeCard
from app.services.catalogue.franchise import TIES
from app.services.catalogue.relations import settle
from app.services.catalogue.watch_order import plan

ALL: tuple[Included, ...] = ("recap", "special", "alternative", "spin_off")
Record = tuple[int, RelationType, int]


def title(id_: int, aired: str | None, type_: str = "TV", episodes: int = 12, name: str = "") -> RelatedTitle:
    minutes = 100.0 if type_ == "Movie" else 24.0
    return RelatedTitle(AnimeCard(id_, id_, name or f"T{id_}", None, None, episodes), type_, aired, minutes)


def ordered(
    titles: Iterable[RelatedTitle],
    records: Iterable[Record],
    asked: int = 1,
    sort: WatchSort = "release",
    include: Collection[Included] = ALL,
) -> WatchPlan:
    by_id = {one.card.id: one for one in titles}
    rows = [StoredRelation(a, b, type_, "x") for a, type_, b in records]
    edges = settle(rows, {id_: one.aired_from for id_, one in by_id.items()})
    return plan(asked, by_id, edges, sort=sort, include=include)


def ids(found: WatchPlan, role: str = "main") -> list[int]:
    return [step.mal_id for step in found.steps if step.role == role]


def test_a_later_prequel_comes_first_in_story_order_and_is_marked() -> None:
    titles = [title(1, "2006"), title(2, "2008"), title(3, "2011"), title(4, None)]
    records: list[Record] = [(1, "sequel", 2), (1, "prequel", 3), (2, "sequel", 4)]
    assert ids(ordered(titles, records)) == [1, 2, 3, 4]
    story = ordered(titles, records, sort="story")
    assert ids(story) == [3, 1, 2, 4]
    assert [step.mal_id for step in story.steps if step.released_later] == [3]
    why = [step.why and (step.why.type, step.why.mal_id) for step in story.steps]
    assert why == [("prequel", 1), ("sequel", 3), ("sequel", 1), ("sequel", 2)]
    assert story.franchise.mal_id == 1


def test_optional_titles_have_roles_and_follow_their_main_titles() -> None:
    titles = [
        title(1, "2010"), title(2, "2012"), title(3, "2014"),
        title(4, "2011", "OVA", 1), title(5, "2013", "Movie", 1), title(6, "2011-05", "Special", 1),
        title(7, "2013-05", "ONA", 12), title(8, "2015", "OVA", 1, "T recap"), title(9, "2012-06", "PV", 1),
    ]  # fmt: skip
    records: list[Record] = [
        (1, "sequel", 2), (2, "sequel", 3), (1, "side_story", 4), (5, "full_story", 2),
        (1, "side_story", 6), (2, "spin_off", 7), (3, "side_story", 8), (9, "parent_story", 2),
    ]  # fmt: skip
    story = ordered(titles, records, sort="story")
    assert [step.mal_id for step in story.steps] == [1, 6, 4, 2, 9, 7, 5, 3, 8]
    assert {role: ids(story, role) for role in ("main", "side", "recap", "special", "spin_off")} == {
        "main": [1, 2, 3], "side": [4], "recap": [5, 8], "special": [6, 9], "spin_off": [7],
    }  # fmt: skip
    assert [step.mal_id for step in ordered(titles, records, include=()).steps] == [1, 4, 2, 3]


def test_an_alternative_version_has_its_own_order_with_its_side_titles() -> None:
    titles = [
        title(1, "2002", "OVA", 3), title(2, "2006"), title(3, "2008"),
        title(4, "2010", "Movie", 1), title(5, "2012", "Movie", 1), title(6, "2014", "Movie", 1),
        title(7, "2013", "OVA", 1),
    ]  # fmt: skip
    records: list[Record] = [
        (1, "alternative_version", 2), (2, "sequel", 3), (2, "alternative_version", 4), (4, "sequel", 5),
        (3, "sequel", 6), (5, "sequel", 6), (5, "side_story", 7),
    ]  # fmt: skip
    for asked in range(1, 8):
        found = ordered(titles, records, asked)
        assert ids(found) == [2, 3]
        assert [[step.mal_id for step in line] for line in found.alternatives] == [[1], [4, 5, 7, 6]]


@pytest.mark.parametrize("seed", range(8))
def test_cycles_give_the_same_order_from_every_title(seed: int) -> None:
    order = random.Random(seed)
    titles = [title(1, "2001"), title(2, "2005"), title(3, "2003"), title(4, "2007")]
    records: list[Record] = [(1, "sequel", 2), (2, "sequel", 3), (3, "sequel", 1), (3, "sequel", 4)]
    order.shuffle(records)
    order.shuffle(titles)
    found = ordered(titles, records, order.randint(1, 4), "story")
    assert ids(found) == [1, 2, 3, 4]
    assert found == ordered(titles, records, 1, "story")


def test_a_cycle_is_broken_at_the_step_furthest_back_in_time() -> None:
    titles = [title(1, "2001"), title(2, "2005"), title(3, "2016")]
    assert ids(ordered(titles, [(3, "sequel", 1), (1, "sequel", 2), (2, "sequel", 3)], sort="story")) == [
        1,
        2,
        3,
    ]


def test_titles_that_the_catalogue_lacks_connect_those_it_has() -> None:
    titles = [title(1, "2001"), title(3, "2005"), title(5, "2006", "OVA", 1)]
    found = ordered(titles, [(1, "sequel", 2), (2, "sequel", 3), (3, "side_story", 4), (4, "side_story", 5)])
    assert ids(found) == [1, 3]
    assert ids(found, "side") == [5]
    assert found.franchise.size == 3


def test_characters_and_adaptations_do_not_make_a_franchise() -> None:
    titles = [title(1, "2001"), title(2, "2002"), title(3, "2003")]
    found = ordered(titles[:1], [])
    assert (ids(found), found.franchise.size) == ([1], 1)
    assert not {"character", "other", "adaptation"} & TIES


def test_a_large_franchise_is_split_at_its_weakest_relations() -> None:
    titles = [title(n, f"{1950 + n}") for n in range(1, 71)]
    records: list[Record] = [(n, "spin_off" if n == 40 else "sequel", n + 1) for n in range(1, 70)]
    found = ordered(titles, records, 45)
    assert ids(found) == list(range(41, 71))
    assert [(part.mal_id, part.size) for part in found.related] == [(1, 40)]


def test_random_franchises_are_the_same_from_each_title_and_lose_none() -> None:
    order = random.Random(7)
    for _ in range(40):
        count = order.randint(2, 25)
        types = ["TV", "OVA", "Movie", "Special"]
        titles = [title(n, f"{order.randint(1990, 2020)}", order.choice(types)) for n in range(1, count + 1)]
        records: list[Record] = [
            (order.randint(1, n - 1), order.choice(sorted(TIES)), n) for n in range(2, count + 1)
        ]
        records += [
            (order.randint(1, count), order.choice(list(INVERSES)), order.randint(1, count))
            for _ in range(count)
        ]
        for sort in ("release", "story"):
            found = ordered(titles, records, 1, sort)
            told = [step.mal_id for line in (found.steps, *found.alternatives) for step in line]
            assert sorted(told) == list(range(1, count + 1))
            assert all(ordered(titles, records, n, sort) == found for n in range(2, count + 1))


@pytest.fixture(scope="module")
def world(shared: Path) -> tuple[dict[int, RelatedTitle], list[StoredRelation]]:
    titles: dict[int, RelatedTitle] = {}
    with gzip.open(shared / "datasets/catalogue.jsonl.gz") as lines:
        notes = Notes()
        for line in lines:
            anime = own.to_anime(json.loads(line), notes)
            if anime.mal_id is not None:
                card = AnimeCard(anime.mal_id, anime.mal_id, anime.title, None, None, anime.episodes)
                titles[anime.mal_id] = RelatedTitle(
                    card, anime.type, anime.aired_from, anime.duration_minutes
                )
    with gzip.open(shared / "datasets/relations/relations.jsonl.gz") as lines:
        rows = [json.loads(line) for line in lines]
    return titles, [StoredRelation(row["a"], row["b"], row["t"], row["src"]) for row in rows]


def test_real_franchises_are_as_people_watch_them(
    world: tuple[dict[int, RelatedTitle], list[StoredRelation]], shared: Path
) -> None:
    cases = json.loads((shared / "datasets/relations/watch_cases.json").read_text())
    for case in cases["franchises"]:
        for sort, accepted in (("release", ["release_main"]), ("story", ["story", "alt_story"])):
            found, members = _franchise(world, case["entry"], sort)
            main = ids(found)
            if case["name"] == "Gundam UC":  # half of its main line has no recorded sequel
                assert set(case["alternative"]).isdisjoint(main)
                continue
            told = [[id_ for id_ in case[key] if id_ in members] for key in accepted if key in case]
            assert [id_ for id_ in main if id_ in {*map(int, case["titles"])}] in told, (case["name"], sort)
            assert set(main).isdisjoint([*case["optional"], *case["alternative"], *case["spin_off"]])
    for cycle in cases["cycles"]:
        main = ids(_franchise(world, cycle["nodes"][0], "release")[0])
        assert [id_ for id_ in main if id_ in cycle["release"]] == cycle["release"]


def _franchise(
    world: tuple[dict[int, RelatedTitle], list[StoredRelation]], entry: int, sort: Any
) -> tuple[WatchPlan, set[int]]:
    titles, relations = world
    members, grown = set[int](), {entry}
    while grown - members:
        members |= grown
        for relation in relations:
            if relation.type in TIES and {relation.from_id, relation.to_id} & members:
                grown |= {relation.from_id, relation.to_id}
    among = [r for r in relations if {r.from_id, r.to_id} <= members]
    known = {id_: titles[id_] for id_ in members if id_ in titles}
    edges = settle(among, {id_: one.aired_from for id_, one in known.items()})
    return plan(entry, known, edges, sort=sort, include=ALL), members
