"""Tests of the stand-in itself, on which the fault tests rely."""

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.standin import JikanStandin
from tests.standin.journal import most_in
from tests.standin.synthetic import make_anime

SHARED = Path(__file__).parents[2].parent / "shared"


def get(standin: JikanStandin, path: str, timeout: float = 5.0) -> httpx.Response:
    return httpx.get(standin.base_url + path, timeout=timeout)


def test_a_synthetic_title_has_every_key_of_a_real_one(jikan_standin: JikanStandin) -> None:
    data = get(jikan_standin, "/anime/40001/full").json()["data"]
    assert data["mal_id"] == 40001
    assert {"titles", "aired", "broadcast", "relations", "explicit_genres", "streaming"} <= set(data)
    assert data == make_anime(40001, full=True)


def test_forty_pages_of_the_top_are_a_thousand_titles(jikan_standin: JikanStandin) -> None:
    with httpx.Client() as client:
        pages = [
            client.get(f"{jikan_standin.base_url}/top/anime?page={page}").json() for page in range(1, 41)
        ]
    titles = [(one["mal_id"], one["title"]) for page in pages for one in page["data"]]
    assert len(titles) == len({mal_id for mal_id, _ in titles}) == 1000
    assert pages[39]["pagination"]["has_next_page"]
    scores = [one["score"] for page in pages for one in page["data"]]
    assert scores == sorted(scores, reverse=True)


def test_a_season_ends(jikan_standin: JikanStandin) -> None:
    seen: list[int] = []
    for page in (1, 2, 3, 4):
        body = get(jikan_standin, f"/seasons/2021/spring?page={page}").json()
        seen += [one["mal_id"] for one in body["data"]]
        if not body["pagination"]["has_next_page"]:
            break
    assert len(seen) == len(set(seen)) == body["pagination"]["items"]["total"]
    assert get(jikan_standin, f"/anime/{seen[0]}").json()["data"]["season"] == "spring"


@pytest.mark.skipif(not SHARED.exists(), reason="the recorded bodies lie beside the repository, in ../shared")
def test_recorded_bodies_are_served_as_recorded(jikan_standin: JikanStandin) -> None:
    answer = get(jikan_standin, "/anime/457")
    assert answer.json()["data"]["title"] == "Mushishi"
    assert answer.headers["x-request-fingerprint"].startswith("request:anime:")
    assert get(jikan_standin, "/anime/-1").json() == {
        "status": 404, "type": "HttpException", "message": "Not Found", "error": None,
    }  # fmt: skip
    season = [get(jikan_standin, f"/seasons/2018/winter?page={page}").json() for page in (1, 2, 3)]
    assert sum(len(page["data"]) for page in season) == season[0]["pagination"]["items"]["total"] == 58


def test_unknown_ids_and_bad_limits_get_jikans_own_errors(jikan_standin: JikanStandin) -> None:
    missing = get(jikan_standin, "/anime/88888888/full")
    assert (missing.status_code, missing.json()["type"]) == (404, "BadResponseException")
    wrong = get(jikan_standin, "/top/anime?limit=26")
    assert (wrong.status_code, wrong.json()["type"]) == (400, "ValidationException")


def test_titles_can_change_and_vanish(jikan_standin: JikanStandin) -> None:
    jikan_standin.change(40001, score=1.23)
    assert get(jikan_standin, "/anime/40001").json()["data"]["score"] == 1.23
    jikan_standin.forget(40001)
    assert get(jikan_standin, "/anime/40001").status_code == 404
    jikan_standin.reset()
    assert get(jikan_standin, "/anime/40001").json()["data"]["score"] != 1.23


def test_rules_end_after_so_many_calls_and_match_paths(jikan_standin: JikanStandin) -> None:
    jikan_standin.behave("status", match=r"/anime/5\b", times=2, status=429, retry_after="7")
    statuses = [get(jikan_standin, f"/anime/{mal_id}").status_code for mal_id in (6, 5, 5, 5)]
    assert statuses == [200, 429, 429, 200]
    limited = [call for call in jikan_standin.calls() if call.mode == "status"]
    assert [call.path for call in limited] == ["/v4/anime/5"] * 2
    assert jikan_standin.stats().by_path == {"/v4/anime/6": 1, "/v4/anime/5": 3}


def test_an_http_date_lies_ahead(jikan_standin: JikanStandin) -> None:
    jikan_standin.behave("status", status=503, retry_after="date:30")
    assert get(jikan_standin, "/anime/5").headers["retry-after"].endswith("GMT")


@pytest.mark.parametrize(
    ("mode", "fault"),
    [
        ("close", httpx.RemoteProtocolError),
        ("reset", httpx.TransportError),
        ("truncated", httpx.RemoteProtocolError),
        ("short_chunk", httpx.RemoteProtocolError),
        ("false_gzip", httpx.DecodingError),
        ("hang", httpx.ReadTimeout),
    ],
)
def test_transport_faults_are_faults(jikan_standin: JikanStandin, mode: str, fault: type[Exception]) -> None:
    jikan_standin.behave(mode)
    with pytest.raises(fault):
        get(jikan_standin, "/anime/5", timeout=0.3)


def test_a_drip_outlives_the_timeout_of_a_read(jikan_standin: JikanStandin) -> None:
    jikan_standin.behave("drip", interval=0.01)
    begun = time.monotonic()
    assert get(jikan_standin, "/anime/88888", timeout=0.3).status_code == 404
    assert time.monotonic() - begun > 1.0


@pytest.mark.parametrize("announce", [False, True])
def test_a_huge_body_is_huge(jikan_standin: JikanStandin, announce: bool) -> None:
    jikan_standin.behave("huge", size=200_000, announce=announce)
    assert len(get(jikan_standin, "/anime/5").json()["data"]) == 200_000


def test_refusing_is_a_refused_connection(jikan_standin: JikanStandin) -> None:
    jikan_standin.refuse()
    with pytest.raises(httpx.ConnectError):
        get(jikan_standin, "/anime/5")
    jikan_standin.accept()
    assert get(jikan_standin, "/anime/5").status_code == 200


def test_limits_are_enforced_on_request(jikan_standin: JikanStandin) -> None:
    jikan_standin.enforce()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: get(jikan_standin, "/anime/5"), range(80)))
    limited = [answer for answer in answers if answer.status_code == 429]
    assert {answer.json()["status"] for answer in limited} == {"429"}
    assert most_in([call.at for call in jikan_standin.calls() if call.mode == "ok"], 1.0) <= 3
    assert len(limited) >= 20


def test_calls_in_flight_are_counted_and_forgotten(jikan_standin: JikanStandin) -> None:
    jikan_standin.behave("hang")
    where = urlsplit(jikan_standin.base_url)
    link = http.client.HTTPConnection(where.hostname or "", where.port, timeout=5)
    link.request("GET", "/v4/anime/5")
    _wait(lambda: jikan_standin.stats().in_flight == 1)
    link.close()
    _wait(lambda: jikan_standin.stats().in_flight == 0)


def test_many_at_once_are_all_counted(jikan_standin: JikanStandin) -> None:
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda mal_id: get(jikan_standin, f"/anime/{mal_id}"), range(1, 101)))
    stats = jikan_standin.stats()
    assert (stats.total, len(stats.by_path)) == (100, 100)


def test_windows_do_not_count_their_end() -> None:
    assert most_in([0.0, 0.5, 1.0], 1.0) == 2
    assert most_in([0.0, 0.5, 0.999, 1.0], 1.0) == 3
    assert most_in([], 1.0) == 0


def _wait(condition: object, seconds: float = 5.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)
