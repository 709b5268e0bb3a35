"""What RouterOS makes of the pages (its servlet's variables and conditions), read as the portal will read it."""

import json
import re
from html.parser import HTMLParser

import pytest

from billing.joining.texts import FOLDER, PAGES, garden, page
from billing.portal.handover import read
from radius.domain.identity import NasId
from radius.domain.nas import Family, Router
from tests.fakes.servlet import servlet

ROUTER = Router(NasId("kilimani-01"), "kilimani", Family.MIKROTIK, (), login_hosts=("wifi.lan",))
SAID = {
    "mac": "02:00:00:AA:BB:01",
    "ip": "10.5.50.9",
    "link-login-only": "http://wifi.lan/login",
    "link-login": "http://wifi.lan/login?dst=http%3A%2F%2Fexample.com%2F",
    "link-logout": "http://wifi.lan/logout",
    "link-redirect": "http://wifi.lan/login?dst=http%3A%2F%2Fexample.com%2F",
    "chap-id": r"\371",
    "chap-challenge": r"\357\015\330\013",
    "session-timeout-secs": "0",
}


class Form(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.action, self.fields, self.links, self.buttons = "", {}, [], 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        match tag:
            case "form":
                assert said["method"] == "post"
                self.action = said["action"]
            case "input":
                self.fields[said["name"]] = said["value"]
            case "a":
                self.links.append(said["href"])
            case "button":
                self.buttons += 1


def shown(name: str, **said: str) -> Form:
    return Form(servlet(page(name, "https://portal.example.net", "kilimani-01"), SAID | said))


def test_the_log_in_page_hands_over_what_the_portal_needs_to_log_the_device_in() -> None:
    form = shown("login.html")
    assert form.action == "https://portal.example.net/w/kilimani-01"
    assert form.buttons == 1  # for whoever has no JavaScript
    arrival = read(ROUTER, form.fields)
    assert (arrival.mac, arrival.ip, arrival.login) == ("020000aabb01", "10.5.50.9", "http://wifi.lan/login")
    assert (arrival.chap_id, arrival.challenge) == (b"\xf9", b"\xef\x0d\xd8\x0b")
    assert not arrival.online
    assert arrival.error == ""


def test_without_http_chap_there_is_no_challenge() -> None:
    arrival = read(ROUTER, shown("login.html", **{"chap-id": "", "chap-challenge": ""}).fields)
    assert (arrival.chap_id, arrival.challenge) == (b"", b"")


@pytest.mark.parametrize("name", ["login.html", "flogin.html"])
def test_a_refusal_comes_along(name: str) -> None:
    assert read(ROUTER, shown(name, error="no data left").fields).error == "no data left"


@pytest.mark.parametrize("name", ["alogin.html", "status.html"])
def test_who_is_online_is_shown_by_the_portal(name: str) -> None:
    arrival = read(ROUTER, shown(name, **{"logged-in": "yes"}).fields)
    assert arrival.online
    assert arrival.logout == "http://wifi.lan/logout"


@pytest.mark.parametrize("name", ["logout.html", "error.html"])
def test_nobody_is_left_without_a_way_on(name: str) -> None:
    assert shown(name).links == [SAID["link-login"]]


@pytest.mark.parametrize("name", ["rlogin.html", "redirect.html"])
def test_a_phone_that_looks_for_a_portal_is_redirected(name: str) -> None:
    text = page(name, "https://portal.example.net", "kilimani-01")
    assert text.startswith("$(if http-status == 302)")
    assert '$(if http-header == "Location")$(link-redirect)$(endif)' in text


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, {"captive": True}),
        ({"logged-in": "yes", "session-timeout-secs": "3475"}, {"captive": False, "seconds-remaining": 3475}),
        (
            {"logged-in": "yes", "session-timeout-secs": "60", "remain-bytes-total": "1024"},
            {"captive": False, "seconds-remaining": 60, "bytes-remaining": 1024},
        ),
    ],
)
def test_modern_phones_are_told_time_and_data_left(said: dict[str, str], told: dict[str, object]) -> None:
    text = servlet(page("api.json", "https://portal.example.net", "kilimani-01"), SAID | said)
    assert json.loads(text) == told | {
        "user-portal-url": "http://wifi.lan/login",
        "venue-info-url": "https://portal.example.net/w/kilimani-01",
        "can-extend-session": True,
    }


def test_every_page_that_is_uploaded_is_there_and_small_and_asks_nobody_else() -> None:
    there = {path.name for path in (FOLDER / "mikrotik").iterdir() if path.suffix != ".rsc"}
    assert there == set(PAGES)
    for name in PAGES:
        text = page(name, "https://portal.example.net", "kilimani-01")
        assert len(text.encode()) < 2_000
        assert "portal.invalid" not in text
        assert "ROUTER" not in text
        assert set(re.findall(r"https?://[^/\"]+", text)) <= {"https://portal.example.net"}


def test_no_host_by_which_phones_look_for_a_portal_is_in_the_walled_garden() -> None:
    probes = ("captive.apple.com", "gstatic.com", "msftconnecttest.com", "msftncsi.com", "clients3.google.com")
    assert [host for host in garden() if host.endswith(probes)] == []
