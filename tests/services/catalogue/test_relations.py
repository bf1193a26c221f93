"""Relations hold for both sides; contradictions are decided by dates."""

from app.schemas.domain.relations import RELATION_TYPES, StoredRelation, relation_type
from app.services.catalogue.relations import released, settle

DATES = {1: "2001-04", 2: "2003", 3: None}


def stated(
    *records: tuple[int, int, str, str],
) -> dict[tuple[int, int], list[tuple[str, tuple[str, ...], str]]]:
    """Both sides of each pair: types, sources and flags."""
    found: dict[tuple[int, int], list[tuple[str, tuple[str, ...], str]]] = {}
    rows = [StoredRelation(a, b, type_, source) for a, b, type_, source in records]  # type: ignore[arg-type]
    for edge in settle(rows, DATES):
        marks = "inferred " * edge.inferred + "disputed" * edge.disputed
        found.setdefault((edge.from_id, edge.to_id), []).append((edge.type, edge.sources, marks.strip()))
    return found


def test_every_enumeration_value_of_upstreams_is_mapped() -> None:
    words = ["Side Story", "Side story", "SIDE_STORY", "side-story", "sidestory"]
    assert {relation_type(word) for word in words} == {"side_story"}
    others = ["PARENT", "ALTERNATIVE", "Spin-Off", "SOURCE"]
    assert [*map(relation_type, others)] == ["parent_story", "alternative_version", "spin_off", "adaptation"]
    assert [relation_type(type_) for type_ in RELATION_TYPES] == list(RELATION_TYPES)
    assert relation_type("cousin") is None


def test_dates_sort_by_what_is_known_of_them() -> None:
    dates = [None, "2003", "2003-02", "2003-02-07", "2003-03", "2002"]
    assert sorted(dates, key=lambda date: released(1, date)) == [
        "2002", "2003-02-07", "2003-02", "2003-03", "2003", None,
    ]  # fmt: skip


def test_a_relation_recorded_on_one_side_holds_for_the_other() -> None:
    assert stated((1, 2, "sequel", "x"), (1, 2, "sequel", "a")) == {
        (1, 2): [("sequel", ("a", "x"), "")],
        (2, 1): [("prequel", ("a", "x"), "inferred")],
    }
    assert stated((1, 2, "spin_off", "x"))[2, 1] == [("parent_story", ("x",), "inferred")]
    assert (2, 1) not in stated((1, 2, "adaptation", "x"))


def test_a_recorded_relation_takes_precedence_over_an_inferred_one() -> None:
    both = stated((1, 2, "sequel", "x"), (2, 1, "parent_story", "y"))
    assert both == {(1, 2): [("sequel", ("x",), "")], (2, 1): [("parent_story", ("y",), "")]}


def test_dates_decide_which_of_two_sequels_of_each_other_is_one() -> None:
    for first, second in ((1, 2), (2, 1)):
        both = stated((first, second, "sequel", "x"), (second, first, "sequel", "y"))
        assert [edge[0] for edge in both[1, 2]] == ["sequel"]
        assert [edge[0] for edge in both[2, 1]] == ["prequel"]
        assert both[1, 2][0][2].endswith("disputed")
        assert both[2, 1][0][2] == "inferred disputed"
    assert stated((1, 2, "sequel", "x"), (1, 2, "prequel", "x"), (1, 2, "other", "y"))[1, 2] == [
        ("sequel", ("x",), "disputed"),
        ("other", ("y",), "disputed"),
    ]


def test_dates_decide_between_different_kinds_too_and_ids_where_there_are_none() -> None:
    assert stated((2, 1, "side_story", "x"), (1, 2, "sequel", "y")) == {
        (1, 2): [("sequel", ("y",), "disputed")],
        (2, 1): [("prequel", ("y",), "inferred disputed")],
    }
    undated = stated((3, 4, "sequel", "x"), (4, 3, "sequel", "x"))
    assert [undated[3, 4][0][0], undated[4, 3][0][0]] == ["sequel", "prequel"]
