"""A router pastes the line and fetches the rest from the app: the double of RouterOS over real HTTP routes."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from billing.domain.ticket import LIFE_S, TABLE, System, Ticket, TicketEvent, TicketState, Wish, digest
from billing.portal.limits import LIMITS, Gate
from radius.domain.errors import Malformed
from radius.domain.identity import NasId
from radius.domain.nas import Family, PortPair, Router
from radius.store.memory import MemoryStore
from radius.store.open import memory_store
from tests.contract.values import soon
from tests.fakes.portal import PORTAL, SITE, Stand
from tests.fakes.routeros import FakeRouterOs, RouterError
from tests.unit.billing.values import T0

HUB_KEY = "h" * 42 + "A="
ROUTER_KEY = "K" * 42 + "A="
NAME = NasId("kilifi-01")
SECRET = "a-secret-of-16-or-more"
PORTS = Wish(hotspot=("ether2", "ether3"), uplink="ether1")
ACTOR = "mary"


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    monkeypatch.setenv("WIFIBILLING_HUB_ENDPOINT", "hub.example.net:51820")
    monkeypatch.setenv("WIFIBILLING_HUB_PUBLIC_KEY", HUB_KEY)
    made = Stand(tmp_path, memory_store(MemoryStore()), monkeypatch)
    made.core.provision.router(Router(NAME, SITE, Family.MIKROTIK, ("203.0.113.7",)), SECRET)
    yield made
    made.close()


def post(stand: Stand, step: str, body: str) -> httpx.Response:
    return stand.ask("POST", f"/join/{step}", content=body)


def line(stand: Stand, wish: Wish = PORTS, name: str = NAME) -> str:
    return stand.billing.joining.line(name, wish, ACTOR, stand.now).text


def token_of(text: str) -> str:
    return text.partition('http-data="')[2].partition('"')[0]


def plug(stand: Stand) -> FakeRouterOs:
    def server(url: str, body: str) -> str:
        assert url.startswith(f"{PORTAL}/")
        answer = stand.ask("POST", url.removeprefix(PORTAL), content=body)
        if answer.status_code != 200:
            raise RouterError(f"Fetch failed with status {answer.status_code}")
        return answer.text

    return FakeRouterOs(server)


def record(stand: Stand) -> Router:
    (found,) = (each for each in stand.core.store.routers.routers(soon()) if each.id == NAME)
    return found


def test_one_line_makes_a_router_ours_and_its_tunnel_speaks_for_it(stand: Stand) -> None:
    device = plug(stand)
    device.paste(line(stand))
    (radius,) = device.all("/radius")
    assert (radius["address"], radius["secret"], radius["src-address"]) == ("10.99.0.1", SECRET, "10.99.0.2")
    (tunnel,) = stand.core.store.tunnels.tunnels(soon())
    assert (tunnel.address, tunnel.router, tunnel.public_key) == ("10.99.0.2", NAME, ROUTER_KEY)
    router = record(stand)
    assert (router.addresses, router.coa_address, router.tunnel) == (("10.99.0.2",), "10.99.0.2", True)
    assert router.login_hosts == ("wifi.lan", "10.5.50.1")
    pages = {each["name"]: str(each["contents"]) for each in device.all("/file") if each["name"].endswith(".html")}
    assert "https://portal.example/w/kilifi-01" in pages["wifibilling/login.html"]


def test_until_a_router_says_that_it_is_done_its_old_address_works(stand: Stand) -> None:
    line(stand)
    assert record(stand).addresses == ("10.99.0.2", "203.0.113.7")


def test_every_step_is_told_and_no_secret_with_it(stand: Stand) -> None:
    text = line(stand)
    plug(stand).paste(text)
    told = [entry["details"] for entry in stand.lines() if entry["message"] == "Router joining"]
    assert [entry["operation"] for entry in told if entry["operation"] != "page"] == ["script", "key", "done"]
    assert {entry["nas"] for entry in told} == {NAME}
    log = stand.log_path.read_text()
    assert SECRET not in log
    assert token_of(text) not in log
    kept = stand.billing.book.stores.customers.thing(Ticket, digest(token_of(text)), soon())
    assert kept is not None
    assert (kept.thing.actor, kept.thing.state) == (ACTOR, TicketState.DONE)


def test_the_script_is_handed_out_once(stand: Stand) -> None:
    token = token_of(line(stand))
    assert post(stand, "script", token).status_code == 200
    assert post(stand, "script", token).status_code == 404


def test_a_preview_that_asks_for_the_address_finds_nothing_and_uses_nothing_up(stand: Stand) -> None:
    token = token_of(line(stand))
    assert stand.ask("GET", "/join/script").status_code == 405
    assert post(stand, "script", token).status_code == 200


def test_a_line_ends_by_itself(stand: Stand) -> None:
    token = token_of(line(stand))
    stand.now += LIFE_S
    assert post(stand, "script", token).status_code == 404


def test_once_done_nothing_more_is_answered(stand: Stand) -> None:
    text = line(stand)
    plug(stand).paste(text)
    for step, word in (("script", ""), ("key", ROUTER_KEY), ("page", "login.html"), ("done", "")):
        assert post(stand, step, f"{token_of(text)} {word}").status_code == 404


def test_pages_and_keys_come_after_the_script_only(stand: Stand) -> None:
    token = token_of(line(stand))
    for step, word in (("key", ROUTER_KEY), ("page", "login.html"), ("done", "")):
        assert post(stand, step, f"{token} {word}").status_code == 404


@pytest.mark.parametrize("token", ["", "a", "a" * 32, "\x00" * 32, "../" * 10, "é" * 32])
def test_what_is_no_token_looks_like_one_that_is_used(stand: Stand, token: str) -> None:
    used = token_of(line(stand))
    post(stand, "script", used)
    assert post(stand, "script", token).json() == post(stand, "script", used).json()


def test_whoever_keeps_trying_tokens_is_not_looked_up_any_more(stand: Stand) -> None:
    used = token_of(line(stand))
    tries = [post(stand, "script", f"{number:032d}").status_code for number in range(LIMITS[Gate.STRANGERS].burst + 1)]
    assert (tries[0], tries[-1]) == (404, 429)
    assert post(stand, "script", used).status_code == 429
    stand.monotonic += 3_600
    assert post(stand, "script", used).status_code == 200


@pytest.mark.parametrize("name", ["", "../join.rsc", "join.rsc", "login.html/..", "/etc/passwd"])
def test_only_pages_are_handed_out(stand: Stand, name: str) -> None:
    token = token_of(line(stand))
    post(stand, "script", token)
    assert post(stand, "page", f"{token} {name}").status_code == 422


def test_what_is_no_key_is_refused_and_not_kept(stand: Stand) -> None:
    token = token_of(line(stand))
    post(stand, "script", token)
    assert post(stand, "key", f"{token} nonsense").status_code == 422
    assert stand.core.store.tunnels.tunnels(soon())[0].public_key == ""


def test_a_router_that_was_switched_off_meanwhile_gets_no_secret(stand: Stand) -> None:
    token = token_of(line(stand))
    router = record(stand)
    stand.core.store.routers.put_router(
        Router(**{name: getattr(router, name) for name in router.__struct_fields__}
               | {"disabled": True, "version": router.version + 1}), soon()
    )  # fmt: skip
    assert post(stand, "script", token).status_code == 404


def test_of_two_who_use_a_line_at_once_one_gets_the_script(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    joining = stand.billing.joining
    token = token_of(line(stand))
    post_of = stand.billing.book.post
    second: list[bool] = []

    def late(posting: object) -> object:
        if not second:
            second.append(True)
            assert joining.script(token, T0).refused is None  # the other one is quicker
        return post_of(posting)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(stand.billing.book, "post", late)
    assert joining.script(token, T0).text == ""


def test_while_a_secret_rotates_the_script_brings_the_new_one_on_its_ports(stand: Stand) -> None:
    stand.core.provision.rotate_secret(record(stand), "the-new-secret-of-it")
    device = plug(stand)
    device.paste(line(stand))
    (radius,) = device.all("/radius")
    assert (radius["secret"], radius["authentication-port"]) == ("the-new-secret-of-it", "18120")
    assert record(stand).rotating_to == PortPair.B.value


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (Wish(System.ROUTEROS_6, ("ether2",), (), "ether1"), "tunnel"),
        (Wish(System.OPENWRT, ("br-lan",)), "family"),
        (Wish(hotspot=("ether2",)), "uplink"),
        (Wish(hotspot=("ether 2\n",), uplink="ether1"), "ports"),
        (Wish(tunnel=False), "radius_address"),
        (Wish(hosts=("a b",)), "login_hosts"),
    ],
)
def test_what_cannot_be_is_said_to_whoever_asks_for_the_line(stand: Stand, wish: Wish, field: str) -> None:
    with pytest.raises(Malformed) as refused:
        line(stand, wish)
    assert refused.value.field == field


def test_a_router_nobody_registered_gets_no_line(stand: Stand) -> None:
    with pytest.raises(Malformed, match="nobody is not registered"):
        line(stand, name="nobody")


def test_every_step_of_a_ticket_is_decided() -> None:
    assert set(TABLE) == {(state, event) for state in TicketState for event in TicketEvent}
    leads = {(state, event): after for (state, event), after in TABLE.items() if after is not None}
    assert leads == {
        (TicketState.OPEN, TicketEvent.SCRIPT): TicketState.FETCHED,
        (TicketState.FETCHED, TicketEvent.KEY): TicketState.FETCHED,
        (TicketState.FETCHED, TicketEvent.PAGE): TicketState.FETCHED,
        (TicketState.FETCHED, TicketEvent.DONE): TicketState.DONE,
    }


def test_without_a_portal_there_is_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(tmp_path, memory_store(MemoryStore()), monkeypatch, portal_url=None)
    try:
        stand.core.provision.router(Router(NAME, SITE, Family.MIKROTIK, ("203.0.113.7",)), SECRET)
        with pytest.raises(Malformed) as refused:
            line(stand, Wish(hotspot=("ether2",), uplink="ether1", tunnel=False))
        assert refused.value.field == "portal_url"
        with pytest.raises(Malformed) as refused:
            line(stand)
        assert refused.value.field == "hub_endpoint"
    finally:
        stand.close()
