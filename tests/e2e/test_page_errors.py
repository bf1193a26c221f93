"""The page in a real Chromium when something goes wrong: each case has a clear message, nothing is lost."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.fixtures.browser import Visit

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
Visits = Callable[..., Visit]
PASSWORD = "a long enough one"


class Device:
    """The same account on another device, by the API."""

    def __init__(self, guest: Visit, username: str) -> None:
        self._api, self._url = guest.context.request, guest.url
        who = {"username": username, "password": PASSWORD}
        token = self._api.post(f"{self._url}/auth/login", data=who).json()["access_token"]
        self._headers = {"Authorization": f"Bearer {token}"}

    def send(self, method: str, path: str, data: Any = None) -> None:
        answer = self._api.fetch(self._url + path, method=method, data=data, headers=self._headers)
        assert answer.ok, answer.text()


def open_planned(guest: Visit, name: str) -> Page:
    """Sign up, plan Cowboy Bebop and look at it."""
    page = guest.sign_up(name)
    page.get_by_role("button", name="Plan Cowboy Bebop").click()
    page.get_by_role("link", name="Cowboy Bebop", exact=True).click()
    expect(page.get_by_label("Seen so far")).to_have_value("0")
    return page


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/title/abc", "No such title"),
        ("/title/999999", "No such title"),
        ("/title/99999999999999999999", "No such title"),
        ("/my/collections/abc", "No such collection"),
        ("/my/collections/999999", "No such collection"),
        ("/shared/unknown", "This link does not work"),
        ("/people/nobody.at.all", "list"),
        ("/operator/nothing", "Operator"),
    ],
)
def test_a_link_that_leads_nowhere_says_so(visit: Visits, path: str, message: str) -> None:
    guest = visit()
    guest.refusals_expected = True
    page = guest.sign_in("boss")
    page.goto(guest.url + path)
    expect(page.get_by_role("main").get_by_role("heading", name=message).last).to_be_visible()


@pytest.mark.parametrize("path", ["/nothing", "/anime/abc", "/title/1/more"])
def test_an_unknown_address_shows_that_nothing_is_there(visit: Visits, path: str) -> None:
    guest = visit()
    guest.refusals_expected = True
    page = guest.page("/")
    answer = page.goto(guest.url + path)
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("main").get_by_text("No such page").last).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Discover").click()
    expect(page.get_by_role("link", name="Cowboy Bebop", exact=True)).to_be_visible()


def test_errors_of_fields_are_in_the_language_of_the_page(visit: Visits) -> None:
    visit().sign_up("taken.name")
    guest = visit(locale="ru-RU")
    guest.refusals_expected = True
    page = guest.page("/sign-up")

    def send(name: str, email: str, password: str) -> None:
        page.fill("[name=username]", name)
        page.fill("[name=email]", email)
        page.fill("[name=password]", password)
        page.click("form.panel [type=submit]")

    send("Taken.Name", "taken.name@example.org", PASSWORD)
    expect(page.get_by_text("Это имя занято.")).to_be_visible()
    expect(page.get_by_text("Эта почта занята.")).to_be_visible()
    send("free.name", "free.name@example.org", "password")
    expect(page.get_by_text("Такой пароль легко угадать.")).to_be_visible()
    send("free.name", "free.name@localhost", PASSWORD)
    expect(page.get_by_text("Это не адрес почты.")).to_be_visible()
    page.goto(f"{guest.url}/sign-in")
    page.fill("[name=login]", "taken.name")
    page.fill("[name=password]", "not this one")
    page.click("form.panel [type=submit]")
    expect(page.get_by_role("alert")).to_have_text("Имя или пароль неверны.")


def test_changes_of_another_device_are_merged_or_asked_about(visit: Visits) -> None:
    guest = visit()
    guest.refusals_expected = True
    page = open_planned(guest, "two.devices")
    phone = Device(guest, "two.devices")
    phone.send("PATCH", "/users/me/list/1", {"score": 9})
    page.get_by_role("button", name="One more").click()  # another field: both hold
    expect(page.get_by_label("Score of Cowboy Bebop")).to_have_value("9")
    expect(page.get_by_label("Seen so far")).to_have_value("1")
    phone.send("PATCH", "/users/me/list/1", {"progress": 12})
    page.get_by_role("button", name="One more").click()  # the same field: the phone's is shown
    expect(page.get_by_text("Cowboy Bebop was changed on another device")).to_be_visible()
    expect(page.get_by_label("Seen so far")).to_have_value("12")
    with page.expect_response(lambda answer: answer.request.method == "PATCH") as saved:
        page.get_by_role("button", name="Use mine").click()
    assert (saved.value.json()["progress"], saved.value.json()["score"]) == (2, 9)
    page.reload()
    expect(page.get_by_label("Seen so far")).to_have_value("2")


def test_a_session_that_ended_elsewhere_asks_to_sign_in_again(visit: Visits) -> None:
    guest = visit()
    guest.refusals_expected = True
    page = open_planned(guest, "thrown.out")
    other = guest.page("/library")
    expect(other.get_by_label("Seen so far")).to_have_value("0")
    Device(guest, "thrown.out").send("POST", "/auth/logout-all")
    page.get_by_role("button", name="One more").click()
    for tab in (page, other):
        expect(tab.get_by_text("Your session has ended. Sign in to go on.")).to_be_visible()
    page.locator(".toast").get_by_role("button", name="Sign in").click()
    page.fill("[name=login]", "thrown.out")
    page.fill("[name=password]", PASSWORD)
    page.click("form.panel [type=submit]")
    expect(page.get_by_role("heading", level=1)).to_have_text("Cowboy Bebop")


def test_a_token_that_expired_in_two_tabs_is_replaced_once(visit: Visits) -> None:
    guest = visit()
    guest.refusals_expected = True
    one = open_planned(guest, "sleeper")
    two = guest.page("/title/1")
    expect(two.get_by_label("Seen so far")).to_have_value("0")
    old: list[str | None] = []
    refreshes: list[str] = []
    guest.context.on(
        "request", lambda sent: refreshes.append(sent.url) if "/auth/refresh" in sent.url else None
    )

    def expire(route: Route) -> None:
        token = route.request.headers.get("authorization")
        old.append(token)
        if token != old[0]:
            route.fallback()
            return
        error = {"code": "AUTH_ERROR", "message": "The access token has expired.", "details": None}
        route.fulfill(status=401, json=error)

    guest.context.route("**/users/me/list/*", expire)
    for tab in (one, two):
        tab.evaluate("void [...document.querySelectorAll('.stepper button')].at(-1).click()")
    for tab in (one, two):
        expect(tab.get_by_label("Seen so far")).not_to_have_value("0")
    one.wait_for_timeout(1500)
    assert len(set(old)) == 2
    assert len(refreshes) == 1
    one.reload()
    expect(one.get_by_label("Seen so far")).to_have_value("1")


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (429, "RATE_LIMITED", "Too many requests; try again in 7 seconds."),
        (503, "SERVICE_UNAVAILABLE", "The server is busy or restarting."),
        (500, "INTERNAL_ERROR", "Something went wrong on the server (request r-1)."),
        (403, "PERMISSION_DENIED", "Your account may not do this."),
    ],
)
def test_a_refusal_is_explained_taken_back_and_can_be_tried_again(
    visit: Visits, status: int, code: str, message: str
) -> None:
    guest = visit()
    guest.refusals_expected = True
    page = open_planned(guest, f"refused.{status}")
    body = {"code": code, "message": "no", "details": None, "request_id": "r-1"}

    def refuse(route: Route) -> None:
        if route.request.method == "PATCH":
            route.fulfill(status=status, json=body, headers={"Retry-After": "7"})
        else:
            route.fallback()

    page.route("**/users/me/list/*", refuse)
    page.get_by_role("button", name="One more").click()
    expect(page.get_by_text(message)).to_be_visible()
    expect(page.get_by_label("Seen so far")).to_have_value("0")
    page.unroute("**/users/me/list/*", refuse)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_label("Seen so far")).to_have_value("1")


def test_a_lost_network_is_told_until_it_is_back(visit: Visits) -> None:
    guest = visit()
    guest.refusals_expected = True
    page = guest.page("/")
    banner = page.get_by_text("The server cannot be reached. What you see")
    guest.context.set_offline(True)
    expect(banner).to_be_visible()
    guest.context.set_offline(False)
    expect(banner).to_have_count(0)
