"""The page at `/`: complete, cacheable, and never hiding API paths."""

import gzip
import re
from pathlib import Path
from typing import get_args

import httpx
import pytest
from starlette.routing import compile_path

from app.api.page import STATIC, VIEWS
from app.errors import FieldCode
from tests.fixtures.routes import ROUTES

PATHS = [re.sub(r"{\w+}", "7", view) for view in VIEWS] + [
    "/title/abc",
    "/my/collections/x",
    "/operator/nothing",
]


@pytest.mark.parametrize("path", PATHS)
async def test_every_view_answers_the_page_with_its_policy(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-cache"
    again = await client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", PATHS)
async def test_other_methods_are_refused_in_json(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, json={})
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.json()["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    "path", ["/nothing", "/title", "/title/7/x", "/library/x", "/assets", "/assets/x.js", "/assets/../app"]
)
async def test_other_paths_are_not_found_in_json(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "NOT_FOUND"


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/title/7/x", "/anime/abc", "/anime/999", "/%ff", "/users/by-name/nobody", "/assets/x"],
)
async def test_a_browser_is_shown_the_page_at_unknown_addresses(client: httpx.AsyncClient, path: str) -> None:
    shown = await client.get(path, headers={"Accept": BROWSER})
    assert (shown.status_code, shown.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert shown.content == (await client.get("/")).content
    assert "default-src 'none'; script-src 'self'" in shown.headers["Content-Security-Policy"]
    for accepted in ("*/*", "application/json", "application/json, text/html", "image/*"):
        answer = await client.get(path, headers={"Accept": accepted})
        assert answer.json()["code"] == ("VALIDATION_ERROR" if path == "/anime/abc" else "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/nothing", 404), ("GET", "/api/library/nothing", 404), ("GET", "/api/library/items/x", 401),
        ("GET", "/internal/x", 404), ("GET", "/users/me", 401), ("GET", "/anime?limit=x", 422),
    ],
)  # fmt: skip
async def test_other_failures_are_json_for_browsers_too(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path, headers={"Accept": BROWSER})
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")


def test_no_view_is_a_prefix_of_an_api_route() -> None:
    def first(path: str) -> str:
        return path.split("/")[1]

    views = {first(view) for view in VIEWS if view != "/"} | {"assets"}
    others = {first(route.path) for route in ROUTES}
    assert "anime" in others
    assert views & others == set()
    patterns = [compile_path(view)[0] for view in VIEWS]
    assert [route.path for route in ROUTES if any(one.match(route.url()) for one in patterns)] == []


async def test_files_under_the_digest_are_cacheable_for_ever(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    linked = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)
    assert len(linked) > 4
    for path in linked:
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    digest = linked[0].split("/")[2]
    assert digest.startswith("v-")
    for path in ("/assets/app.js", "/assets/v-of-another-release/app.js"):
        answer = await client.get(path)
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Content-Type"].startswith("text/javascript")


async def test_files_are_compressed_if_the_client_accepts_it(client: httpx.AsyncClient) -> None:
    whole = (STATIC / "assets/styles.css").read_bytes()
    async with client.stream("GET", "/assets/styles.css", headers={"Accept-Encoding": "gzip"}) as answer:
        packed = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == whole
    plain = await client.get("/assets/styles.css", headers={"Accept-Encoding": "identity"})
    assert plain.content == whole
    assert plain.headers["ETag"] != answer.headers["ETag"]


def modules() -> list[Path]:
    return sorted(path for path in (STATIC / "assets").rglob("*.js"))


def test_the_page_calls_no_other_host_and_evaluates_no_text() -> None:
    page = (STATIC / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=|style=|<style", page)
    for path in [*modules(), STATIC / "index.html", *(STATIC / "assets").glob("*.css")]:
        text = path.read_text()
        assert not re.search(r"\binnerHTML\b|\bouterHTML\b|insertAdjacentHTML|document\.write|\beval\(", text)
        loads = re.findall(r"""(?:import\(|from |src=|url\(|fetch\()\s*["']?(https?://[^"')]+)""", text)
        assert loads == [], path.name


def test_both_languages_have_the_same_words() -> None:
    def keys(name: str) -> list[str]:
        text = (STATIC / "assets/words" / name).read_text()
        return re.findall(r'^  "?([\w.:* -]+?)"?: ["{]', text, re.MULTILINE)

    assert len(keys("en.js")) > 100
    assert keys("en.js") == keys("ru.js")
    assert keys("en_more.js") == keys("ru_more.js")
    assert set(keys("en.js")) & set(keys("en_more.js")) == set()
    used = {word for path in modules() for word in re.findall(r'\bt\("([\w.:* -]+)"', path.read_text())}
    assert used - set(keys("en.js")) - set(keys("en_more.js")) == set()


def test_every_code_of_a_field_error_has_words() -> None:
    for name in ("en.js", "ru.js"):
        text = (STATIC / "assets/words" / name).read_text()
        missing = [code for code in get_args(FieldCode) if f'"fault.{code}": ' not in text]
        assert missing == [], name


def test_the_first_load_is_small() -> None:
    """The uncompressed scripts and styles needed by Discover, in either language."""
    assets = STATIC / "assets"
    for language in ("en", "ru"):
        wanted = {assets / "app.js", assets / "views/discover.js", assets / f"words/{language}.js"}
        wanted.add(assets / "theme.js")
        new = set(wanted)
        while new:
            found = {
                (path.parent / name).resolve()
                for path in new
                for name in re.findall(
                    r'^import .*?from "(\.[^"]+)"|^\} from "(\.[^"]+)"', path.read_text(), re.M
                )
                for name in name
                if name
            }
            new = found - wanted
            wanted |= new
        assert len(wanted) > 10
        size = sum(path.stat().st_size for path in [*wanted, *assets.glob("*.css")])
        assert size <= 150 * 1024, f"{size:,} bytes in {language}"


def test_the_client_calls_only_existing_routes() -> None:
    """The calls of the API client, with interpolated values replaced by ids."""
    call = re.compile(r"""\b(get|post|patch|remove)\(\s*[`"](/(?:[^`"$]|\$\{[^}]*\})*)[`"]""")
    methods = {"get": "GET", "post": "POST", "patch": "PATCH", "remove": "DELETE"}
    asked = {
        (methods[verb], re.sub(r"\$\{[^}]*\}", "7", path).partition("?")[0])
        for module in modules()
        for verb, path in call.findall(module.read_text())
    }
    assert len(asked) > 25
    templates = [
        (route.method, re.compile(re.sub(r"{\w+(:\w+)?}", "[^/]+", route.path) + "$")) for route in ROUTES
    ]
    unknown = [one for one in asked if not any(m == one[0] and p.match(one[1]) for m, p in templates)]
    assert unknown == []
