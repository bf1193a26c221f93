"""Mapping of MangaDex's objects: an optional part of the wrong type is ignored alone."""

from typing import Any

import pytest

from app.external.mangadex.client import map_manga

NAMELESS: dict[str, Any] = {"id": "m-1", "attributes": {"title": {}, "altTitles": [{"ja": "題"}]}}


@pytest.mark.parametrize("odd", [None, 7, 1.5, True, "text", [], [None, 3, "x", []], {"en": 4}])
@pytest.mark.parametrize("part", ["title", "altTitles", "links", "lastChapter"])
def test_an_optional_part_of_a_wrong_type_costs_that_part_alone(part: str, odd: Any) -> None:
    attributes = {"title": {"en": "Name"}, "altTitles": [{"ja": "題"}], "links": {"al": "5"}, part: odd}
    found = map_manga({"id": "m-1", "attributes": attributes, "relationships": odd})
    assert found is not None
    assert found.title == ("題" if part == "title" else "Name")
    assert found.anilist_id == (None if part == "links" else 5)
    nameless = map_manga({"id": "m-1", "attributes": {"title": {}, part: odd}})
    assert nameless is None


def test_a_name_of_any_language_will_do() -> None:
    found = map_manga(NAMELESS)
    assert found is not None
    assert found.title == "題"
