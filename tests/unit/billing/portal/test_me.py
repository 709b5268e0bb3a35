"""Signing in by a code, what one sees then, and devices that come and go."""

import re

import httpx
import msgspec
import pytest

from billing.domain.package import Package, Trial
from billing.portal.app import create_app
from billing.services.moves import MOVES_A_WEEK
from radius.domain import subscriber as aggregate
from radius.domain.identity import MacAddress
from radius.domain.intent import IntentReason
from radius.domain.subscriber import SessionState
from tests.contract.billing.values import PACKAGE
from tests.contract.values import soon
from tests.fakes.browser import Browser
from tests.fakes.portal import DEVICE, PORTAL, ROUTER, Stand
from tests.unit.billing.portal.devices import go_online, whose
from tests.unit.billing.portal.test_pages import LOGIN, arrive, buy
from tests.unit.billing.values import T0

PHONE = "0712 345 678"
OLD, NEW = MacAddress("aabbccddeeff"), MacAddress("0a0b0c0d0e0f")
NEW_DEVICE = "0A:0B:0C:0D:0E:0F"


def code_of(stand: Stand, number: int = -1) -> str:
    return re.findall(r"\d{6}", stand.messages[number].text)[0]


def sign_in(stand: Stand, tab: Browser, phone: str = PHONE) -> str:
    tab.open(f"{PORTAL}/me")
    tab.submit("/me/code", phone=phone)
    return tab.submit("/me/enter", code=code_of(stand))


def paid(stand: Stand, device: str = DEVICE, number: int = 1, phone: str = PHONE) -> Browser:
    arrive(tab := stand.browser(), mac=device)
    buy(stand, tab, phone)
    stand.callback(number, receipt=f"TKP000000{number}")
    return tab


def test_who_proves_a_phone_sees_what_is_left(stand: Stand) -> None:
    tab = paid(stand)
    go_online(stand, OLD)
    shown = sign_in(stand, tab)
    assert "Standard Until tomorrow" in shown
    assert "…DD:EE:FF (this device) · online" in shown
    assert "KES 50 · TKP0000001" in shown
    assert re.search(r"Account number: \d{8}", shown)
    assert str(tab.page.url) == f"{PORTAL}/me"
    assert stand.messages[0].critical
    assert "712345678" not in shown


def test_a_code_is_for_one_phone_on_one_device_and_not_for_guessing(stand: Stand) -> None:
    arrive(tab := stand.browser())
    tab.open(f"{PORTAL}/me")
    tab.submit("/me/code", phone=PHONE)
    wrong = f"{(int(code_of(stand)) + 1) % 1_000_000:06}"
    assert "That code is not right" in tab.submit("/me/enter", code=wrong)
    arrive(other := stand.browser(), mac=NEW_DEVICE)
    form = next(each for each in tab.forms if each.action == "/me/enter")
    visit = other.forms[0].fields["visit"]
    answer = other.client.post(f"{PORTAL}/me/enter", data={**form.fields, "visit": visit, "code": code_of(stand)})
    assert "That code is not right" in answer.text
    assert "Sign in" in other.open(f"{PORTAL}/me")


def test_whether_a_phone_is_known_is_not_said(stand: Stand) -> None:
    arrive(tab := stand.browser())
    tab.open(f"{PORTAL}/me")
    said = tab.submit("/me/code", phone=PHONE)
    arrive(other := stand.browser(), mac=NEW_DEVICE)
    other.open(f"{PORTAL}/me")
    assert other.submit("/me/code", phone=PHONE) == said  # asked again too soon: nothing is sent, nothing else is said
    assert len(stand.messages) == 1
    assert "Too many tries" in (tab.open(f"{PORTAL}/me") and tab.submit("/me/code", phone=PHONE))
    assert "no mobile number" in (tab.open(f"{PORTAL}/me") and tab.submit("/me/code", phone="12"))


def test_without_messages_nobody_is_asked_to_sign_in(stand: Stand) -> None:
    deps = stand.deps._replace(pages=stand.deps.pages._replace(send=None))
    stand._transport = httpx.ASGITransport(create_app(deps))
    arrive(tab := stand.browser())
    assert "/me" not in tab.links
    assert "Sign-in is not set up here" in tab.open(f"{PORTAL}/me")


def test_a_seat_is_this_devices_and_ends(stand: Stand) -> None:
    tab = paid(stand)
    sign_in(stand, tab)
    arrive(tab, mac=NEW_DEVICE)
    assert "Sign in" in tab.open(f"{PORTAL}/me")
    arrive(tab)
    assert "My packages" in tab.open(f"{PORTAL}/me")
    tab.submit("/me/leave")
    assert "Sign in" in tab.open(f"{PORTAL}/me")
    stand.now += 1_000
    sign_in(stand, tab)
    stand.now += 1_801
    assert "Sign in" in tab.open(f"{PORTAL}/me")


def test_another_sites_form_moves_nothing(stand: Stand) -> None:
    tab = paid(stand)
    sign_in(stand, tab)
    form = next(each for each in tab.forms if each.action == "/me/remove")
    for seat in ("", "x", form.fields["seat"] + "0"):
        answer = tab.client.post(f"{PORTAL}/me/remove", data={**form.fields, "seat": seat})
        assert answer.status_code == 422
    assert whose(stand, OLD)


def test_a_new_phone_takes_over_what_the_old_one_had(stand: Stand) -> None:
    sign_in(stand, paid(stand))
    go_online(stand, OLD)
    arrive(new := stand.browser(), mac=NEW_DEVICE)
    stand.now += 600
    assert "Use on this device instead" in sign_in(stand, new)
    new.submit("/me/use")
    assert any(href.startswith(LOGIN) for href in new.links)
    present = whose(stand, NEW)
    assert present is not None
    assert [each.terms for each in present.rights] == ["standard.1"]
    assert [each.state for each in present.sessions] == [SessionState.CLOSED]
    assert IntentReason.REPLACED in {each.reason for each in present.intents}
    assert whose(stand, OLD) is None  # the package is for one device


def test_a_phone_that_changed_its_mac_shows_the_code_of_m_pesa(stand: Stand) -> None:
    paid(stand)
    arrive(new := stand.browser(), mac=NEW_DEVICE)
    assert "That is no M-Pesa code" in new.submit("/claim", receipt="123")
    assert "We do not know that code" in new.submit("/claim", receipt="TKP0000002")
    new.submit("/claim", receipt="tkp 000 0001")
    assert any(href.startswith(LOGIN) for href in new.links)
    assert whose(stand, NEW)


def test_a_code_whose_package_is_over_opens_nothing(stand: Stand) -> None:
    paid(stand)
    stand.now += 2 * 86_400
    arrive(new := stand.browser(), mac=NEW_DEVICE)
    assert "We do not know that code" in new.submit("/claim", receipt="TKP0000001")


def test_who_says_to_be_on_a_strangers_phone_owns_nothing_of_it(stand: Stand) -> None:
    """Anybody can send the form of a router's page with an address seen in the air: it proves no device."""
    paid(stand)
    victim = whose(stand, OLD)
    assert victim
    arrive(thief := stand.browser(), mac=DEVICE)
    shown = sign_in(stand, thief, "0722 000 001")
    assert "You have no package now" in shown
    assert "TKP0000001" not in shown
    arrive(home := stand.browser(), mac=NEW_DEVICE)
    stand.now += 1_000
    assert "You have no package now" in sign_in(stand, home, "0722 000 001")
    found = whose(stand, OLD)
    assert found
    assert found.id == victim.id


@pytest.mark.parametrize("way", ["by address", "by code"])
def test_who_took_on_a_strangers_phone_has_nothing_of_what_it_buys(stand: Stand, way: str) -> None:
    """Taken on while it had nothing: what its owner pays for then is not the taker's."""
    thief = paid(stand, NEW_DEVICE, 1, "0722 000 001")
    if way == "by address":
        sign_in(stand, thief, "0722 000 001")
        thief.submit("/me/add", mac=DEVICE)
    else:
        arrive(thief, mac=DEVICE)
        thief.submit("/claim", receipt="TKP0000001")
    taker = whose(stand, OLD)
    assert taker
    stand.now += 2 * 86_400  # what the thief had is over
    paid(stand, DEVICE, 2, PHONE)
    owner = whose(stand, OLD)
    assert owner
    assert owner.id != taker.id
    assert [each.terms for each in owner.rights] == ["standard.1"]
    stand.now += 2 * 86_400
    paid(stand, DEVICE, 3, "0733 000 001")  # a friend pays the next time: it stays the device's
    again = whose(stand, OLD)
    assert again
    assert (again.id, len(again.rights)) == (owner.id, 2)


def test_a_package_does_not_go_round(stand: Stand) -> None:
    paid(stand)
    for number in range(MOVES_A_WEEK):
        arrive(tab := stand.browser(), mac=f"0A:0B:0C:0D:0E:1{number}")
        tab.submit("/claim", receipt="TKP0000001")
        assert any(href.startswith(LOGIN) for href in tab.links)
    arrive(tab := stand.browser(), mac=NEW_DEVICE)
    assert f"You changed devices {MOVES_A_WEEK} times this week" in tab.submit("/claim", receipt="TKP0000001")


def test_a_device_on_which_another_has_something_stays_theirs(stand: Stand) -> None:
    paid(stand)
    other = paid(stand, NEW_DEVICE, 2, "0712345679")
    arrive(other, mac=NEW_DEVICE)
    other.open(f"{PORTAL}/?buy")
    assert "This device is another customer's" in other.submit("/claim", receipt="TKP0000001")


def test_a_television_is_added_by_its_address_and_removed(stand: Stand) -> None:
    tab = paid(stand)
    sign_in(stand, tab)
    assert "it is no address" in tab.submit("/me/add", mac="TV")
    assert "The device was added" in tab.submit("/me/add", mac="A4-6C-F1-22-33-44")
    assert "…22:33:44" in tab.text
    assert whose(stand, "a46cf1223344")
    form = next(each for each in tab.forms if each.fields.get("mac") == "a46cf1223344")
    tab.page = tab.client.post(f"{PORTAL}/me/remove", data=form.fields)
    assert "The device was removed" in tab.text
    assert whose(stand, "a46cf1223344") is None


def test_a_television_shows_a_code_that_a_phone_types(stand: Stand) -> None:
    tab = paid(stand)
    sign_in(stand, tab)
    arrive(screen := stand.browser(), mac="A4:6C:F1:22:33:44")
    assert "/screen" in screen.links
    shown = screen.open(f"{PORTAL}/screen")
    code = re.findall(r"\b\d{6}\b", shown)[0]
    assert code in screen.open(f"{PORTAL}/screen")  # however often it is painted
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    assert "No screen shows that code" in tab.submit("/me/add", mac=wrong)
    assert "The device was added" in tab.submit("/me/add", mac=f"{code[:3]} {code[3:]}")
    assert whose(stand, "a46cf1223344")
    screen.open(f"{PORTAL}/screen")
    assert any(href.startswith(LOGIN) for href in screen.links)
    stand.now += 1_201
    assert "No screen shows that code" in tab.submit("/me/add", mac=code)


def test_two_screens_never_show_one_code(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    screens = stand.deps.pages.screens
    monkeypatch.setattr(screens, "_number", lambda text: int(text[-1]))  # each draws 0, 1, 2, ...
    assert [screens.show(mac, T0) for mac in (OLD, NEW, OLD)] == ["000000", "000001", "000000"]
    assert (screens.find("000001", T0), screens.find("000002", T0)) == (NEW, None)


def test_a_trial_is_for_who_proved_a_phone_and_once(stand: Stand) -> None:
    terms = msgspec.structs.replace(PACKAGE.terms, id="taste.1")
    stand.core.provision.terms(terms)
    taste = Package("taste", 1, "Taste", "Onja", 0, terms, trial=Trial(30, 5))
    stand.billing.store.ports.add(taste, soon())
    arrive(tab := stand.browser())
    assert "Try for free: Taste" in tab.text  # a link: it wants a proven phone
    assert "/me/try" not in tab.page.text
    assert "Try for free: Taste" in sign_in(stand, tab)
    tab.submit("/me/try")
    assert any(href.startswith(LOGIN) for href in tab.links)
    present = whose(stand, OLD)
    assert present
    assert [each.terms for each in present.rights] == ["taste.1"]
    stand.now += 2 * 86_400
    arrive(tab)
    sign_in(stand, tab)
    assert "This is free once only" in tab.submit("/me/try")


def test_a_phone_learns_what_is_left_without_a_page(stand: Stand) -> None:
    """RFC 8908: `captive` is always there; the rest where there is a limit."""
    tab = paid(stand)
    ask = f"{PORTAL}/w/{ROUTER}/captive"
    held = tab.client.get(ask, params={"mac": DEVICE})
    assert held.headers["content-type"] == "application/captive+json"
    assert held.headers["cache-control"] == "private, no-store"
    assert held.json() == {
        "captive": True, "can-extend-session": True, "user-portal-url": f"{PORTAL}/w/{ROUTER}",
    }  # fmt: skip
    go_online(stand, OLD)
    stand.now += 3_600
    free = tab.client.get(ask, params={"mac": DEVICE}).json()
    assert (free["captive"], free["seconds-remaining"]) == (False, 86_400 - 3_600)
    assert "bytes-remaining" not in free
    assert tab.client.get(ask, params={"mac": NEW_DEVICE}).json()["captive"] is True
    assert tab.client.get(ask).json()["code"] == "invalid"
    assert tab.client.get(f"{PORTAL}/w/nowhere/captive", params={"mac": DEVICE}).json()["code"] == "no_site"


def test_what_is_removed_is_cut(stand: Stand) -> None:
    tab = paid(stand)
    go_online(stand, OLD)
    sign_in(stand, tab)
    owner = whose(stand, OLD)
    assert owner
    tab.submit("/me/remove")
    stored = stand.core.store.subscribers.read(owner.id, soon())
    assert stored
    present = aggregate.decode(stored.body)
    assert [each.state for each in present.sessions] == [SessionState.CLOSED]
    assert IntentReason.REPLACED in {each.reason for each in present.intents}
    assert stand.now >= T0


def test_messages_about_outages_are_switched_off_and_on(stand: Stand) -> None:
    tab = paid(stand)
    sign_in(stand, tab)
    tab.submit("/me/notices")
    assert "You get no more messages about outages" in tab.page.text
    assert stand.billing.desk.opt_outs.out("254712345678")
    tab.submit("/me/notices")
    assert "You get messages about outages" in tab.page.text
    assert not stand.billing.desk.opt_outs.out("254712345678")
