"""The typed client of the OpenAPI document, in a real Chromium, on `anisync up` from another origin."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.fixtures.processes import ROOT
from tests.fixtures.stacks import Stack

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(900),  # seconds; includes installing and compiling the client
]

PAGE = """<!doctype html>
<title>typed client</title>
<script type="importmap">{"imports": {"openapi-fetch": "/node_modules/openapi-fetch/dist/index.mjs"}}</script>
<script type="module">
globalThis.process = { argv: ["", "", "%s"] };
try {
  globalThis.flows = await import("/built/flows.js");
  document.title = "done";
} catch (error) {
  document.title = `failed: ${error}`;
}
</script>
"""


class Quiet(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}  # noqa: RUF012  # as the base class has it

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def client_folder(site: Stack, tmp_path: Path) -> Path:
    """The client, compiled against the document of the server."""
    if shutil.which("npm") is None:
        pytest.skip("there is no Node")
    folder = tmp_path / "client"
    shutil.copytree(ROOT / "tests" / "typed_client", folder)
    document = site.command("openapi", "--url", site.url)
    (folder / "openapi.json").write_text(document.stdout)
    for command in ("ci --no-audit --no-fund", "run types", "run compile"):
        ran = subprocess.run(
            ["npm", "--silent", *command.split()], cwd=folder, capture_output=True, text=True, check=False
        )
        if command.startswith("ci") and ran.returncode:
            pytest.skip(f"the packages of the client cannot be installed: {ran.stderr[-300:]}")
        assert ran.returncode == 0, ran.stdout + ran.stderr
    (folder / "index.html").write_text(PAGE % site.url)
    return folder


@pytest.fixture
def origin(client_folder: Path) -> Iterator[str]:
    """A server of static files for the client, on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(client_folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def many_titles(site: Stack) -> None:
    """As many titles as a grid shows."""
    dump = site.folder / "many.jsonl"
    rows = (
        {"mal_id": 70_000 + number, "title": f"Another Title {number}", "type": "TV"} for number in range(100)
    )
    dump.write_text("\n".join(map(json.dumps, rows)))
    assert "added 100, " in site.command("catalog", "import", str(dump)).stdout


@pytest.mark.usefixtures("many_titles")
def test_all_flows_run_in_a_page_of_another_origin(browser: Browser, site: Stack, origin: str) -> None:
    page = browser.new_page()
    lines: list[str] = []
    page.on("console", lambda message: lines.append(message.text))
    page.goto(f"{origin}/index.html")
    page.wait_for_function("document.title !== 'typed client'")
    assert page.title() == "done", lines
    assert "the flows ran with 100 titles" in lines
    calls: list[str] = []
    page.on("request", lambda request: calls.append(f"{request.method} {request.url.partition('?')[0]}"))
    assert page.evaluate("flows.drawGrid()") == {"titles": 100, "marked": 1}
    assert calls == [f"GET {site.url}/anime", f"GET {site.url}/users/me/marks"]
    page.close()
