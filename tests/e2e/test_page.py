"""The page in a real Chromium: what people do, by keyboard too, and what a server that fails does to them."""

import asyncio
import gzip
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
from playwright.sync_api import Page, Route, expect

from tests.fixtures.browser import Visit, axe_findings
from tests.fixtures.stacks import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
Visits = Callable[..., Visit]

VIEWS = [
    "/", "/?genre=Action&status=finished", "/title/1", "/library", "/continue", "/recommended", "/statistics",
    "/history", "/import", "/profile", "/operator/jobs", "/operator/syncs", "/operator/users",
]  # fmt: skip
SIGNED_OUT = ["/", "/title/1", "/library", "/sign-in", "/sign-up", "/reset-password"]


def settle(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_function("!document.querySelector('[aria-busy=true]')")
    page.wait_for_timeout(350)  # what appears has appeared


def test_a_newcomer_finds_adds_and_keeps(visit: Visits) -> None:
    page = visit().sign_up("newcomer")
    page.keyboard.press("/")
    page.keyboard.type("кавбой бибап")
    expect(page.get_by_role("option").first).to_contain_text("Cowboy Bebop")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Cowboy Bebop")
    page.get_by_label("Status of Cowboy Bebop").select_option("watching")
    more = page.get_by_role("button", name="One more")
    for _ in range(3):
        more.click()
    expect(page.get_by_label("Seen so far")).to_have_value("3")
    with page.expect_response(lambda answer: answer.request.method == "PATCH") as saved:
        page.get_by_label("Score of Cowboy Bebop").select_option("8.5")
    assert saved.value.json()["progress"] == 3
    assert saved.value.json()["score"] == 8.5
    page.reload()
    expect(page.get_by_label("Seen so far")).to_have_value("3")
    page.get_by_role("link", name="My library").click()
    expect(page.get_by_role("link", name="Cowboy Bebop")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cowboy Bebop")


def test_the_library_by_keyboard(visit: Visits) -> None:
    guest = visit()
    page = guest.sign_up("typist")
    for card in ("Cowboy Bebop", "Sousou no Frieren"):
        page.get_by_role("button", name=f"Plan {card}").click()
    page.goto(guest.url + "/library?sort=title")
    first = page.get_by_role("link", name="Cowboy Bebop")
    expect(first).to_be_visible()
    first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Sousou no Frieren")).to_be_focused()
    with page.expect_response(lambda answer: answer.request.method == "PATCH") as saved:
        page.keyboard.press("+")
        page.keyboard.press("+")
        page.keyboard.press("-")
    assert (saved.value.json()["progress"], saved.value.json()["status"]) == (1, "watching")
    page.keyboard.press("Delete")
    expect(page.get_by_role("link", name="Sousou no Frieren")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="Sousou no Frieren")).to_be_visible()


def test_what_the_server_refuses_is_taken_back_and_can_be_tried_again(visit: Visits) -> None:
    guest = visit()
    page = guest.sign_up("unlucky")
    page.get_by_role("button", name="Plan Cowboy Bebop").click()
    page.get_by_role("link", name="Cowboy Bebop", exact=True).click()

    def refuse(route: Route) -> None:
        route.abort() if route.request.method == "PATCH" else route.fallback()

    page.route("**/users/me/list/*", refuse)
    page.get_by_role("button", name="One more").click()
    expect(page.get_by_label("Seen so far")).to_have_value("1")
    retry = page.get_by_role("button", name="Try again")
    expect(retry).to_be_visible()
    expect(page.get_by_label("Seen so far")).to_have_value("0")
    expect(page.get_by_text("The server cannot be reached. What you see")).to_be_visible()
    page.unroute("**/users/me/list/*", refuse)
    with page.expect_response(lambda answer: answer.request.method == "PATCH") as saved:
        retry.click()
    assert saved.value.json()["progress"] == 1
    expect(page.get_by_text("The server cannot be reached. What you see")).to_have_count(0)


def test_two_tabs_stay_in_step_and_refresh_once(visit: Visits) -> None:
    guest = visit()
    one = guest.sign_up("tabby")
    one.get_by_role("button", name="Plan Cowboy Bebop").click()
    one.get_by_role("link", name="Cowboy Bebop", exact=True).click()
    two = guest.page("/library")
    expect(two.get_by_label("Seen so far")).to_have_value("0")
    one.get_by_role("button", name="One more").click()
    expect(two.get_by_label("Seen so far")).to_have_value("1")
    refreshes: list[str] = []
    guest.context.on(
        "request", lambda sent: refreshes.append(sent.url) if "/auth/refresh" in sent.url else None
    )
    three = guest.page("/library")  # it is told the token by the others
    expect(three.get_by_label("Seen so far")).to_have_value("1")
    assert refreshes == []
    for page in (one, two, three):  # nobody has one any more
        page.evaluate("void location.reload()")
    for page in (one, two, three):
        expect(page.get_by_label("Seen so far").first).to_have_value("1")
    assert len(refreshes) <= 2
    one.get_by_role("button", name="Account of tabby").click()
    one.get_by_role("button", name="Sign out").click()
    expect(two.get_by_text("Sign in first")).to_be_visible()


def list_file(folder: Path) -> Path:
    """A list of MyAnimeList as it exports it: one title of the catalogue, one that nobody knows."""
    row = (
        "<anime><series_animedb_id>{}</series_animedb_id><series_title><![CDATA[{}]]></series_title>"
        "<series_episodes>{}</series_episodes><my_watched_episodes>{}</my_watched_episodes>"
        "<my_score>8</my_score><my_status>{}</my_status></anime>"
    )
    rows = row.format(1, "Cowboy Bebop", 26, 26, "Completed") + row.format(
        77777, "Nobody's", 12, 3, "Watching"
    )
    path = folder / "animelist.xml.gz"
    info = "<myinfo><user_export_type>1</user_export_type></myinfo>"
    path.write_bytes(gzip.compress(f"<?xml version='1.0'?><myanimelist>{info}{rows}</myanimelist>".encode()))
    return path


def test_an_import_shows_its_difference_and_can_be_undone(visit: Visits, tmp_path: Path) -> None:
    page = visit().sign_up("mover")
    page.get_by_role("button", name="Plan Cowboy Bebop").click()
    page.get_by_role("link", name="Import, export").click()
    page.set_input_files("#list-file", list_file(tmp_path))
    expect(page.get_by_role("button", name="New 1")).to_be_visible()
    page.get_by_role("button", name="Change 1").click()
    expect(page.locator(".report-row")).to_contain_text("Progress: 0 → 26")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("What became of the file")).to_be_visible(timeout=30_000)
    with page.expect_download() as report:
        page.get_by_role("button", name="Report as CSV").click()
    assert "Nobody's" in Path(report.value.path()).read_text("utf-8-sig")
    page.get_by_role("link", name="My library").click()
    expect(page.get_by_role("button", name=re.compile("^All"))).to_contain_text("2")
    page.get_by_role("link", name="Import, export").click()
    page.get_by_role("button", name="Undo", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Undo this import").click()
    expect(page.get_by_text("Undone: 2 entries are as they were")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("Cowboy Bebop")).to_be_visible()


def test_an_account_from_its_token_to_its_end(visit: Visits) -> None:
    page = visit().sign_up("leaver")
    page.get_by_role("button", name="Account of leaver").click()
    page.get_by_role("link", name="Profile and account").click()
    page.get_by_role("button", name="New token").click()
    page.get_by_role("dialog").get_by_label("Name").fill("my script")
    page.get_by_role("button", name="Make the token").click()
    assert len(page.locator("pre.token").inner_text()) > 20
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    expect(page.get_by_text("my script")).to_be_visible()
    page.get_by_label("Name shown").fill("Somebody")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    page.locator("form").last.get_by_label("Current password").fill("a long enough one")
    page.get_by_role("button", name="Delete the account").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the account").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "ru-RU"])
def test_nothing_stands_in_the_way_of_anybody(visit: Visits, scheme: str, locale: str) -> None:
    # What axe does to look is not what the policy lets the page do.
    stranger = visit(color_scheme=scheme, locale=locale, bypass_csp=True)
    findings = {}
    page = stranger.page("/")
    for view in SIGNED_OUT:
        page.goto(stranger.url + view)
        settle(page)
        findings[f"signed out {view}"] = axe_findings(page)
    page = stranger.sign_in("boss")
    page.goto(stranger.url + "/title/1")
    settle(page)
    if page.locator(".own select.status").input_value() == "":
        page.locator(".own select.status").select_option("watching")
        page.wait_for_selector(".own .stepper")
    for view in VIEWS:
        page.goto(stranger.url + view)
        settle(page)
        findings[view] = axe_findings(page)
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, view
    assert {view: found for view, found in findings.items() if found} == {}


@pytest.mark.parametrize(("width", "ratio"), [(360, 1), (640, 2), (1920, 1)])
def test_every_view_fits(visit: Visits, width: int, ratio: int) -> None:
    """640 px at a ratio of 2 is a window of 1280 px at 200 % zoom."""
    guest = visit(viewport={"width": width, "height": 740}, device_scale_factor=ratio)
    page = guest.sign_in("boss")
    wide = {}
    for view in VIEWS:
        page.goto(guest.url + view)
        settle(page)
        wide[view] = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert {view: by for view, by in wide.items() if by > 0} == {}


def test_a_long_list_keeps_few_rows(visit: Visits, site: Stack) -> None:
    guest = visit()
    page = guest.sign_up("collector")
    fill(site, "collector", 5000)
    page.goto(guest.url + "/library")
    expect(page.get_by_text("5,000 entries")).to_be_visible(timeout=60_000)
    for share in (0.3, 0.9, 0.5):
        page.evaluate(f"scrollTo(0, document.body.scrollHeight * {share})")
        page.wait_for_timeout(150)
        assert page.locator(".virtual > li").count() < 40
        shown = page.evaluate(
            "[...document.querySelectorAll('.virtual > li')].map(row => row.getBoundingClientRect())"
            ".filter(box => box.bottom > 200 && box.top < innerHeight).length"
        )
        assert shown >= 5
    order = page.locator(".virtual > li").evaluate_all("rows => rows.map(row => +row.ariaPosInSet)")
    assert order == sorted(order)
    page.get_by_label("Filter").fill("4321")
    expect(page.get_by_role("button", name="Own Title 4321", exact=True)).to_be_visible()


def fill(site: Stack, username: str, number: int) -> None:
    async def insert() -> None:
        connection = await asyncpg.connect(site.database_url)
        try:
            await connection.execute(
                "insert into entries (user_id, media_type, title, status, progress) "
                "select u.id, 'anime', 'Own Title ' || n, 'watching', n % 24 "
                "from users u, generate_series(1, $2::int) n where u.username = $1",
                username,
                number,
            )
        finally:
            await connection.close()

    # Playwright holds the loop of this thread.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, insert()).result()
