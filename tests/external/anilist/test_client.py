"""AniList's client: rate limits from headers, every kind of failure, chunks, score scales."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from app.errors import NotFound, TokenRefused, UpstreamError, UpstreamRejected, UpstreamUnavailable
from app.external.anilist.client import AniListClient
from app.external.anilist.lists import AniListLists, held_score
from app.schemas.domain.sync import RemoteAccount, SyncState
from tests.external.doubles import Answers, ManualClock, OpenLimiter
from tests.standin.anilist import AniListStandin, failure, fuzzy

ME = RemoteAccount(77, "mio", "POINT_10_DECIMAL", "a-token-of-mio.that-nobody.may-see")


def client_of(transport: httpx.AsyncBaseTransport, gate: OpenLimiter | None = None) -> AniListClient:
    clock = ManualClock()
    return AniListClient(
        "http://anilist.test/graphql",
        limiter=gate or OpenLimiter(),
        transport=transport,
        clock=clock,
        sleep=clock.sleep,
    )


def good(headers: Mapping[str, str] = {}) -> httpx.Response:  # it is read only
    viewer = {"id": 77, "name": "mio", "mediaListOptions": {"scoreFormat": "POINT_3"}}
    return httpx.Response(200, json={"data": {"Viewer": viewer}}, headers=dict(headers))


def limits(limit: int, remaining: int) -> dict[str, str]:
    return {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(remaining)}


async def test_the_rate_limit_follows_the_headers_until_they_prove_wrong() -> None:
    gate = OpenLimiter()
    answers = Answers(good(limits(90, 71)), failure(429, "Too Many Requests."), good(limits(90, 60)))
    client = client_of(answers, gate)
    await client.get_viewer("t")
    assert [rate.count for rate in gate.rates] == [90]
    with pytest.raises(UpstreamUnavailable) as refused:
        await client.get_viewer("t")
    assert refused.value.retry_after == 60
    assert gate.bans == [60.0]
    assert [rate.count for rate in gate.rates] == [90, 30], "it cut at less than it told"
    await client.get_viewer("t")
    assert [rate.count for rate in gate.rates] == [90, 30], "its word is not taken for an hour"


async def test_calls_pause_when_the_headers_report_none_left() -> None:
    gate = OpenLimiter()
    client = client_of(Answers(good(limits(30, 0)), good(limits(30, 29))), gate)
    await client.get_viewer("t")
    assert gate.bans == [10.0]
    await client.get_viewer("t")
    assert gate.bans == [10.0]


FAILURES: dict[str, tuple[httpx.Response, type[Exception]]] = {
    "unknown": (failure(404, "Not Found.", Viewer=None), NotFound),
    "unknown with 200": (httpx.Response(200, json={"errors": [{"status": 404}], "data": None}), NotFound),
    "no token": (failure(401, "Unauthorized."), TokenRefused),
    "an old token": (failure(400, "Invalid token"), TokenRefused),
    "an old token with 200": (
        httpx.Response(200, json={"errors": [{"message": "Invalid token"}]}), TokenRefused,
    ),
    "a rule that was broken": (failure(400, "validation"), UpstreamRejected),
    "switched off": (failure(403, "The AniList API has been temporarily disabled"), UpstreamUnavailable),
    "a wall": (httpx.Response(403, html="<h1>Just a moment</h1>"), UpstreamUnavailable),
    "limited with 200": (
        httpx.Response(200, json={"errors": [{"status": 429, "message": "Too Many"}]}), UpstreamUnavailable,
    ),
    "broken": (failure(500, "Internal Server Error"), UpstreamError),
    "broken with 200": (httpx.Response(200, json={"errors": [{"status": 500}], "data": None}), UpstreamError),
    "errors of no shape": (httpx.Response(200, json={"errors": "no"}), UpstreamError),
    "no data": (httpx.Response(200, json={}), UpstreamError),
    "nobody": (httpx.Response(200, json={"data": {"Viewer": {}}}), UpstreamError),
}  # fmt: skip


@pytest.mark.parametrize("how", FAILURES)
async def test_every_kind_of_failure_is_distinguished(how: str) -> None:
    answer, error = FAILURES[how]
    with pytest.raises(error):
        await client_of(Answers(answer)).get_viewer("t")


@pytest.mark.parametrize("score_format", ["POINT_100", "POINT_10_DECIMAL", "POINT_10", "POINT_5", "POINT_3"])
async def test_a_list_is_read_whole_in_every_scale(score_format: str) -> None:
    anilist = AniListStandin(score_format=score_format)
    for number in range(1, 702):
        anilist.add(number, mal_id=number, score=number % 101, progress=number, hidden=number % 7 == 0)
    anilist.custom = {"Seventh": list(range(7, 702, 7)), "Best": [1, 2, 7]}
    anilist.edit(3, score=60, status="REPEATING", repeat=2, startedAt=fuzzy(2015),
                 completedAt=fuzzy(2016, 4, 9), notes=" kept ", private=True)  # fmt: skip
    anilist.edit(4, status="SOMETHING_NEW")
    lists = AniListLists(client_of(httpx.MockTransport(anilist)))
    found = {one.remote_id: one for one in await lists.list_entries(ME, "anime")}
    assert anilist.count("MediaListCollection") == 2
    assert found.keys() == set(range(1, 702))
    assert found[4].state.status == "plan_to_watch", "an unknown status"
    assert found[4].missing_fields == {"status"}
    assert found[3].state == SyncState(
        status="rewatching", score=held_score(60, score_format), progress=3, rewatch_count=2,
        started_at="2015", finished_at="2016-04-09", notes="kept", is_private=True,
    )  # fmt: skip
    hold = lists.hold("anime", score_format)
    for entry in found.values():
        assert hold(entry.state) == entry.state, "what comes from there can be held there"
    if score_format in ("POINT_100", "POINT_10_DECIMAL"):
        assert [found[n].state.score for n in (1, 57, 100, 101)] == [1, 57, 100, None]


async def test_entries_of_wrong_types_cost_no_other_entry() -> None:
    good_one = {"id": 5, "mediaId": 9, "status": "CURRENT", "score": 0, "media": {"id": 9, "idMal": None}}
    odd = [{"id": [1]}, {"id": {}}, {"id": None}, {}, None, 7, "x", [good_one]]
    without_id = {**good_one, "id": {"no": "id"}, "mediaId": 10, "media": None}
    groups = [{"entries": said} for said in (None, 7, "text", {"id": 1}, True, [*odd, good_one, without_id])]
    answer = {"data": {"MediaListCollection": {"hasNextChunk": None, "lists": [None, 3, {}, *groups]}}}
    lists = AniListLists(client_of(Answers(httpx.Response(200, json=answer))))
    found = await lists.list_entries(ME, "anime")
    assert [one.remote_id for one in found] == [9, 10]


def test_scores_are_compared_in_the_scale_of_the_service() -> None:
    held = {scale: [held_score(n, scale) for n in (None, 1, 35, 36, 74, 75, 84, 85, 100)] for scale in SCALES}
    assert held == SCALES


SCALES: dict[str, list[int | None]] = {
    "POINT_100": [None, 1, 35, 36, 74, 75, 84, 85, 100],
    "POINT_10_DECIMAL": [None, 1, 35, 36, 74, 75, 84, 85, 100],
    "POINT_10": [None, 10, 40, 40, 70, 80, 80, 90, 100],
    "POINT_5": [None, 10, 30, 30, 70, 70, 70, 70, 90],
    "POINT_3": [None, 35, 35, 60, 85, 85, 85, 85, 85],
}


async def test_an_entry_is_saved_in_its_words_and_dates() -> None:
    anilist = AniListStandin()
    anilist.know(1, type="MANGA")
    lists = AniListLists(client_of(httpx.MockTransport(anilist)))
    news: dict[str, Any] = {
        "status": "rewatching", "score": 85, "progress": 0, "volumes": None, "rewatch_count": 1,
        "started_at": "2020-05", "finished_at": None, "notes": None, "is_private": True,
    }  # fmt: skip
    entry = await lists.save(ME, "manga", 1, news)
    assert anilist.saves == [
        {"mediaId": 1, "status": "REPEATING", "scoreRaw": 85, "progress": 0, "progressVolumes": 0,
         "repeat": 1, "startedAt": fuzzy(2020, 5), "completedAt": fuzzy(), "notes": "", "private": True},
    ]  # fmt: skip
    assert entry.state == SyncState(
        status="rewatching", score=85, rewatch_count=1, started_at="2020-05", is_private=True
    )
    assert (await lists.find_entries(ME, "manga", [1, 2])) == {1: entry}
    anilist.answer = lambda *_: failure(400, 'Cannot query field "mediaList" on type "Page".')
    assert await lists.find_entries(ME, "manga", [1]) is None
