"""The pages before one is online: what is shown, in which language, and what nobody can make them do."""

import inspect
import re
from pathlib import Path
from string import Formatter
from typing import Any

import httpx
import msgspec
import pytest

from billing.domain.brand import EVERYWHERE, Brand, NoticeState, SiteNotice, check_brand, luminance
from billing.domain.check_digit import DIGITS, with_check
from billing.portal.pages.status import status_page
from billing.portal.pages.texts import TEXTS, text
from billing.portal.pages.visit import SEAT_S, VISIT_S, Seat, Signer, Visit, fresh, seat
from billing.ports import Kept, Posting
from billing.provider import Refused
from radius.domain import calendar
from radius.domain.errors import Malformed, Unavailable
from radius.domain.identity import MacAddress, NasId
from radius.domain.nas import Family, Language, Router
from tests.contract.billing.values import PACKAGE
from tests.contract.values import soon
from tests.fakes.browser import Browser
from tests.fakes.portal import DEVICE, PORTAL, ROUTER, SITE, Stand
from tests.unit.billing.portal.devices import go_online
from tests.unit.billing.portal.test_buying import customer
from tests.unit.billing.portal.test_vouchers import CODE, printed
from tests.unit.billing.values import T0

LOGIN = "http://10.5.50.1/login"
ARRIVAL = {
    "mac": DEVICE,
    "ip": "10.5.50.9",
    "link-login-only": LOGIN,
    "chap-id": "\\001",
    "chap-challenge": "\\002" * 16,
}
FIRST_VIEW_BYTES_MAX = 30_000
TEXTS_FILE = Path(inspect.getfile(text))
PAGES = TEXTS_FILE.parent


def arrive(tab: Browser, router: str = ROUTER, **said: str) -> str:
    tab.page = tab.client.post(f"{PORTAL}/w/{router}", data={**ARRIVAL, **said})
    return tab.text


def buy(stand: Stand, tab: Browser, phone: str = "0712 345 678") -> str:
    return tab.submit("/buy", phone=phone, package=PACKAGE.id)


def test_the_first_page_has_all_in_one_answer(stand: Stand) -> None:
    tab = stand.browser()
    shown = arrive(tab)
    assert tab.page.status_code == 200
    assert "Standard KES 50 1 day · unlimited data" in shown
    assert len(tab.page.content) + sum(len(f"{name}: {value}") for name, value in tab.page.headers.items()) < 12_000
    (source,) = re.findall(r'src="([^"]+)"', tab.page.text)
    assert re.findall(r'<link [^>]*href="([^"]+)"', tab.page.text) == ["data:,"]
    script = tab.client.get(PORTAL + source)
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    assert len(tab.page.content) + len(script.content) < FIRST_VIEW_BYTES_MAX
    assert tab.client.get(f"{PORTAL}/static/other.js").status_code == 404


def test_a_page_lets_nothing_of_others_in(stand: Stand) -> None:
    tab = stand.browser()
    arrive(tab)
    policy = tab.page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "form-action 'self';" in policy
    assert not re.search(r"<[^>]*\s(on\w+|style)=", tab.page.text)  # no handler, no style of an element
    cookie = tab.page.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "secure", "path=/"))
    assert "samesite" not in cookie  # a router's page is another site, and how often it refused has to be known


def test_the_address_of_no_page_names_anybody(stand: Stand) -> None:
    tab = stand.browser()
    arrive(tab)
    buy(stand, tab)
    assert re.fullmatch(rf"{PORTAL}/p/[0-9a-f]{{48}}", str(tab.page.url))


def test_a_sale_ends_with_the_way_back_to_the_router(stand: Stand) -> None:
    tab = stand.browser()
    arrive(tab)
    shown = buy(stand, tab)
    assert "M-Pesa asks for your PIN to pay KES 50" in shown
    waiting = str(tab.page.url)
    stand.callback()
    shown = tab.open(waiting)
    assert "Paid. Thank you!" in shown
    (back,) = [href for href in tab.links if href.startswith(LOGIN)]  # a link: browsers warn of forms that leave HTTPS
    sent = dict(httpx.URL(back).params)
    assert sent["username"] == DEVICE
    assert re.fullmatch("[0-9a-f]{32}", sent["password"])
    assert sent["dst"] == f"{PORTAL}/online"
    assert DEVICE not in waiting


def test_the_money_of_a_page_that_died_lets_the_device_in_at_the_next(stand: Stand) -> None:
    arrive(tab := stand.browser())
    buy(stand, tab)
    stand.callback()
    arrive(again := stand.browser())
    assert any(href.startswith(LOGIN) for href in again.links)


def test_a_router_that_refuses_again_and_again_ends_the_round(stand: Stand) -> None:
    arrive(tab := stand.browser())
    buy(stand, tab)
    stand.callback()
    shown = [arrive(tab, error="invalid username or password") for _ in range(4)]
    assert ["data-go" in each or "Connecting you" in each for each in shown] == [True, True, False, False]
    assert "The WiFi did not let you in" in shown[-1]
    assert "invalid username" not in shown[-1]
    tab.submit("/connect")
    assert any(href.startswith(LOGIN) for href in tab.links)


def test_a_router_that_refuses_a_browser_without_cookies_ends_the_round_too(stand: Stand) -> None:
    arrive(tab := stand.browser())
    buy(stand, tab)
    stand.callback()
    tab.client.cookies.clear()
    shown = arrive(tab, error="RADIUS server is not responding")
    assert "The WiFi did not let you in" in shown
    tab.submit("/connect")
    assert any(href.startswith(LOGIN) for href in tab.links)


def test_a_routers_words_are_ours_or_not_shown(stand: Stand) -> None:
    stand.core.provision.grant(stand.core.provision.device(DEVICE, T0), PACKAGE.id, T0 - 99 * 86_400, "old")
    tab = stand.browser()
    shown = arrive(tab, error="<b>Call 0900 now</b>")
    assert "0900" not in shown


def test_nobody_is_sent_to_what_is_not_the_routers_page(stand: Stand) -> None:
    tab = stand.browser()
    arrive(tab, **{"link-login-only": "http://evil.example/login"})
    buy(stand, tab)
    waiting = str(tab.page.url)
    stand.callback()
    shown = tab.open(waiting)
    assert "evil" not in tab.page.text
    assert "Paid. Thank you!" in shown


def test_who_comes_from_nowhere_is_told_how_to_come(stand: Stand) -> None:
    tab = stand.browser()
    assert "Connect to the WiFi first" in tab.open(PORTAL)
    assert "Ungana na WiFi kwanza" in stand.browser("sw-KE,sw;q=0.9").open(PORTAL)
    arrive(tab, router="elsewhere")
    assert tab.page.status_code == 404
    assert "This WiFi is not known here" in tab.text
    assert "open the log-in page that appears" in arrive(tab, mac="$(mac)")
    assert tab.page.status_code == 422


def test_a_visit_cannot_be_made_up(stand: Stand) -> None:
    tab = stand.browser()
    arrive(tab)
    form = next(each for each in tab.forms if each.action == "/buy")
    *text, last = form.fields["visit"]
    for visit in ("", "x.y", "".join(text) + ("0" if last != "0" else "1"), "é", "a" * 4_000):
        answer = tab.client.post(f"{PORTAL}/buy", data={**form.fields, "visit": visit, "phone": "0712345678"})
        assert "Connect to the WiFi first" in answer.text
    assert stand.provider.pushes == []


def test_a_form_of_another_site_does_nothing(stand: Stand) -> None:
    tab = stand.browser()
    arrive(tab)
    form = next(each for each in tab.forms if each.action == "/buy")
    sent = {**form.fields, "package": PACKAGE.id, "phone": "0712345678"}
    answer = tab.client.post(f"{PORTAL}/buy", data=sent, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 422
    assert stand.provider.pushes == []


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"phone": "12345"}, "That is no mobile number"),
        ({"package": ""}, "Choose one of the packages"),
        ({"package": "gone.1"}, "not sold any more"),
        ({"key": "short"}, "cannot be used"),
    ],
)
def test_what_is_wrong_is_said_beside_what_was_typed(stand: Stand, typed: dict[str, str], words: str) -> None:
    tab = stand.browser()
    arrive(tab)
    shown = tab.submit("/buy", **{"phone": "0712345678", "package": PACKAGE.id, **typed})
    assert words in shown
    assert tab.page.status_code in {404, 422}
    assert "key" in typed or typed.get("phone", "0712345678") in tab.page.text
    assert stand.provider.pushes == []


def test_a_phone_that_is_asked_already_is_not_asked_again(stand: Stand) -> None:
    for tab, device in ((stand.browser(), DEVICE), (stand.browser(), "12:22:33:44:55:66")):
        arrive(tab, mac=device)
        shown = buy(stand, tab)
    assert "That phone has an M-Pesa question open" in shown
    assert len(stand.provider.pushes) == 1


def test_when_m_pesa_fails_the_page_says_who_sells_vouchers(stand: Stand) -> None:
    put(stand, Brand(SITE, "Duka WiFi", sellers=("Mama Njeri",), till="512345"))
    stand.provider.answer = Refused("500.003.02", again=True)
    tab = stand.browser()
    for number in range(3):
        arrive(tab)
        shown = buy(stand, tab, f"071234567{number}")
        assert "M-Pesa does not answer just now" in shown
    assert "Vouchers are sold by: Mama Njeri" in shown
    assert "till 512345" in shown
    stand.monotonic += 301
    assert "Mama Njeri" not in arrive(tab)


def test_a_voucher_lets_in_and_a_wrong_one_says_so(stand: Stand) -> None:
    printed(stand)
    tab = stand.browser()
    arrive(tab)
    unknown = with_check("99999999999", DIGITS)
    assert "We do not know that code" in tab.submit("/voucher", code=unknown)
    assert "We do not know that code" in tab.submit(
        "/voucher", code="9999 9999"
    )  # of a batch of shorter codes, perhaps
    for slip in (f"{unknown[:-1]}{(int(unknown[-1]) + 1) % 10}", unknown[:-1], f"{unknown}5"):
        assert "That is no voucher code" in tab.submit("/voucher", code=slip), slip
    assert "That is no voucher code" in tab.submit("/voucher", code="§")
    tab.submit("/voucher", code=CODE)
    assert any(href.startswith(LOGIN) for href in tab.links)
    assert [right.terms for right in customer(stand).rights] == ["standard.1"]


def test_a_scanned_voucher_has_a_page_before_and_after_the_routers(stand: Stand) -> None:
    tab = stand.browser()
    assert "Join the WiFi first" in tab.open(f"{PORTAL}/v")
    arrive(tab)
    tab.open(f"{PORTAL}/v")
    assert "<details open><summary>I have a voucher" in tab.page.text
    printed(stand)
    tab.submit("/voucher", code=CODE)
    assert any(href.startswith(LOGIN) for href in tab.links)


def test_codes_are_not_tried_for_long(stand: Stand) -> None:
    tab = stand.browser()
    arrive(tab)
    answers = [tab.submit("/voucher", code=f"9999 9999 {number:04}") for number in range(12)]
    assert "Too many tries" in answers[-1]
    assert tab.page.status_code == 429


def test_another_language_changes_the_page_that_one_is_on(stand: Stand) -> None:
    arrive(tab := stand.browser())
    buy(stand, tab)
    waiting = str(tab.page.url)
    assert "Angalia simu yako" in tab.submit("/language")
    assert str(tab.page.url) == waiting
    sent = next(each for each in tab.forms if each.action == "/language").fields
    for elsewhere in ("//evil.example", "https://evil.example", "/p/../w/x", f"/p/{'0' * 48}\n", "/buy"):
        answer = tab.client.post(f"{PORTAL}/language", data={**sent, "then": elsewhere})
        assert (answer.status_code, "location" in answer.headers) == (200, False)


# -- paying by the code of M-Pesa's message ----------------------------------------------------------------------------


def test_a_typed_m_pesa_code_is_judged_and_believed_in_nothing(stand: Stand) -> None:
    arrive(tab := stand.browser())
    buy(stand, tab)
    waiting = str(tab.page.url)
    assert 'http-equiv="refresh"' in tab.page.text
    tab.open(f"{waiting}/paid")
    assert 'http-equiv="refresh"' not in tab.page.text  # it would empty the field
    assert "That is no M-Pesa code" in tab.submit("/paid", receipt="12345")
    assert "M-Pesa has not told us yet" in tab.submit("/paid", receipt="tkp 000 000 1")
    assert f'content="10;url={waiting.removeprefix(PORTAL)}"' in tab.page.text  # not what the form was sent to
    tab.open(f"{waiting}/paid")
    assert not customer(stand).rights
    arrive(other := stand.browser(), mac="12:22:33:44:55:66")
    buy(stand, other, "0712345679")
    stand.callback(2, receipt="TKP0000009")
    assert "That code paid for something else" in tab.submit("/paid", receipt="TKP0000009")
    stand.callback(1, receipt="TKP0000001")
    tab.submit("/paid", receipt="TKP0000001")
    assert "Paid. Thank you!" in tab.text
    assert len(stand.provider.pushes) == 2


# -- language, looks, notices ------------------------------------------------------------------------------------------


def test_swahili_is_one_press_away_and_stays(stand: Stand) -> None:
    tab = stand.browser()
    arrive(tab)
    shown = tab.submit("/language")
    assert 'lang="sw"' in tab.page.text
    assert "Kawaida Ksh 50 siku 1 · data bila kikomo" in shown
    assert "Angalia simu yako" in buy(stand, tab)
    assert "Lipa kwa M-Pesa" in arrive(tab)
    assert "Pay with M-Pesa" in tab.submit("/language")


def test_every_text_is_there_in_both_languages_with_the_same_blanks_and_a_note() -> None:
    for key, said in TEXTS.items():
        blanks = [sorted(name for _, name, _, _ in Formatter().parse(each) if name) for each in said[:2]]
        assert blanks[0] == blanks[1], key
        assert all(said), key
        assert said.english != said.swahili, key


def test_no_text_is_there_that_nobody_says() -> None:
    code = "\n".join(each.read_text() for each in PAGES.rglob("*") if each.suffix in {".py", ".html"})
    code = code.replace(TEXTS_FILE.read_text(), "")
    unused = {key for key in TEXTS if f'"{key}"' not in code and not key.startswith(("per_", "why_"))}
    assert unused <= {each.value for each in NoticeState}


def put(stand: Stand, *things: Any) -> None:
    kept = tuple(Kept(each) for each in things)
    stand.billing.store.ports.post(Posting(stand.billing.book.new_id(), things=kept), soon())


def test_a_site_wears_its_own_name_and_colours(stand: Stand) -> None:
    put(stand, Brand(EVERYWHERE, "All WiFi", "#ffd400", "0700 111 222"), Brand(SITE, "Duka <WiFi>", "#0b5f8a"))
    tab = stand.browser()
    assert "Duka <WiFi>" in arrive(tab)
    assert "--b:#0b5f8a;--bi:#ffffff" in tab.page.text
    assert "<WiFi>" not in tab.page.text
    elsewhere = stand.browser()
    shown = elsewhere.open(PORTAL)
    assert "All WiFi" in shown
    assert "--b:#ffd400;--bi:#000000" in elsewhere.page.text
    assert "tel:0700111222" in elsewhere.page.text


@pytest.mark.parametrize("colour", ["#000000", "#ffffff", "#777777", "#767676", "#ff0000", "#0b6e4f", "#1e90ff"])
def test_a_button_can_be_read_on_any_colour(colour: str) -> None:
    ink = Brand("x", colour=colour).ink
    light, dark = sorted((luminance(colour), luminance(ink)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": ""}, "title"), ({"title": "x" * 25}, "title"), ({"colour": "red"}, "colour"),
        ({"colour": "#0b6e4f;}body{"}, "colour"), ({"support": "call me"}, "support"), ({"till": "12"}, "till"),
        ({"sellers": ("a\nb",)}, "sellers"), ({"sellers": ("x",) * 7}, "sellers"),
    ],
)  # fmt: skip
def test_a_brand_that_pages_cannot_wear(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed) as bad:
        check_brand(msgspec.structs.replace(Brand("x"), **change))
    assert bad.value.field == field
    assert check_brand(Brand("x", support="+254 712 000 000", till="512345", sellers=("Duka",)))


PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100


def test_a_logo_is_shown_and_kept_by_browsers(stand: Stand) -> None:
    put(stand, Brand(SITE, logo=PNG))
    tab = stand.browser()
    arrive(tab)
    (source,) = re.findall(r'<img src="([^"]+)" alt=""', tab.page.text)
    picture = tab.client.get(PORTAL + source)
    assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
    assert "immutable" in picture.headers["cache-control"]
    assert tab.client.get(f"{PORTAL}/logo/{SITE}/0123456789ab").status_code == 404


@pytest.mark.parametrize("logo", [b"<svg onload=alert(1)>", b"RIFF....WAVE", PNG + b"x" * 12_000])
def test_what_is_no_small_picture_is_no_logo(logo: bytes) -> None:
    with pytest.raises(Malformed, match="logo"):
        check_brand(Brand("x", logo=logo))


def test_the_public_page_tells_what_is_so_with_both_times() -> None:
    faults = (
        SiteNotice("kilifi", NoticeState.RESOLVED, "Back.", "Imerudi.", T0 - 60, T0 + 60),
        SiteNotice(EVERYWHERE, NoticeState.IDENTIFIED, "Cut <fibre>.", "Fibre imekatika.", T0, T0 + 3_600),
        SiteNotice("lamu", NoticeState.PLANNED, "Over.", "Imeisha.", T0 - 60, T0),
    )
    page = status_page(Brand(EVERYWHERE, "Duka WiFi", support="0712 000 000"), faults, T0)
    assert page.index("Everywhere: We know the fault") < page.index("kilifi: The fault is mended")
    assert "Cut &lt;fibre&gt;." in page
    assert "Over." not in page
    local = calendar.local(T0, "Africa/Nairobi")
    assert f"{local:%d/%m %H:%M} EAT ({(local.hour - 3) % 24:02}:{local:%M} UTC)" in page
    assert "src=" not in page
    assert "Everything works" in status_page(Brand(EVERYWHERE), (), T0)


def test_what_operators_tell_is_on_every_page_until_it_is_over(stand: Stand) -> None:
    put(stand, SiteNotice(EVERYWHERE, NoticeState.PLANNED, "New mast.", "Mnara mpya.", T0 + 86_400, T0 + 90_000))
    tab = stand.browser()
    assert "Planned work tomorrow" in arrive(tab)
    assert "New mast." in tab.text
    assert "Mnara mpya." in tab.submit("/language")
    stand.now, stand.monotonic = T0 + 90_000, stand.monotonic + 60
    assert "Mnara" not in arrive(tab)


def test_planned_work_of_a_site_does_not_hide_a_fault_everywhere(stand: Stand) -> None:
    put(stand, SiteNotice(SITE, NoticeState.PLANNED, "New mast.", "Mnara mpya.", T0 + 86_400, T0 + 90_000))
    put(stand, SiteNotice(EVERYWHERE, NoticeState.INVESTIGATING, "No internet.", "Hakuna intaneti.", T0, T0 + 600))
    shown = arrive(stand.browser())
    assert "No internet." in shown
    stand.now, stand.monotonic = T0 + 600, stand.monotonic + 60
    assert "New mast." in arrive(stand.browser())


# -- faults ------------------------------------------------------------------------------------------------------------


def test_a_fault_is_a_page_that_says_what_to_do(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    tab = stand.browser()
    arrive(tab)

    def away(*_: object) -> None:
        raise Unavailable("gone")

    monkeypatch.setattr(stand.deps.customers, "known", away)
    shown = tab.open(PORTAL)
    assert tab.page.status_code == 503
    assert "you will not pay twice" in shown
    assert tab.page.headers["retry-after"]

    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(stand.deps.customers, "known", broken)
    assert "Something broke on our side" in tab.open(PORTAL)
    assert tab.page.status_code == 500


def test_what_is_not_there_is_a_page_for_people_and_a_problem_for_programs(stand: Stand) -> None:
    tab = stand.browser()
    assert "There is nothing at this address" in tab.open(f"{PORTAL}/nothing")
    assert tab.page.status_code == 404
    assert tab.client.get(f"{PORTAL}/api/v1/nothing").json()["code"] == "not_found"
    assert "There is no such payment" in tab.open(f"{PORTAL}/p/{'0' * 48}")


def test_a_routers_record_that_is_gone_or_off_ends_the_welcome(stand: Stand) -> None:
    tab = stand.browser()
    arrive(tab)
    router = next(each for each in stand.core.store.routers.routers(soon()) if each.id == ROUTER)
    off = msgspec.structs.replace(router, disabled=True, version=router.version + 1)
    stand.core.store.routers.put_router(off, soon())
    stand.monotonic += 11
    arrive(tab)
    assert tab.page.status_code == 404


# -- signatures --------------------------------------------------------------------------------------------------------


def test_what_was_signed_as_one_thing_is_no_other_and_grows_old() -> None:
    signer = Signer(b"k")
    visit = Visit(
        msgspec.convert({"router": "r", "mac": "aabbccddeeff"}, type=Visit.__annotations__["arrival"]),
        "s",
        Language.SWAHILI,
        T0,
    )
    signed = signer.sign(visit)
    assert fresh(signer, signed, T0) == visit
    assert fresh(signer, signed, T0 + VISIT_S) is None
    assert seat(signer, signed, T0) is None
    assert fresh(Signer(b"other"), signed, T0) is None
    sits = Seat("s", "d", T0)
    assert seat(signer, signer.sign(sits), T0) == sits
    assert seat(signer, signer.sign(sits), T0 + SEAT_S) is None


# -- other routers -----------------------------------------------------------------------------------------------------


def test_a_router_without_a_page_is_waited_for(stand: Stand) -> None:
    stand.core.provision.router(Router(NasId("big-1"), SITE, Family.CISCO, ("10.8.0.3",)), "a-secret-of-it-0000")
    tab = stand.browser()
    tab.open(f"{PORTAL}/w/big-1?client_mac=aabb.ccdd.eeff")
    buy(stand, tab)
    waiting = str(tab.page.url)
    stand.callback()
    assert "Paid. Thank you!" in tab.open(waiting)
    assert "data-again" in tab.page.text
    stand.now += 61
    assert "Turn WiFi off and on again" in tab.open(waiting)
    assert "data-again" not in tab.page.text


def test_a_page_that_waits_for_a_router_sends_no_form_again(stand: Stand) -> None:
    stand.core.provision.router(Router(NasId("big-1"), SITE, Family.CISCO, ("10.8.0.3",)), "a-secret-of-it-0000")
    printed(stand)
    tab = stand.browser()
    tab.open(f"{PORTAL}/w/big-1?client_mac=aabb.ccdd.eeff")
    assert "Connecting you" in tab.submit("/voucher", code=CODE)
    assert 'content="3;url=/online"' in tab.page.text
    tab.client.cookies.clear()
    assert "Connecting you" in tab.submit("/online")


def test_a_routers_own_script_learns_who_has_paid_and_did_not_come_back(stand: Stand) -> None:
    tab = stand.browser()
    arrive(tab)
    buy(stand, tab)
    ask = f"{PORTAL}/w/{ROUTER}/waiting/{stand.billing.router_key(ROUTER)}"
    assert tab.client.get(ask).text == ""
    stand.callback()
    assert tab.client.get(ask).text == f"{DEVICE}=10.5.50.9"
    for wrong in (f"{PORTAL}/w/{ROUTER}/waiting/{'0' * 32}", ask.replace(ROUTER, "lamu-1")):
        assert tab.client.get(wrong).status_code == 404
    go_online(stand, MacAddress("aabbccddeeff"))
    assert tab.client.get(ask).text == ""
    stand.now += 901
    arrive(other := stand.browser(), mac="12:22:33:44:55:66", ip="not an address")
    buy(stand, other, "0712345679")
    stand.callback(2, receipt="TKP0000002")
    assert tab.client.get(ask).text == ""
