"""Jikan's endpoints and pages."""

from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from app.errors import Invalid, NotFound, UpstreamError
from app.external.base.client import JOB, UPKEEP, USER
from tests.external.doubles import BASE, Answers, OpenLimiter, jikan
from tests.standin.synthetic import make_anime


def page(ids: list[Any], **pagination: Any) -> httpx.Response:
    data = [make_anime(one) if isinstance(one, int) else one for one in ids]
    return httpx.Response(200, json={"pagination": pagination, "data": data})


async def test_a_title_is_fetched_whole() -> None:
    transport = Answers(httpx.Response(200, json={"data": make_anime(21, full=True)}))
    client = jikan(transport)
    assert (await client.get_anime(21)).title == make_anime(21)["title"]
    assert await client.raw_anime(21) == make_anime(21, full=True)
    assert {str(request.url) for request in transport.requests} == {f"{BASE}/anime/21/full"}


async def test_callers_have_their_traffic_class() -> None:
    gate = OpenLimiter()
    client = jikan(Answers(httpx.Response(200, json={"data": make_anime(21)})), gate=gate)
    await client.get_anime(21)
    await client.get_anime(21, deadline=JOB)
    await client.get_anime(21, deadline=UPKEEP)
    assert gate.asked == [
        ("reader", pytest.approx(USER.queue_timeout)),
        ("order", 55.0),
        ("upkeep", 55.0),
    ]


async def test_pages_carry_titles_totals_and_whether_there_is_more() -> None:
    transport = Answers(
        page([1, 2], last_visible_page=3, has_next_page=True, current_page=2, items={"total": 6})
    )
    found = await jikan(transport).list_top(2)
    assert [anime.mal_id for anime in found.items] == [1, 2]
    assert (found.has_next, found.total, found.skipped) == (True, 6, 0)
    await jikan(transport).list_season(2024, "fall", 1)
    assert [str(request.url) for request in transport.requests] == [
        f"{BASE}/top/anime?page=2&limit=25",
        f"{BASE}/seasons/2024/fall?page=1&limit=25",
    ]


@pytest.mark.parametrize(
    ("ids", "pagination", "has_next"),
    [
        ([1], {"last_visible_page": 1, "has_next_page": True, "items": {"total": 1}}, False),
        ([1], {"last_visible_page": 9, "has_next_page": True, "current_page": 1}, True),
        ([1], {"last_visible_page": 9, "has_next_page": False, "current_page": 1}, False),
        (
            [],
            {"last_visible_page": 9, "has_next_page": True, "current_page": 1, "items": {"total": 200}},
            False,
        ),
        (
            [1],
            {"last_visible_page": 9, "has_next_page": True, "current_page": 9, "items": {"total": 200}},
            False,
        ),
        ([1], {}, False),
    ],
)
async def test_wrong_pagination_flags_are_ignored(
    ids: list[Any], pagination: dict[str, Any], has_next: bool
) -> None:
    assert (await jikan(Answers(page(ids, **pagination))).list_top(1)).has_next is has_next


async def test_an_invalid_item_is_skipped_alone() -> None:
    counter = "anisync_upstream_items_skipped_total"
    before = REGISTRY.get_sample_value(counter, {"upstream": "jikan"}) or 0
    nameless = make_anime(3) | {"mal_id": None}
    found = await jikan(Answers(page([1, 2, nameless, None, "x", 4, 2]))).list_top(1)
    assert [anime.mal_id for anime in found.items] == [1, 2, 4]
    assert found.skipped == 3
    assert (REGISTRY.get_sample_value(counter, {"upstream": "jikan"}) or 0) - before == 3


async def test_raw_data_is_unchanged() -> None:
    data = [make_anime(7) | {"anything": {"else": [1, None, "é"]}}]
    transport = Answers(httpx.Response(200, json={"data": data}))
    client = jikan(transport)
    assert await client.raw_top(3, 10) == data
    assert await client.raw_search("one & two/..?q=3") == data
    top, search = transport.requests
    assert str(top.url) == f"{BASE}/top/anime?page=3&limit=10"
    assert (search.url.path, search.url.params["q"]) == ("/v4/anime", "one & two/..?q=3")


async def test_unstorable_text_is_cleaned() -> None:
    body = b'{"data": [{"mal_id": 1, "ti\\u0000tle": "a\\ud83d b \\ud83d\\ude00 "}]}'
    transport = Answers(httpx.Response(200, content=body, headers={"content-type": "application/json"}))
    assert await jikan(transport).raw_top(1, 1) == [{"mal_id": 1, "title": "a b 😀 "}]


async def test_impossible_ids_are_not_requested() -> None:
    transport = Answers(httpx.Response(500))
    for mal_id in (0, -1, 2**31):
        with pytest.raises(NotFound):
            await jikan(transport).get_anime(mal_id)
    with pytest.raises(Invalid):
        await jikan(transport).raw_search("\ud800")
    assert transport.requests == []


@pytest.mark.parametrize(
    "body",
    [{}, {"data": None}, {"data": []}, {"data": {"mal_id": 22}}, {"data": make_anime(22)}, {"data": "x"}],
)
async def test_a_response_for_another_title_is_an_error(body: Any) -> None:
    with pytest.raises(UpstreamError):
        await jikan(Answers(httpx.Response(200, json=body))).get_anime(21)


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": None}])
async def test_a_missing_list_is_an_error(body: Any) -> None:
    with pytest.raises(UpstreamError):
        await jikan(Answers(httpx.Response(200, json=body))).list_top(1)
    with pytest.raises(UpstreamError):
        await jikan(Answers(httpx.Response(200, json=body))).raw_search("x y")
