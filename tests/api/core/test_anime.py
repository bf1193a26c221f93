"""The catalogue over HTTP: objects, pages and errors."""

import re
from typing import Any

import httpx
import jsonschema_rs
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from app.api.catalogue_query import CatalogueQuery
from app.schemas.domain.catalogue import ANIME_KEYS
from app.utils.db.database import Database
from tests.fixtures.catalogue import Stock

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
LISTS = {"synonyms", "genres", "themes", "demographics", "studios"}


async def test_every_key_is_always_there(made: httpx.AsyncClient, made_stock: Stock) -> None:
    page = (await made.get("/anime", params={"limit": 100})).json()
    unknown = dict.fromkeys(ANIME_KEYS, 0)
    for anime in page:
        assert tuple(anime) == ANIME_KEYS
        assert all(isinstance(anime[key], list) for key in LISTS)
        assert anime["score"] != 0
        assert INSTANT.fullmatch(anime["created_at"])
        assert INSTANT.fullmatch(anime["updated_at"])
        for key in ANIME_KEYS:
            unknown[key] += anime[key] in (None, [])
        stored = made_stock.titles[anime["id"]].columns
        assert {key: anime[key] for key in stored if key in ANIME_KEYS and key != "updated_at"} == {
            key: value for key, value in stored.items() if key in ANIME_KEYS and key != "updated_at"
        }
    assert unknown["broadcast"] > 50
    assert unknown["synonyms"]
    assert not unknown["title"]


async def test_labels_are_in_separate_lists(made: httpx.AsyncClient, made_stock: Stock) -> None:
    kinds = {"genres": "genre", "themes": "theme", "demographics": "demographic"}
    for anime in (await made.get("/anime", params={"limit": 100})).json():
        title = made_stock.titles[anime["id"]]
        for key, kind in kinds.items():
            assert [tag["name"] for tag in anime[key]] == sorted(
                name for of, name in title.tags if of == kind
            )
            assert all(list(tag) == ["id", "name", "mal_id"] for tag in anime[key])
        assert [studio["name"] for studio in anime["studios"]] == sorted(title.studios)
        assert all(list(studio) == ["id", "name"] for studio in anime["studios"])


async def test_a_title_is_the_same_alone_and_in_a_list(made: httpx.AsyncClient) -> None:
    for anime in (await made.get("/anime", params={"limit": 5, "offset": 40})).json():
        alone = await made.get(f"/anime/{anime['id']}/")
        assert alone.json() == anime


async def test_fields_select_keys(made: httpx.AsyncClient) -> None:
    whole = (await made.get("/anime", params={"limit": 3})).json()
    for fields in ("title,id", "genres", "studios,updated_at", "themes,score,broadcast,synced_at"):
        keys = [key for key in ANIME_KEYS if key in fields.split(",")]
        wanted = [{key: anime[key] for key in keys} for anime in whole]
        assert (await made.get("/anime", params={"limit": 3, "fields": fields})).json() == wanted
        assert (await made.get(f"/anime/{whole[0]['id']}", params={"fields": fields})).json() == wanted[0]
    repeated = await made.get("/anime", params=[("limit", "1"), ("fields", "id"), ("fields", "title")])
    assert list(repeated.json()[0]) == ["id", "title"]


async def test_pages_by_number_and_by_offset(made: httpx.AsyncClient, made_stock: Stock) -> None:
    by_page = await made.get("/anime", params={"page": 3, "limit": 50, "year_from": "1980"})
    by_offset = await made.get("/anime", params={"offset": 100, "limit": 50, "year_from": "1980"})
    assert by_page.json() == by_offset.json()
    total = int(by_page.headers["X-Total-Count"])
    assert 150 < total < len(made_stock.titles)
    query = {rel: httpx.URL(link["url"]).params for rel, link in by_page.links.items()}
    last = (total - 1) // 50 + 1
    pages = {rel: params["page"] for rel, params in query.items()}
    assert pages == {"first": "1", "prev": "2", "next": "4", "last": str(last)}
    assert all(params["year_from"] == "1980" and params["limit"] == "50" for params in query.values())
    past = await made.get("/anime", params={"offset": 2**31 - 1})
    assert (past.status_code, past.json(), past.headers["X-Total-Count"]) == (
        200,
        [],
        str(len(made_stock.titles)),
    )


async def test_links_keep_repeated_parameters(made: httpx.AsyncClient) -> None:
    given: list[tuple[str, Any]] = [
        ("genre", "Action"),
        ("genre", "Comedy"),
        ("limit", "1"),
        ("q", "a&b=c"),
        ("search", "a&b=c"),
    ]
    page = await made.get("/anime", params=given)
    first = httpx.URL(page.links["first"]["url"])
    assert sorted(first.params.multi_items()) == sorted([*given, ("offset", "0")])


REFUSED = {
    "unknown parameter": ("genr=1", "genr", "did you mean genre?"),
    "misspelt sort": ("srot=title", "srot", "did you mean sort?"),
    "nothing near": ("xyzzy=1", "xyzzy", "Unknown parameter."),
    "unknown field": ("fields=id,tilte", "fields", "did you mean title?"),
    "unknown sort": ("sort=name", "sort", ""),
    "unknown status": ("status=running", "status", ""),
    "unknown type": ("type=Serial", "type", "TV Special"),
    "two searches": ("q=a&search=b", "q", ""),
    "years turned round": ("year_from=2001&year_to=2000", "year_from", ""),
    "offset and page": ("offset=1&page=1", "query", ""),
    "limit 0": ("limit=0", "limit", ""),
    "limit 101": ("limit=101", "limit", ""),
    "limit 1e9": ("limit=1000000000", "limit", ""),
    "negative offset": ("offset=-1", "offset", ""),
    "offset of 64 bits": ("offset=9223372036854775808", "offset", ""),
    "page of 5000 digits": (f"page={'9' * 5000}", "page", ""),
    "year of 64 bits": ("year=9223372036854775808", "year", ""),
    "score NaN": ("min_score=NaN", "min_score", ""),
    "score infinite": ("min_score=1e400", "min_score", ""),
    "search NUL": ("search=a%00b", "search", ""),
    "genre NUL": ("genre=a%00b", "genre", ""),
    "long search": (f"search={'x' * 101}", "search", ""),
    "long genre": (f"genre={'x' * 1001}", "genre", ""),
    "many genres": ("&".join(f"genre={number}" for number in range(51)), "genre", ""),
    "no number": ("year=next", "year", ""),
}


@pytest.mark.parametrize("query", REFUSED)
async def test_rejections_name_the_parameter(made: httpx.AsyncClient, query: str) -> None:
    sent, field, hint = REFUSED[query]
    answer = await made.get(f"/anime?{sent}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "VALIDATION_ERROR"
    assert hint in " ".join(answer.json()["details"]["fields"][field])


HOSTILE = [
    "search=%ff%fe", "search=%ed%a0%80", "search=%e2%80%ae", "q=%f0%9f%92%a9", "search=[]{}()*+?.^$|\\",
    "genre[]=&genre=,,,", "genre=%ed%a0%80", "fields=", "fields=,", "search=" + "%cc%81" * 16, "search=+++",
    "search=" + "a+" * 50, "q=" + "abcd+" * 20, "sfw=1", "search=" + "%ef%b7%ba" * 11, "search=%5c%25_",
    "genre_exclude=" + ",".join(map(str, range(150))),
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE)
async def test_hostile_text_is_harmless(made: httpx.AsyncClient, query: str) -> None:
    answer = await made.get(f"/anime?{query}")
    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json(), list)


async def test_thousands_of_parameters(made: httpx.AsyncClient) -> None:
    answer = await made.get("/anime?" + "&".join(f"{number}=" for number in range(10_000)))
    assert answer.status_code == 422
    assert len(answer.json()["details"]["fields"]) <= 20


@pytest.mark.parametrize("anime_id", ["0", "-1", "2147483648", "9" * 5000, "one", "1.5", "%00", "mal"])
async def test_an_id_that_nothing_can_have(made: httpx.AsyncClient, anime_id: str) -> None:
    assert (await made.get(f"/anime/{anime_id}")).status_code == 422


async def test_an_id_that_nothing_has(made: httpx.AsyncClient) -> None:
    answer = await made.get("/anime/2147483647")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_head_is_get_without_the_body(made: httpx.AsyncClient) -> None:
    for path in ("/anime", "/genres", "/search/anime?q=shi"):
        head, get = await made.head(path), await made.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["ETag"] == get.headers["ETag"]
        assert head.headers["Content-Length"] == get.headers["Content-Length"]


async def test_rows_of_other_writers_are_rendered_too(client: httpx.AsyncClient, database: Database) -> None:
    async with database.transaction() as tx:
        await tx.session.execute(
            text(
                "with a as (insert into anime (title) values ('Late') returning id)"
                " insert into anime_syncs select id, '2026-01-02 03:04:05+03' from a"
            )
        )
    [anime] = (await client.get("/anime", headers={"Cache-Control": "no-cache"})).json()
    assert anime["synced_at"] == "2026-01-02T00:04:05.000000Z"


async def test_responses_match_the_document(made: httpx.AsyncClient) -> None:
    document = (await made.get("/openapi.json")).json()
    for path, sent in (("/anime", "limit=100"), ("/search/anime", "q=ka"), ("/genres", "")):
        body = (await made.get(f"{path}?{sent}")).json()
        assert body
        assert not _faults(document, path, body)
    assert not _faults(document, "/anime/", (await made.get("/anime/?fields=id,genres")).json())
    assert not _faults(document, "/anime/{anime_id}", (await made.get("/anime/1")).json())
    wrong = [{**(await made.get("/anime/1")).json(), "score": 11}]
    assert _faults(document, "/anime", wrong), "a check that cannot fail"


def _faults(document: Any, path: str, body: Any) -> list[str]:
    answer = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator = jsonschema_rs.validator_for({**answer, "components": document["components"]})
    return [fault.message for fault in validator.iter_errors(body)]


async def test_parameters_are_declared_one_by_one(made: httpx.AsyncClient) -> None:
    document = (await made.get("/openapi.json")).json()
    declared = {
        parameter["name"]: parameter for parameter in document["paths"]["/anime"]["get"]["parameters"]
    }
    fields = {field.alias or name for name, field in CatalogueQuery.model_fields.items()}
    assert set(declared) == fields - {"fields"} | {"If-None-Match"}  # `fields` has a separate operation
    assert declared["type"]["schema"]["items"]["enum"][0] == "TV"
    assert declared["sort"]["schema"]["default"] == "-score"
    assert declared["genre[]"]["schema"]["type"] == "array"
    [q] = [p for p in document["paths"]["/search/anime"]["get"]["parameters"] if p["name"] == "q"]
    assert (q["required"], q["schema"]["minLength"], q["schema"]["maxLength"]) == (True, 2, 100)


@pytest.mark.parametrize("path", ["/anime", "/anime/1", "/genres", "/search/anime?q=ka", "/anime?fields=id"])
async def test_reads_are_not_sent_twice(made: httpx.AsyncClient, path: str) -> None:
    first = await made.get(path)
    etag = first.headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]{32}(-br)?"', etag)
    assert first.headers["Cache-Control"] == "public, no-cache"
    for sent in (etag, f'"other", W/{etag}', "*"):
        for method in ("GET", "HEAD"):
            again = await made.request(method, path, headers={"If-None-Match": sent})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == etag
            assert "Content-Length" not in again.headers
            assert again.headers.get("X-Total-Count") == first.headers.get("X-Total-Count")
    other = await made.get(path, headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)


async def test_faults_are_never_304(made: httpx.AsyncClient) -> None:
    for path, status in (("/anime/2147483647", 404), ("/anime?limit=0", 422), ("/search/anime", 422)):
        answer = await made.get(path, headers={"If-None-Match": "*"})
        assert answer.status_code == status
        assert "public" not in answer.headers.get("Cache-Control", "")


async def test_cached_responses_count_in_metrics(made: httpx.AsyncClient) -> None:
    def figure(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0

    def figures() -> tuple[float, float]:
        return (
            figure("anisync_requests_total", method="GET", endpoint="/anime", status="200"),
            figure("anisync_cache_requests_total", cache="answers", outcome="hit"),
        )

    await made.get("/anime")
    asked, hits = figures()
    for _ in range(3):
        await made.get("/anime")
    assert figures() == (asked + 3, hits + 3)


async def test_signed_in_users_get_the_same_bytes(made: httpx.AsyncClient) -> None:
    plain = await made.get("/anime")
    signed = await made.get("/anime", headers={"Authorization": "Bearer nonsense"})
    assert (signed.status_code, signed.content) == (200, plain.content)
