"""The OpenAPI document: completeness, unambiguity, valid examples; and the page that shows it."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any

import httpx
import jsonschema_rs
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext
from starlette.routing import Match

from app.api.openapi.conventions import TAGS
from app.api.routing import routes_of
from app.config import Settings
from app.main import create_app
from app.schemas.domain.library import ORIGINS
from tests.fixtures.processes import ROOT
from tests.fixtures.routes import PROTECTED

Json = dict[str, Any]


@pytest.fixture(scope="module")
def application() -> FastAPI:
    return create_app(Settings(_env_file=None))


@pytest.fixture(scope="module")
def document(application: FastAPI) -> Json:
    return application.openapi()


@pytest.fixture(scope="module")
def operations(document: Json) -> dict[str, Json]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


@pytest.fixture
async def reader(application: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


def nodes(node: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every node of a document with its path."""
    yield at, node
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in children:
        yield from nodes(child, f"{at}/{str(name).replace('~', '~0').replace('/', '~1')}")


def test_the_document_states_its_version_servers_and_conventions(document: Json) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/"}]
    assert document["info"]["title"] == "AniSync"
    for convention in ("X-Total-Count", "If-Match", "Idempotency-Key", "details.errors", "YYYY-MM-DD"):
        assert convention in document["info"]["description"]
    public = create_app(Settings(_env_file=None, public_base_url="https://anime.example.org"))
    assert public.openapi()["servers"] == [{"url": "https://anime.example.org"}]


def undescribed(document: Json) -> Iterator[str]:
    components = document["components"]
    described: list[tuple[str, Json]] = [
        *components["schemas"].items(),
        *components["headers"].items(),
        *(
            (f"{name}.{key}", shape)
            for name, schema in components["schemas"].items()
            for key, shape in schema.get("properties", {}).items()
        ),
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            at = f"{method} {path}"
            described += ((f"{at}: {one['name']}", one) for one in operation.get("parameters", []))
            described += ((f"{at}: {status}", one) for status, one in operation["responses"].items())
    return (name for name, one in described if one.get("description") in (None, "", "Successful Response"))


def test_everything_has_a_description(document: Json) -> None:
    assert list(undescribed(document)) == [], "describe it by Field(description=...), or in glossary.py"


def test_schemas_have_plain_names_and_all_are_used(document: Json) -> None:
    names = set(document["components"]["schemas"])
    assert {name for name in names if not re.fullmatch(r"([A-Z][a-z]+)+", name)} == set()
    used = {
        node["$ref"].rpartition("/")[2]
        for _, node in nodes(document)
        if isinstance(node, dict) and "$ref" in node
    }
    assert names <= used


def test_patch_schemas_have_no_defaults(document: Json) -> None:
    schemas = document["components"]["schemas"]
    patches = [name for name in schemas if name.endswith(("Patch", "Put", "Operation"))]
    assert len(patches) >= 10
    assert [at for name in patches for at, node in nodes(schemas[name]) if at.endswith("/default")] == []
    assert all(len(schemas[name]["example"]) == 1 for name in patches if name.endswith("Patch"))
    assert "'default': 2147483647" not in str(document)


def test_a_batch_tells_its_operations_apart(document: Json) -> None:
    items = document["components"]["schemas"]["BatchInput"]["properties"]["operations"]["items"]
    assert items["discriminator"]["propertyName"] == "op"
    assert set(items["discriminator"]["mapping"]) == {"add", "update", "upsert", "delete"}
    assert len(items["oneOf"]) == 4


# Long previews and imports by user name are jobs; others are answered at once.
_SEVERAL_TYPES = {"POST /users/me/import/preview", "POST /api/import/anilist", "GET /users/me/marks"}


def test_each_success_has_one_type(operations: dict[str, Json]) -> None:
    for name, operation in operations.items():
        if name not in _SEVERAL_TYPES:
            successes = [status for status in operation["responses"] if status.startswith("2")]
            assert len({str(operation["responses"][status].get("content")) for status in successes}) == 1, (
                name
            )
            assert "anyOf" not in str(operation["responses"][successes[0]].get("content")) or name.endswith(
                "undo"
            )
        has_fields = "fields" in {parameter["name"] for parameter in operation.get("parameters", [])}
        assert has_fields == name.endswith("/"), name


def test_a_route_states_its_permission(operations: dict[str, Json]) -> None:
    for route in PROTECTED:
        operation = operations[route.name]
        scopes = [] if route.access == "session" else [route.access]
        assert operation["security"] == [{"OAuth2PasswordBearer": scopes}, {"BearerToken": []}], route.name
        assert (route.access if scopes else "session") in operation["description"].rpartition("Needs")[2]


def test_files_and_their_headers_are_declared(operations: dict[str, Json]) -> None:
    upload = operations["POST /users/me/import"]["requestBody"]["content"]["multipart/form-data"]
    assert upload
    export = operations["GET /users/me/export"]["responses"]["200"]
    assert set(export["content"]) == {"application/json", "application/xml", "text/csv"}
    assert "Content-Disposition" in export["headers"]
    assert "Location" in operations["POST /users/me/list"]["responses"]["201"]["headers"]
    for name in ("GET /users/me/list/{anime_id}", "PATCH /api/library/items/{item_id}"):
        assert "ETag" in operations[name]["responses"]["200"]["headers"]
    assert "Idempotency-Replayed" in operations["POST /favorites"]["responses"]["201"]["headers"]


def test_every_reference_resolves(document: Json) -> None:
    places = {at for at, _ in nodes(document)}
    references = {node["$ref"] for _, node in nodes(document) if isinstance(node, dict) and "$ref" in node}
    assert len(references) > 20
    assert {reference for reference in references if reference.removeprefix("#") not in places} == set()


def test_operation_ids_are_unique(operations: dict[str, Json]) -> None:
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name)] == []


def test_every_tag_is_described_and_used(operations: dict[str, Json], document: Json) -> None:
    used = {tag for operation in operations.values() for tag in operation["tags"]}
    assert {tag["name"] for tag in document["tags"]} == used
    assert used <= set(TAGS)
    assert all(len(operation["tags"]) == 1 for operation in operations.values())
    of_surface = {name.split()[1].split("/")[2] for name in operations if name.split()[1].startswith("/api/")}
    assert of_surface
    for name, operation in operations.items():
        is_tracker = re.match(r"\w+ /api/(auth|library|sources|anilist|import)\b", name)
        assert operation["tags"][0].startswith("tracker:") == bool(is_tracker), name


def test_every_operation_has_a_summary(operations: dict[str, Json]) -> None:
    assert [name for name, operation in operations.items() if not operation.get("description")] == []


def test_every_failure_is_declared(operations: dict[str, Json]) -> None:
    protected = {route.name for route in PROTECTED}
    for name, operation in operations.items():
        declared = set(operation["responses"])
        needed = {"500"}
        if name in protected:
            needed |= {"401", "403"}
        if "requestBody" in operation:
            needed |= {"413", "415" if "application/json" in operation["requestBody"]["content"] else "413"}
        if "requestBody" in operation or operation.get("parameters"):
            needed.add("400" if "/api/anilibria/" in name else "422")
        if "{" in name:
            needed.add("404")
        if not name.startswith(("GET /health", "GET /metrics")):
            needed.add("503")
        if re.search(r" (/api)?/auth/| /anime/jikan/| /anime/sync/| /search/", name):
            needed.add("429")
        assert needed - declared == set(), name


def test_failures_match_the_schema_of_their_surface(operations: dict[str, Json]) -> None:
    for name, operation in operations.items():
        tag = operation["tags"][0].partition(":")[0]
        schema = {"tracker": "TrackerFailure", "AniLibria": "AniLibriaFailure"}.get(tag, "Failure")
        for status, response in operation["responses"].items():
            if status >= "400" and not name.endswith("/health"):
                content = response["content"]["application/json"]
                assert content["schema"] == {"$ref": f"#/components/schemas/{schema}"}, (name, status)
                assert content["examples"], (name, status)
                assert response["description"]


def test_headers_are_declared(operations: dict[str, Json]) -> None:
    for name, operation in operations.items():
        parameters = {parameter["name"] for parameter in operation.get("parameters", [])}
        for status, response in operation["responses"].items():
            assert "X-Request-ID" in response["headers"], (name, status)
        if {"limit", "offset"} <= parameters and "/recommendations" not in name:
            assert {"X-Total-Count", "Link"} <= set(operation["responses"]["200"]["headers"]), name
        if "304" in operation["responses"]:
            assert "ETag" in operation["responses"]["200"]["headers"], name
            assert "ETag" in operation["responses"]["304"]["headers"], name
            assert "If-None-Match" in parameters, name


def examples(document: Json) -> Iterator[tuple[str, Json, Any]]:
    """Every example with its schema."""
    for at, node in nodes(document):
        if not isinstance(node, dict) or "/examples" in at or at.endswith("/example"):
            continue
        schema = node.get("schema", node) if "schema" in node else node
        for example in node.get("examples", {}).values() if isinstance(node.get("examples"), dict) else ():
            yield at, schema, example["value"]
        for example in node["examples"] if isinstance(node.get("examples"), list) else ():
            yield at, schema, example
        if "example" in node and not at.endswith("/properties"):
            yield at, schema, node["example"]


def test_examples_match_their_schemas(document: Json) -> None:
    found = list(examples(document))
    assert len(found) > 200
    for at, schema, example in found:
        whole = {**schema, "components": document["components"]}
        validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        assert [error.message for error in validator.iter_errors(example)] == [], at


def paths_of(route: RouteContext) -> str:
    return re.sub(r"\{\w+\}", "1", str(route.path_format))


def test_methods_and_paths_are_unique(application: FastAPI) -> None:
    claimed: dict[tuple[str, str], str] = {}
    for route in routes_of(application):
        template = re.sub(r"\{\w+(:\w+)?\}", "{}", str(route.path))
        for method in route.methods or ():
            owner = claimed.setdefault((method, template), str(route.operation_id or route.endpoint))
            assert owner == str(route.operation_id or route.endpoint), (method, template)
    assert len(claimed) == len(list(routes_of(application)))


def test_no_route_is_shadowed_by_another(application: FastAPI) -> None:
    routes = list(routes_of(application))
    for route in routes:
        for method in route.methods or ():
            scope = {"type": "http", "method": method, "path": paths_of(route), "headers": []}
            first = next(other for other in routes if other.matches(dict(scope))[0] == Match.FULL)
            assert first.path == route.path, f"{method} {route.path} is answered by {first.path}"


def test_dependencies_of_requests_are_async(application: FastAPI) -> None:
    def calls(dependant: Dependant) -> Iterator[Any]:
        for needed in dependant.dependencies:
            yield needed
            yield from calls(needed)

    slow = {
        f"{needed.call.__module__}.{needed.call.__qualname__}"
        for route in routes_of(application)
        for needed in calls(route.dependant)
        if needed.call.__module__.startswith("app.")
        and not (iscoroutinefunction(needed.call) or isasyncgenfunction(needed.call))
    }
    assert slow == set()


async def test_building_the_document_does_not_block_others(document: Json) -> None:
    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await client.get("/openapi.json"))

    transport = httpx.ASGITransport(app=create_app(Settings(_env_file=None)))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        asked = [asyncio.create_task(ask()) for _ in range(3)]
        meanwhile = 0
        while not answers:
            meanwhile += (await client.get("/docs/start.js")).status_code == 200
            await asyncio.sleep(0)
        await asyncio.gather(*asked)
    assert meanwhile > 5
    assert [answer.json() for answer in answers] == [document] * 3


async def test_the_docs_page_loads_no_foreign_files(reader: httpx.AsyncClient) -> None:
    page = await reader.get("/docs")
    assert page.status_code == 200
    assert "unsafe-inline" not in page.headers["content-security-policy"].split("style-src")[0]
    assert "https:" not in page.headers["content-security-policy"]
    linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(linked) == 4
    for link in linked:
        assert link.startswith("/docs/")
        assert (await reader.get(link)).status_code == 200, link
    start = await reader.get("/docs/start.js")
    assert start.headers["content-type"].startswith("text/javascript")
    document = re.findall(r'url: "([^"]+)"', start.text)[0]
    assert (await reader.get(document)).json()["openapi"]
    assert (await reader.get("/docs/")).text == page.text


async def test_unknown_files_of_the_docs_are_not_found(reader: httpx.AsyncClient) -> None:
    for path in ("/docs/assets/", "/docs/assets/nothing.js", "/docs/assets/..%2f__init__.py", "/redoc"):
        answer = await reader.get(path)
        assert answer.status_code == 404, path
        assert answer.json()["code"] == "NOT_FOUND"


def test_only_posts_declare_idempotency_keys(operations: dict[str, Json]) -> None:
    keyed = {
        name
        for name, operation in operations.items()
        if any(one["name"].lower() == "idempotency-key" for one in operation.get("parameters", []))
    }
    assert "POST /users/me/list" in keyed
    assert {name for name in keyed if not name.startswith("POST ")} == set()


@pytest.mark.parametrize(
    "name", ["POST /users/me/list", "POST /favorites", "POST /watch/progress", "POST /views"]
)
def test_missing_titles_are_documented_as_404(operations: dict[str, Json], name: str) -> None:
    assert "404" in operations[name]["responses"]


@pytest.mark.parametrize(
    ("schema", "key", "some"),
    [
        ("Anime", "type", {"TV", "Movie"}),
        ("Anime", "rating", {"PG-13 - Teens 13 or older", "Rx - Hentai"}),
        ("Anime", "status", {"airing", "finished", "upcoming"}),
        ("Anime", "season", {"winter", "fall"}),
        ("AnimeInput", "type", {"TV", "Movie"}),
        ("AnimeInput", "rating", {"PG-13 - Teens 13 or older"}),
        ("Recommendation", "rating", {"Rx - Hentai"}),
        ("Entry", "status", {"watching", "plan_to_watch"}),
        ("Change", "origin", {"api", "tracker", "undo"}),
        ("HistoryLine", "origin", {"api", "import"}),
        ("HistoryLine", "action", {"added"}),
        ("Job", "kind", {"anime.sync"}),
        ("Job", "status", {"queued", "failed"}),
        ("Failure", "code", {"NOT_FOUND", "VALIDATION_ERROR"}),
        ("BatchError", "code", {"PRECONDITION_FAILED"}),
        ("FieldError", "code", {"required", "too_large", "taken"}),
    ],
)
def test_words_are_enums(document: Json, schema: str, key: str, some: set[str]) -> None:
    shape = document["components"]["schemas"][schema]["properties"][key]
    (known,) = [part["enum"] for _, part in nodes(shape) if isinstance(part, dict) and "enum" in part]
    assert some <= set(known)
    assert len(set(known)) == len(known)


def test_every_origin_of_changes_is_documented() -> None:
    texts = [path.read_text() for path in (ROOT / "app").rglob("*.py")]
    words = {
        word for text in texts for word in re.findall(r'(?:origin=|_ORIGIN = |UNDO = |MATCH = )"(\w+)"', text)
    }
    assert words == set(ORIGINS)


def test_field_errors_have_separate_descriptions_of_keys(document: Json) -> None:
    properties = document["components"]["schemas"]["FieldError"]["properties"]
    assert len({shape["description"] for shape in properties.values()}) == len(properties)
