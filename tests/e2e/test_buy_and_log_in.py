"""Buy and be online, over real HTTP and real RADIUS, by a browser that runs no script but the router's.

Takes some seconds: FreeRADIUS, the portal and the engine are started once for all stories of this folder.
"""

import time

import httpx
import pytest

from billing.wiring import _router_key
from tests.e2e.stage import ROUTER, Stage
from tests.fakes.browser import Browser
from tests.fakes.daraja import Plan
from tests.fakes.nas import How
from tests.integration.box import new_phone, wait_until

pytestmark = pytest.mark.integration
WAIT_S = 20.0


def arrive(stage: Stage, browser: Browser) -> str:
    browser.open(stage.hotspot.url)
    return browser.go()


def pay(stage: Stage, browser: Browser, phone: str, package: str = "hour.1") -> str:
    return browser.submit("/buy", package=package, phone=phone)


def look_until(browser: Browser, word: str) -> str:
    """Load the page anew, as it does by itself without scripts."""
    end = time.monotonic() + WAIT_S
    while word not in browser.text:
        assert time.monotonic() < end, browser.text
        time.sleep(0.2)
        browser.open(str(browser.page.url))
    return browser.text


def test_a_customer_pays_and_is_online_without_typing_anything_else(stage: Stage, browser: Browser) -> None:
    stage.new_device()
    shown = arrive(stage, browser)
    assert "Duka WiFi" in shown
    assert "One hour KES 10 1 hour · 500 MB of data · up to 5 Mbps" in shown
    assert "Look at your phone" in pay(stage, browser, new_phone())
    stage.daraja.step()
    look_until(browser, "Paid. Thank you!")
    assert not stage.hotspot.online
    shown = browser.go()
    assert stage.hotspot.online
    assert "You are online" in shown
    assert "One hour Until today" in shown or "One hour Until tomorrow" in shown
    assert "500 MB left" in shown
    (login,) = stage.hotspot.logins
    assert login["username"] == stage.hotspot.mac
    assert len(login["password"]) == 32


def test_who_comes_back_with_something_left_is_in_without_a_page(stage: Stage, browser: Browser) -> None:
    stage.new_device()
    arrive(stage, browser)
    pay(stage, browser, new_phone())
    stage.daraja.step()
    look_until(browser, "Paid. Thank you!")
    browser.go()
    stage.hotspot.router.stop(stage.hotspot.mac)
    again = Browser()
    assert "You are online" in arrive(stage, again)
    assert stage.hotspot.online
    again.close()


def test_the_window_that_closed_before_the_pin(stage: Stage, browser: Browser) -> None:
    """The captive window is gone when the money comes: the next page view logs the device in, and asks nothing."""
    stage.new_device()
    arrive(stage, browser)
    pay(stage, browser, new_phone())
    browser.close()
    stage.daraja.step()
    again = Browser()
    end = time.monotonic() + WAIT_S
    while not stage.hotspot.online:
        assert time.monotonic() < end
        arrive(stage, again)
    assert "You are online" in again.text
    again.close()


def test_the_router_itself_fetches_who_has_paid_and_closed_the_page(stage: Stage, browser: Browser) -> None:
    mac = stage.new_device()
    arrive(stage, browser)
    pay(stage, browser, new_phone())
    browser.close()
    stage.daraja.step()
    asks = f"{stage.url}/w/{ROUTER}/waiting/{_router_key(stage.box.core)(ROUTER)}"
    wait_until(lambda: f"{mac}={stage.hotspot.ip}" in httpx.get(asks).text.split(","), "the router is told")
    assert stage.hotspot.router.login(mac, mac, mac, how=How.PAP)[0]  # /ip hotspot active login
    stage.hotspot.router.start(mac)
    assert mac not in httpx.get(asks).text


def test_a_stale_challenge_is_answered_once_more_with_the_new_one(stage: Stage, browser: Browser) -> None:
    stage.new_device()
    arrive(stage, browser)
    pay(stage, browser, new_phone())
    stage.daraja.step()
    look_until(browser, "Paid. Thank you!")
    stage.hotspot.lost = True
    assert "You are online" in browser.go()
    assert len(stage.hotspot.logins) == 2


def test_who_cancels_is_told_so_and_late_money_lets_in_all_the_same(stage: Stage, browser: Browser) -> None:
    stage.new_device()
    arrive(stage, browser)
    phone = new_phone()
    stage.daraja.plans[f"254{phone[1:]}"] = Plan(codes=("1032", "0"))
    pay(stage, browser, phone)
    waiting = str(browser.page.url)
    stage.daraja.step()
    assert "You cancelled on your phone" in look_until(browser, "Not paid")
    browser.open(f"{stage.url}{next(href for href in browser.links if href == '/')}")
    assert "Choose a package" in browser.text
    stage.daraja.step()
    browser.open(waiting)
    look_until(browser, "Paid. Thank you!")
    assert "You are online" in browser.go()


def test_the_same_form_twice_is_one_prompt(stage: Stage, browser: Browser) -> None:
    stage.new_device()
    arrive(stage, browser)
    form = next(each for each in browser.forms if each.action == "/buy")
    sent = {**form.fields, "package": "hour.1", "phone": new_phone()}
    before = len(stage.daraja.pushes())
    pages = [browser.client.post(f"{stage.url}/buy", data=sent, follow_redirects=True) for _ in range(3)]
    assert len({page.url for page in pages}) == 1
    assert len(stage.daraja.pushes()) == before + 1


def test_http_pap_works_too(stage: Stage, browser: Browser) -> None:
    stage.new_device()
    stage.hotspot.chap = False
    try:
        arrive(stage, browser)
        pay(stage, browser, new_phone())
        stage.daraja.step()
        look_until(browser, "Paid. Thank you!")
        assert "You are online" in browser.go()
    finally:
        stage.hotspot.chap = True


def test_cookies_that_are_lost_lose_no_sale(stage: Stage, browser: Browser) -> None:
    """A captive browser without cookies: forms carry what is needed, and the next log-in page does the rest."""
    stage.new_device()
    arrive(stage, browser)
    browser.client.cookies.clear()
    pay(stage, browser, new_phone())
    browser.client.cookies.clear()
    assert "Look at your phone" in browser.text
    stage.daraja.step()
    look_until(browser, "Paid. Thank you!")
    assert "Your package is ready" in browser.text
    assert "You are online" in arrive(stage, browser)
