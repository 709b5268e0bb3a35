"""The same in a real browser: scripts, policy, sizes, contrast. Chromium is Debian's own; it is started once.

Takes some ten seconds: a browser that lays out and paints. Screenshots are kept in the folder that pytest names.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from billing.joining.texts import page as router_page
from billing.portal.pages.visit import TRIES_MAX
from radius.domain.nas import Family
from tests.e2e.stage import Stage
from tests.fakes.daraja import Plan
from tests.fakes.nas import NoAnswer
from tests.fakes.servlet import servlet
from tests.integration.box import new_mac, new_phone, wait_until

pytestmark = pytest.mark.integration
CHROMIUM = "/usr/bin/chromium"
FIRST_VIEW_BYTES_MAX = 30_000
SMALL = {"width": 320, "height": 568}  # the smallest phone that is still sold
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
TOUCH_PX_MIN = 44

Open = Callable[..., Page]


@pytest.fixture(scope="module")  # its event loop is this thread's: other modules' tests have loops of their own
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip("needs Debian's chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Browser, stage: Stage) -> Iterator[Open]:
    """Opens tabs, each with cookies of its own; fails for whatever the policy of a page had to block."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(**options: object) -> Page:
        context = chromium.new_context(viewport=SMALL, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: complaints.append(message.text) if _blames(message) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    stage.new_device()
    yield opened
    for context in contexts:
        context.close()
    assert not complaints


def _blames(message: ConsoleMessage) -> bool:
    """Errors, but for the statuses of answers: a form may be refused, and a router has no icon."""
    return message.type == "error" and "Failed to load resource: the server responded" not in message.text


def arrive(stage: Stage, page: Page) -> None:
    page.goto(stage.hotspot.url)
    page.wait_for_url(f"{stage.url}/**")


def pay(page: Page, phone: str, package: str = "One hour") -> None:
    page.get_by_text(package, exact=True).click()
    page.locator("#phone").fill(phone)
    page.locator("form[action='/buy'] button").click()
    page.wait_for_url("**/p/*")


def look(page: Page, folder: Path, name: str) -> None:
    """Light and dark: nothing for axe to complain about, nothing wider than the screen, room for thumbs; a picture."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}})
        assert found.violations_count == 0, f"{name}, {scheme}: {found.generate_report()}"
        page.screenshot(path=folder / f"{name}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= SMALL["width"], name
    small = page.evaluate(
        """least => [...document.querySelectorAll("button, .button, summary, main input:not([type=hidden])")]
        .map(each => each.type === "radio" ? each.closest("label") : each)
        .filter(each => each.getClientRects().length && each.getBoundingClientRect().height < least)
        .map(each => each.outerHTML)""",
        TOUCH_PX_MIN,
    )
    assert not small, name


def test_paying_in_a_browser_on_the_smallest_phone(stage: Stage, tab: Open, tmp_path: Path) -> None:
    page = tab()
    weights: list[int] = []
    page.on("response", lambda answer: weights.append(_weight(answer)) if stage.url in answer.url else None)
    arrive(stage, page)
    expect(page.get_by_role("heading")).to_have_count(0)  # the legend says it
    page.wait_for_load_state("networkidle")
    assert 0 < sum(weights) < FIRST_VIEW_BYTES_MAX
    assert len(weights) == 2  # the page, which paints by itself, and the script
    look(page, tmp_path, "packages")
    page.get_by_text("I have a voucher").click()
    page.get_by_text("I paid and I am not online").click()
    look(page, tmp_path, "packages-open")
    pay(page, new_phone())
    page.get_by_text("Nothing on your phone?").click()
    look(page, tmp_path, "waiting")
    page.get_by_role("link", name="I have paid").click()
    look(page, tmp_path, "receipt")
    stage.daraja.step()
    expect(page.get_by_role("heading", name="You are online")).to_be_visible()
    assert stage.hotspot.online
    assert page.url == f"{stage.url}/online"
    look(page, tmp_path, "online")


def test_the_pages_that_lie_on_the_router(tab: Open, tmp_path: Path) -> None:
    said = {"link-login": "http://wifi.lan/login", "error": "no data left", "mac": "02:00:00:AA:BB:01"}
    page = tab()
    for name in ("login.html", "status.html", "logout.html", "error.html"):
        text = servlet(router_page(name, "https://portal.example.net", "kilimani-01"), said)
        page.set_content(text.replace("document.to.submit()", ""))
        look(page, tmp_path, name)


def _weight(answer: object) -> int:
    sizes = answer.request.sizes()  # type: ignore[attr-defined]
    return int(sizes["responseBodySize"] + sizes["responseHeadersSize"])


def test_without_scripts_buttons_do_it(stage: Stage, tab: Open, tmp_path: Path) -> None:
    page = tab(java_script_enabled=False)
    page.goto(stage.hotspot.url)
    page.get_by_role("button", name="Continue").click()
    pay(page, new_phone())
    page.get_by_role("link", name="I have paid").click()
    page.locator("#receipt").fill("TKP1A2B3C4")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("M-Pesa has not told us yet")).to_be_visible()
    stage.daraja.step()
    page.get_by_role("button", name="Go online now").click(timeout=25_000)  # the page has loaded itself anew
    expect(page.get_by_role("heading", name="You are online")).to_be_visible()
    assert stage.hotspot.online


def test_in_swahili_and_cancelled(stage: Stage, tab: Open, tmp_path: Path) -> None:
    page = tab()
    arrive(stage, page)
    page.get_by_role("button", name="Kiswahili").click()
    expect(page.get_by_text("Chagua kifurushi")).to_be_visible()
    look(page, tmp_path, "vifurushi")
    phone = new_phone()
    stage.daraja.plans[f"254{phone[1:]}"] = Plan(codes=("1032",))
    pay(page, phone, "Saa moja")
    look(page, tmp_path, "subiri")
    stage.daraja.step()
    expect(page.get_by_role("heading", name="Hujalipa")).to_be_visible()
    look(page, tmp_path, "hujalipa")
    page.get_by_role("link", name="Jaribu tena").click()
    page.get_by_text("Saa moja", exact=True).click()
    page.locator("#phone").fill("0712")
    page.locator("form[action='/buy'] button").click()
    expect(page.get_by_role("alert")).to_be_visible()


def test_my_usage_and_a_phone_that_changed_its_address(stage: Stage, tab: Open, tmp_path: Path) -> None:
    phone = new_phone()
    page = tab()
    arrive(stage, page)
    pay(page, phone)
    stage.daraja.step()
    expect(page.get_by_role("heading", name="You are online")).to_be_visible()
    page.get_by_role("link", name="My usage").click()
    look(page, tmp_path, "sign-in")
    page.locator("#phone").fill(phone)
    page.get_by_role("button", name="Send the code").click()
    page.locator("#code").wait_for()
    wait_until(stage.outbox.exists, "a message is sent")
    page.locator("#code").fill(json.loads(stage.outbox.read_text().splitlines()[-1])["text"][:6])
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="My usage")).to_be_visible()
    page.get_by_text("Add a TV or another device").click()
    look(page, tmp_path, "usage")
    stage.new_device()
    new = tab()
    arrive(stage, new)
    new.get_by_text("I paid and I am not online").click()
    new.locator("#receipt").fill(next(each.receipt for each in stage.daraja.money.values() if phone[1:] in each.phone))
    new.get_by_role("button", name="Use it on this phone").click()
    expect(new.get_by_role("heading", name="You are online")).to_be_visible()
    assert stage.hotspot.online


def test_a_voucher_and_coming_back_with_it(stage: Stage, tab: Open) -> None:
    code = stage.voucher()
    page = tab()
    arrive(stage, page)
    page.get_by_text("I have a voucher").click()
    page.locator("#code").fill(f"{code[:4]} {code[4:8]} {code[8:]}")
    page.get_by_role("button", name="Use the voucher").click()
    expect(page.get_by_role("heading", name="You are online")).to_be_visible()
    assert stage.hotspot.online
    page.context.close()
    stage.hotspot.router.stop(stage.hotspot.mac)
    again = tab()
    again.goto(stage.hotspot.url)  # nothing is pressed: its router's page, ours, and back
    expect(again.get_by_role("heading", name="You are online")).to_be_visible()
    assert stage.hotspot.online


def test_a_voucher_that_is_scanned_needs_no_typing_and_enters_no_address(
    stage: Stage, tab: Open, tmp_path: Path
) -> None:
    code = stage.voucher()
    page = tab()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{stage.url}/v#{code}")
    expect(page.get_by_text(f"{code[:4]} {code[4:8]} {code[8:]}")).to_be_visible()
    assert page.url == f"{stage.url}/v"
    look(page, tmp_path, "scanned")
    arrive(stage, page)
    page.get_by_role("button", name="Use the voucher").click()
    expect(page.get_by_role("heading", name="You are online")).to_be_visible()
    assert stage.hotspot.online
    assert not any(code in each.partition("#")[0] for each in asked)
    page.goto(f"{stage.url}/?buy")
    page.get_by_text("I have a voucher").click()
    expect(page.locator("#code")).to_have_value("")


def test_money_that_comes_late_lets_in_by_itself(stage: Stage, tab: Open) -> None:
    page = tab()
    arrive(stage, page)
    phone = new_phone()
    stage.daraja.plans[f"254{phone[1:]}"] = Plan(codes=("1037", "0"))
    pay(page, phone)
    waiting = page.url
    stage.daraja.step()
    expect(page.get_by_role("heading", name="Not paid")).to_be_visible()
    stage.daraja.step()
    end = time.monotonic() + 20
    while not stage.hotspot.online:  # until the callback is settled
        assert time.monotonic() < end
        page.goto(waiting)
        page.wait_for_load_state("networkidle")
    expect(page.get_by_role("heading", name="You are online")).to_be_visible()


def test_the_window_closes_before_the_pin(stage: Stage, tab: Open) -> None:
    page = tab()
    arrive(stage, page)
    pay(page, new_phone())
    page.context.close()
    stage.daraja.step()
    again = tab()
    end = time.monotonic() + 20
    while not stage.hotspot.online:  # until the callback is settled
        assert time.monotonic() < end
        arrive(stage, again)
        again.wait_for_load_state("networkidle")
    expect(again.get_by_role("heading", name="You are online")).to_be_visible()


def test_a_router_that_refuses_is_asked_twice_and_then_by_hand(
    stage: Stage, tab: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, **__: object) -> None:
        raise NoAnswer

    page = tab()
    arrive(stage, page)
    page.get_by_role("button", name="Kiswahili").click()
    pay(page, new_phone(), "Saa moja")
    with monkeypatch.context() as now:
        now.setattr(stage.hotspot.router, "login", silent)
        stage.daraja.step()
        expect(page.get_by_role("alert")).to_contain_text("WiFi haikukuruhusu")  # in the language that was chosen
        page.wait_for_load_state("networkidle")
        assert len(stage.hotspot.logins) == TRIES_MAX
    page.get_by_role("button", name="Ingia mtandaoni sasa").click()
    expect(page.get_by_role("heading", name="Uko mtandaoni")).to_be_visible()


def test_a_page_that_waits_for_a_controller_sends_its_form_once(stage: Stage, tab: Open) -> None:
    name, address = "cisco-2", "127.0.0.11"
    stage.box.add_router(name, address, family=Family.CISCO)
    stage.box.await_router(name, address)
    stage.await_pages(name)
    page = tab()
    posted: list[str] = []
    page.on("request", lambda asked: posted.append(asked.url) if asked.method == "POST" else None)
    page.goto(f"{stage.url}/w/{name}?client_mac={new_mac()}")
    page.get_by_text("I have a voucher").click()
    page.locator("#code").fill(stage.voucher())
    page.get_by_role("button", name="Use the voucher").click()
    page.wait_for_url("**/online")
    expect(page.get_by_role("heading", name="Connecting you")).to_be_visible()
    assert posted == [f"{stage.url}/voucher"]


def test_a_second_touch_orders_nothing_twice(stage: Stage, tab: Open) -> None:
    page = tab()
    arrive(stage, page)
    before = len(stage.daraja.pushes())
    page.get_by_text("One hour", exact=True).click()
    page.locator("#phone").fill(new_phone())
    page.locator("form[action='/buy'] button").dblclick()
    page.wait_for_url("**/p/*")
    assert len(stage.daraja.pushes()) == before + 1


def test_a_television_shows_its_code(stage: Stage, tab: Open, tmp_path: Path) -> None:
    page = tab()
    arrive(stage, page)
    page.get_by_role("link", name="This is a TV").click()
    expect(page.get_by_role("heading", name="Add this TV with a phone")).to_be_visible()
    look(page, tmp_path, "television")


def test_words_for_who_comes_from_nowhere(stage: Stage, tab: Open, tmp_path: Path) -> None:
    page = tab()
    page.goto(stage.url)
    look(page, tmp_path, "nowhere")
