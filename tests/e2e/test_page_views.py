"""The views of the page in a real Chromium: accessible, fitting every width, smooth with a long list."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.browser import Visit, axe_findings, settle
from tests.fixtures.stacks import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
Visits = Callable[..., Visit]

VIEWS = [
    "/", "/?genre=Action&status=finished", "/title/1", "/library", "/continue", "/recommended", "/statistics",
    "/history", "/import", "/connections", "/profile", "/my/collections", "/my/collections/1",
    "/people/boss", "/operator/jobs", "/operator/syncs", "/operator/users",
]  # fmt: skip
SIGNED_OUT = ["/", "/title/1", "/library", "/sign-in", "/sign-up", "/reset-password"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "ru-RU"])
def test_views_have_no_accessibility_violations(visit: Visits, scheme: str, locale: str) -> None:
    # axe injects code, which the page's policy forbids: hence bypass_csp.
    stranger = visit(color_scheme=scheme, locale=locale, bypass_csp=True)
    findings = {}
    page = stranger.page("/")
    for view in SIGNED_OUT:
        page.goto(stranger.url + view)
        settle(page)
        findings[f"signed out {view}"] = axe_findings(page)
    page = sign_in_with_everything(stranger)
    for view in VIEWS:
        page.goto(stranger.url + view)
        settle(page)
        findings[view] = axe_findings(page)
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, view
    assert {view: found for view, found in findings.items() if found} == {}


def sign_in_with_everything(guest: Visit) -> Page:
    """Sign in as the operator, whose views all have something to show."""
    page = guest.sign_in("boss")
    api = guest.context.request
    who = {"username": "boss", "password": "a long enough one"}
    token = api.post(f"{guest.url}/auth/login", data=who).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    for anime_id, status in ((1, "watching"), (2, "completed")):
        data = {"status": status, "score": 8}
        assert api.put(f"{guest.url}/users/me/list/{anime_id}", data=data, headers=headers).ok
    seen = {"anime_id": 1, "episode": 1, "progress_percent": 40}
    assert api.post(f"{guest.url}/watch/progress", data=seen, headers=headers).ok
    assert api.patch(f"{guest.url}/users/me", data={"list_visibility": "public"}, headers=headers).ok
    if not api.get(f"{guest.url}/collections", headers=headers).json():
        name = {"name": "Вечера, которые слишком длинны для одной строки"}
        made = api.post(f"{guest.url}/collections", data=name, headers=headers).json()
        items = f"{guest.url}/collections/{made['id']}/items"
        assert api.post(items, data={"anime_id": 1}, headers=headers).ok
    mine = api.get(f"{guest.url}/collections", headers=headers).json()[0]["id"]
    VIEWS[VIEWS.index("/my/collections") + 1] = f"/my/collections/{mine}"
    return page


@pytest.mark.parametrize(("width", "ratio"), [(360, 1), (640, 2), (1280, 1), (1920, 1)])
def test_every_view_fits(visit: Visits, width: int, ratio: int) -> None:
    """In Russian, whose words are longer; 640 px at a ratio of 2 is a window of 1280 px at 200 % zoom."""
    guest = visit(viewport={"width": width, "height": 740}, device_scale_factor=ratio, locale="ru-RU")
    page = sign_in_with_everything(guest)
    wide, clipped = {}, {}
    for view in VIEWS:
        page.goto(guest.url + view)
        settle(page)
        wide[view] = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        clipped[view] = page.evaluate(CLIPPED)
    assert {view: by for view, by in wide.items() if by > 0} == {}
    assert {view: parts for view, parts in clipped.items() if parts} == {}


# The elements that clip what they contain at the side, except for text that ends in an ellipsis.
CLIPPED = """() => [...document.querySelectorAll("main *")].filter(element => {
    const style = getComputedStyle(element);
    const clips = style.overflowX === "hidden" || style.contentVisibility === "auto";
    const shortens = style.textOverflow === "ellipsis" || element.matches(".hidden, .hidden *, svg *");
    return clips && !shortens && element.scrollWidth > element.clientWidth + 1;
}).map(element => `${element.className} ${element.textContent.slice(0, 60)}`)"""


def test_a_long_list_renders_few_rows(visit: Visits, site: Stack) -> None:
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
    assert longest_task_of_scrolling(page) < 50
    order = page.locator(".virtual > li").evaluate_all("rows => rows.map(row => +row.ariaPosInSet)")
    assert order == sorted(order)
    page.get_by_label("Filter").fill("4321")
    expect(page.get_by_role("button", name="Own Title 4321", exact=True)).to_be_visible()


def longest_task_of_scrolling(page: Page) -> float:
    """Scroll through the list by one row per frame; the longest task in milliseconds of processor time.

    Wall-clock time would include other load on the machine.
    """
    browser = page.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])
    page.evaluate(
        """async () => {
            scrollTo(0, 0);
            for (let frame = 0; frame < 120; frame++) {
                scrollBy(0, 90);
                await new Promise(requestAnimationFrame);
            }
        }"""
    )
    events = json.loads(browser.stop_tracing())["traceEvents"]
    frames = {(event["pid"], event["tid"]) for event in events if event["name"] == "FireAnimationFrame"}
    tasks = [
        event["tdur"] / 1000
        for event in events
        if event["name"].endswith("RunTask") and "tdur" in event and (event["pid"], event["tid"]) in frames
    ]
    assert len(tasks) > 120
    longest: float = max(tasks)
    return longest


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

    # Playwright uses the event loop of this thread.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, insert()).result()
