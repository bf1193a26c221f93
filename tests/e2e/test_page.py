"""The page in a real Chromium: user actions, also by keyboard, and failing servers."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Route, WebSocketRoute, expect

from tests.fixtures.browser import Visit
from tests.standin.anilist import AniListStandin

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
Visits = Callable[..., Visit]


def test_a_new_user_searches_adds_and_returns(visit: Visits) -> None:
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


def test_an_edit_rejected_by_the_server_is_reverted_and_can_be_retried(visit: Visits) -> None:
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
    three = guest.page("/library")  # it gets the token from the other tabs
    expect(three.get_by_label("Seen so far")).to_have_value("1")
    assert refreshes == []
    for page in (one, two, three):  # no tab has one any more
        page.evaluate("void location.reload()")
    for page in (one, two, three):
        expect(page.get_by_label("Seen so far").first).to_have_value("1", timeout=30_000)
    assert len(refreshes) <= 2
    one.get_by_role("button", name="Account of tabby").click()
    one.get_by_role("button", name="Sign out").click()
    expect(two.get_by_text("Sign in first")).to_be_visible()


def list_file(folder: Path) -> Path:
    """A MyAnimeList export with one title of the catalogue and one unknown title."""
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
    page.locator(".import").get_by_role("button", name="Undo", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Undo this import").click()
    expect(page.get_by_text("Undone: 2 entries are as they were")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("Cowboy Bebop")).to_be_visible()


def test_a_real_export_of_myanimelist_is_imported_and_taken_back(visit: Visits, shared: Path) -> None:
    export = shared / "datasets/exports/mal_xml/mal_anime_2018_109_oldheader.xml"
    rows = export.read_text("utf-8").count("<anime>")
    assert rows > 100
    page = visit().sign_up("real.mover")
    page.get_by_role("link", name="Import, export").click()
    page.set_input_files("#list-file", export)
    expect(page.get_by_role("button", name=f"New {rows}")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("What became of the file")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="My library").click()
    expect(page.get_by_role("button", name=re.compile("^All"))).to_contain_text(str(rows))
    page.get_by_role("link", name="Import, export").click()
    page.locator(".import").get_by_role("button", name="Undo", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Undo this import").click()
    expect(page.get_by_text(f"Undone: {rows} entries are as they were")).to_be_visible(timeout=30_000)


def test_titles_in_the_language_chosen_in_the_list_and_its_order(visit: Visits) -> None:
    guest = visit()
    page = guest.sign_up("polyglot")
    for card in ("Cowboy Bebop", "Sousou no Frieren"):
        page.get_by_role("button", name=f"Plan {card}").click()
    page.goto(guest.url + "/library?sort=title")
    rows = page.locator("[data-row]")
    expect(rows).to_have_text(["Cowboy Bebop", "Sousou no Frieren"])
    page.get_by_role("button", name="Account of polyglot").click()
    with page.expect_response(lambda answer: answer.request.method == "PATCH") as saved:
        page.get_by_label("Titles in").select_option("russian")
    assert saved.value.json()["title_language"] == "russian"
    expect(rows).to_have_text(["Ковбой Бибоп", "Провожающая в последний путь Фрирен"])
    page.get_by_label("Titles in").select_option("english")
    expect(rows).to_have_text(["Cowboy Bebop", "Frieren: Beyond Journey's End"])
    other = visit().sign_in("polyglot")  # another device follows the account
    expect(other.get_by_role("link", name="Frieren: Beyond Journey's End")).to_be_visible()
    other.get_by_role("link", name="Frieren: Beyond Journey's End").click()
    expect(other.get_by_role("heading", level=1)).to_have_text("Frieren: Beyond Journey's End")


def test_anilist_is_connected_synced_and_its_conflicts_are_decided(
    visit: Visits, anilist: AniListStandin
) -> None:
    anilist.add(1, mal_id=1, status="CURRENT", progress=3, score=800)
    guest = visit()
    page = guest.sign_up("two.homes")
    page.get_by_role("link", name="AniList", exact=True).click()
    page.get_by_role("button", name="Connect AniList").click()
    expect(page.get_by_text("Connected as mio.")).to_be_visible(timeout=20_000)
    sync = page.get_by_role("button", name="Sync now")
    sync.click()
    expect(page.get_by_text("The lists are in step.")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="My library").click()
    expect(page.get_by_label("Seen so far")).to_have_value("3")
    anilist.edit(1, score=600)
    page.get_by_label("Score of Cowboy Bebop").select_option("9")
    page.get_by_role("link", name="AniList", exact=True).click()
    sync.click()
    expect(page.get_by_role("heading", name="Changed on both sides")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="AniList: 6").click()
    expect(page.get_by_role("heading", name="Changed on both sides")).to_have_count(0)
    page.get_by_role("link", name="My library").click()
    expect(page.get_by_label("Score of Cowboy Bebop")).to_have_value("6")
    page.get_by_role("link", name="AniList", exact=True).click()
    page.get_by_role("button", name="Disconnect").click()
    page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
    expect(page.get_by_role("button", name="Connect AniList")).to_be_visible()


def test_the_first_start_shows_instructions(visit: Visits) -> None:
    """Empty responses are simulated, so that the catalogue of the other tests stays."""
    guest = visit()
    empty: dict[str, Any] = {"status": 200, "json": [], "headers": {"X-Total-Count": "0"}}
    guest.context.route(re.compile(r"/anime\?"), lambda route: route.fulfill(**empty))
    page = guest.page("/")
    expect(page.get_by_role("heading", name="The catalogue is empty")).to_be_visible()
    expect(page.get_by_text("anisync catalog import")).to_be_visible()
    expect(page.get_by_text("users create --admin")).to_be_visible()
    operator = guest.sign_in("boss")
    button = operator.get_by_role("button", name="Fetch the top 100 and this season")
    with operator.expect_response(lambda answer: "/anime/sync/season" in answer.url) as ordered:
        button.click()
    assert ordered.value.status == 202
    expect(operator.get_by_role("progressbar")).to_have_count(2)
    expect(button).to_be_disabled()


def test_an_operator_follows_a_job_and_tries_it_again(visit: Visits) -> None:
    guest = visit()
    page = guest.sign_in("boss")
    page.get_by_role("link", name="Operator").click()
    page.get_by_role("link", name="Syncs").click()
    page.get_by_role("textbox", name="One title").fill("5114")
    page.locator("form", has_text="One title").get_by_role("button").click()
    expect(page.locator(".job").first).to_contain_text("5114")
    page.get_by_role("link", name="Jobs").click()
    expect(page.locator(".job").first).to_be_visible()
    page.get_by_role("link", name="Accounts").click()
    expect(page.get_by_label("Role of boss")).to_be_disabled()


def test_a_collection_is_created_and_shared_by_its_link(visit: Visits) -> None:
    guest = visit()
    page = guest.sign_up("curator")
    for number, title in enumerate(("Cowboy Bebop", "Sousou no Frieren")):
        page.goto(guest.url + "/")
        page.get_by_role("link", name=title, exact=True).click()
        page.get_by_role("main").get_by_role("button", name="Collections").click()
        dialog = page.get_by_role("dialog")
        if number == 0:
            dialog.get_by_role("button", name="New collection").click()
            dialog.get_by_label("Name of the collection").fill("For a winter")
            dialog.get_by_role("button", name="Save").click()
        else:
            dialog.get_by_role("button", name="For a winter").click()
        expect(page.get_by_text(f"{title} is in For a winter")).to_be_visible()
    page.get_by_role("link", name="Collections").click()
    page.get_by_role("link", name="For a winter").click()
    titles = page.locator("article h2")
    expect(titles).to_have_text(["Cowboy Bebop", "Sousou no Frieren"])
    page.get_by_role("button", name="Move Sousou no Frieren forward").click()
    expect(titles).to_have_text(["Sousou no Frieren", "Cowboy Bebop"])
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label("Link to this collection").input_value()
    stranger = visit().page(link.removeprefix(guest.url))
    expect(stranger.get_by_role("heading", level=1)).to_have_text("For a winter")
    expect(stranger.locator("article h2")).to_have_text(["Sousou no Frieren", "Cowboy Bebop"])


def test_a_public_list_has_a_page(visit: Visits) -> None:
    guest = visit()
    page = guest.sign_up("open.book")
    page.get_by_role("button", name="Plan Cowboy Bebop").click()
    page.goto(guest.url + "/profile")
    page.get_by_label("Who sees my list").select_option("public")
    page.get_by_role("link", name="Your public page").click()
    expect(page.get_by_role("link", name="Cowboy Bebop", exact=True)).to_be_visible()
    stranger = visit().page("/people/Open.Book")
    expect(stranger.get_by_role("heading", level=1)).to_contain_text("open.book")
    expect(stranger.get_by_role("link", name="Cowboy Bebop", exact=True)).to_be_visible()


def test_discover_is_painted_within_a_second(visit: Visits) -> None:
    visit().page("/")  # the server has responded once
    page = visit().page("/")
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url) if "/anime?" in sent.url else None)
    page.reload()
    expect(page.get_by_role("link", name="Sousou no Frieren", exact=True)).to_be_visible()
    assert len(asked) == 1  # what is preloaded is what the view requests
    largest = page.evaluate(
        "new Promise(done => new PerformanceObserver(list => done(list.getEntries().at(-1).startTime))"
        ".observe({type: 'largest-contentful-paint', buffered: true}))"
    )
    assert largest < 1000


def test_it_works_without_pictures_and_without_a_socket(visit: Visits) -> None:
    guest = visit()
    guest.context.route(
        "**/*", lambda route: route.abort() if route.request.resource_type == "image" else route.fallback()
    )
    guest.context.route_web_socket("**/*", lambda socket: socket.close())
    page = guest.sign_up("austere")
    page.get_by_role("button", name="Plan Cowboy Bebop").click()
    page.get_by_role("link", name="Cowboy Bebop", exact=True).click()
    page.get_by_role("button", name="One more").click()
    expect(page.get_by_label("Seen so far")).to_have_value("1")
    assert page.locator("svg.drawn").first.is_visible()


def test_a_new_episode_of_a_followed_title_is_announced(visit: Visits) -> None:
    guest = visit()
    sockets: list[WebSocketRoute] = []
    guest.context.route_web_socket("**/api/anilibria/v2/ws", lambda socket: sockets.append(socket))
    page = guest.sign_up("follower")
    page.get_by_role("button", name="Plan Cowboy Bebop").click()
    expect(page.locator(".mark").first).to_be_visible()
    page.wait_for_timeout(300)
    for event_id, anime_id in ((5, 2), (6, 1)):
        data = {"anime_id": anime_id, "title_id": 9, "episode": 3, "title": "?"}
        sockets[0].send(json.dumps({"type": "new_episode", "event_id": event_id, "data": data}))
    toast = page.locator(".toast.live")
    expect(toast).to_have_count(1)
    toast.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cowboy Bebop")


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
