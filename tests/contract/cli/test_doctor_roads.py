"""`doctor` on what is around: M-Pesa's token and calls, certificates, FreeRADIUS's answers, hooks and clients."""

import socket
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from threading import Event, Thread
from typing import Self

import pytest
from pyrad.dictionary import Dictionary
from pyrad.packet import AccessReject, AuthPacket

from billing.cli import around, callbacks, doctor, road
from billing.cli.exits import Exit
from billing.domain.payment import PaymentEvent
from billing.domain.settle import Proof
from billing.metrics import catalogue
from billing.mpesa import client, wire
from billing.relay.fetch import RelayState
from billing.relay.road import Road
from radius.domain.identity import NasId
from radius.domain.nas import Family, Router
from radius.keeper import KeeperFiles
from radius.metrics import InProcess, serve
from tests.contract.billing.town import checkout_of
from tests.contract.cli.isp import ANNEX, GATE, SECRET, World
from tests.contract.values import soon
from tests.fakes import https
from tests.fakes.daraja import Daraja

Row = tuple[bool | None, str, str]


def rows(world: World, *checks: str) -> list[Row]:
    """Good or not, how it is, and the fix."""
    found = world("doctor", "--json").json()
    return [(row["good"], row["text"], row["fix"]) for row in found if row["check"] in checks]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what this file is about: the rest walks queues."""
    for name in ("queues", "given_up", "store", "tables"):
        monkeypatch.setattr(doctor, name, lambda _: ())
    monkeypatch.setattr(around, "WAIT_S", 0.5)


@pytest.fixture
def bank() -> Iterator[Daraja]:
    with Daraja() as double:
        yield double


Pays = Callable[[World, str], World]


@pytest.fixture
def pays(bank: Daraja) -> Iterator[Pays]:
    """Makes a site speak with M-Pesa, which was told to call an address."""
    made: list[client.Daraja] = []

    def speaks(world: World, base: str) -> World:
        made.append(
            client.Daraja(
                bank.url,
                client.Keys("key", "secret"),
                wire.Account(bank.shortcode, bank.passkey),
                wire.Addresses(base, "0123456789abcdef"),
            )
        )
        world.money = made[-1]
        return world

    yield speaks
    for each in made:
        each.close()


# -- M-Pesa -------------------------------------------------------------------------------------------------------


def test_without_an_interface_nothing_is_asked(world: World) -> None:
    assert rows(world, "M-Pesa", "callbacks", "certificate") == [
        (None, "no interface is set (MPESA_...): vouchers and cash only", "")
    ]


def test_a_token_that_is_had_and_one_that_is_refused(world: World, bank: Daraja, pays: Pays) -> None:
    site = pays(world, "http://127.0.0.1:1")
    assert site("payments", "register", yes=True).code == Exit.DONE
    assert rows(site, "M-Pesa") == [
        (True, "signs in", ""),
        (True, "calls the addresses that are set, for money paid by hand", ""),
    ]
    bank._server.shutdown()
    bank._server.server_close()
    again = pays(world, "http://127.0.0.1:2")
    refused, unregistered = rows(again, "M-Pesa")
    assert refused[0] is False
    assert refused[1].startswith("no token: ")
    assert "Consumer key and secret" in refused[2]
    assert unregistered[0] is False
    assert unregistered[2] == "wifibilling payments register"


def test_the_road_is_named_and_the_portal_is_met_on_it(
    world: World, pays: Pays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = https.certificate(tmp_path, 40)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with https.serving(pem) as base:
        found = rows(pays(world, base), "callbacks", "certificate")
    assert [row[0] for row in found] == [None, True, True, True]
    texts = sorted(row[1] for row in found)
    assert texts[0].startswith(f"come by its public address: {base} (")
    assert texts[1] == "that of localhost is good for 40 days"
    assert texts[2] == f"the portal answers at {base}, from here"
    assert texts[3].startswith("whether M-Pesa reaches us cannot be told from inside")


def test_a_certificate_that_ends_soon_or_that_nobody_trusts(
    world: World, pays: Pays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = https.certificate(tmp_path, 5)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with https.serving(pem) as base:
        assert rows(pays(world, base), "certificate") == [(False, "that of localhost is good for 5 days", "Renew it.")]
        monkeypatch.setenv("SSL_CERT_FILE", str(https.certificate(tmp_path, 6)))
        wrong = rows(world, "certificate", "callbacks")
    assert any(good is False and text.startswith("localhost cannot be met: ") for good, text, _ in wrong)
    assert any(good is False and "does not answer" in text and "certificate" in fix for good, text, fix in wrong)


def test_something_else_than_the_portal_and_nothing_at_all(world: World, pays: Pays) -> None:
    for status, kind in ((404, "application/json"), (200, "text/html")):
        with https.serving(None, status, kind) as base:
            (wrong,) = [row for row in rows(pays(world, base), "callbacks") if row[0] is False]
        assert wrong[1] == f"something else than the portal answers at {base}: {status}"
        assert "portal_bind" in wrong[2]
    (wrong,) = [row for row in rows(world, "callbacks") if row[0] is False]
    assert f"{base} does not answer" in wrong[1]


LEADS: list[tuple[str, bool, str]] = [
    ("41.90.64.1", True, "come by its public address: https://wifi.example.net (41.90.64.1)"),
    ("10.0.0.7", False, "which M-Pesa cannot reach"),
    ("", False, "wifi.example.net leads nowhere"),
]


@pytest.mark.parametrize(("address", "good", "said"), LEADS)
def test_where_the_name_leads(monkeypatch: pytest.MonkeyPatch, address: str, good: bool, said: str) -> None:
    def look_up(*_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        if not address:
            raise socket.gaierror("Name or service not known")
        return [(2, 1, 6, "", (address, 443))]

    monkeypatch.setattr(callbacks.socket, "getaddrinfo", look_up)
    found = list(callbacks._named("https://wifi.example.net", "its public address", nearby=False))
    assert [(each.good, said in each.text, bool(each.fix)) for each in found] == [(good, True, not good)]


def test_a_relay_is_named(world: World, pays: Pays, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELAY_TOKEN", "t" * 40)
    told = Road(road="relay", name="nairobi-relay", url="http://127.0.0.1:1", token_ref="env:RELAY_TOKEN")
    monkeypatch.setattr(callbacks.roads, "load", lambda _: told)
    found = rows(pays(world, "http://127.0.0.1:1"), "callbacks")
    assert any(text.startswith("come by the relay nairobi-relay: http://127.0.0.1:1") for _, text, _ in found)
    assert any(text.startswith("relay nairobi-relay at http://127.0.0.1:1: it does not answer") for _, text, _ in found)


def test_what_is_not_right_with_a_relay_is_said() -> None:
    told = Road(road="relay", name="nairobi", url="https://relay.example.net", token_ref="env:RELAY_TOKEN")

    def said(base: str, waiting: int, oldest_at: int, asked_at: int) -> list[tuple[bool | None, str]]:
        state = RelayState(waiting, oldest_at, asked_at)
        return [(each.good, each.text) for each in road._state(told, base, state, 10_000)]

    ((good, text),) = said("https://relay.example.net", 3, 9_990, 9_990)
    assert (good, "3 calls wait" in text) == (True, True)
    other, _ = said("https://wifi.example.net", 0, 0, 9_990)
    assert (other[0], "told to call https://wifi.example.net" in other[1]) == (False, True)
    ((good, text),) = said("https://relay.example.net", 3, 9_000, 9_990)
    assert (good, "3 calls wait, for up to 16 min" in text) == (False, True), text
    ((good, text),) = said("https://relay.example.net", 0, 0, 0)
    assert (good, "asked for nothing since the relay was started" in text) == (False, True)


def test_payments_that_were_found_by_asking_only_say_that_callbacks_do_not_come(world: World, pays: Pays) -> None:
    world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")
    for number in range(2):
        phone = f"071234567{number}"
        payment = world.buys(world.registered(phone), "daily.1", f"TKP000000{number}", paid=False, phone=phone)
        push = world.provider.pushes[-1]
        proof = Proof(PaymentEvent.QUERY_PAID, push.token, checkout_of(push))
        world.billing().settle.prove(payment, proof, world.clock.now + 60)
    site = pays(world, "http://127.0.0.1:1")
    (row,) = [row for row in rows(site, "callbacks") if "come: " in row[1] or "do not come" in row[1]]
    assert row == (
        False,
        "do not come: the last 2 payments were found by asking only",
        "deploy/runbooks/lost-callbacks.md",
    )
    world.buys(world.registered("0712345679"), "daily.1", "TKP0000009", phone="0712345679")
    (row,) = [row for row in rows(site, "callbacks") if "come: " in row[1] or "do not come" in row[1]]
    assert row == (True, "come: 1 of today's last 3 payments have their M-Pesa code", "")


# -- FreeRADIUS ---------------------------------------------------------------------------------------------------


@pytest.fixture
def here(world: World) -> World:
    """A router is registered on this machine, so that FreeRADIUS can be asked."""
    world.core.provision.router(Router(NasId("here"), "lodge", Family.WISPR, ("127.0.0.1",)), SECRET)
    return world


class Radius:
    """Refuses everybody, with or without words."""

    def __init__(self, words: str) -> None:
        self._words, self._over, self.asked = words, Event(), 0
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._udp.settimeout(0.05)
        self.port = int(self._udp.getsockname()[1])
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._udp.close()

    def _run(self) -> None:
        words = Dictionary(StringIO(around._WORDS))
        while not self._over.is_set():
            try:
                data, sender = self._udp.recvfrom(4096)
            except TimeoutError:
                continue
            self.asked += 1
            packet = AuthPacket(packet=data, secret=SECRET.encode(), dict=words)
            reply = packet.CreateReply()
            reply.code = AccessReject
            if self._words:
                reply["Reply-Message"] = self._words
            self._udp.sendto(reply.ReplyPacket(), sender)


def listens(world: World, port: int) -> None:
    with (world.folder / "settings.toml").open("a") as settings:
        settings.write(f"\nradius_auth_port = {port}\n")


def test_eight_log_ins_of_nobody_are_refused_with_words(here: World) -> None:
    with Radius("No such user.") as radius:
        listens(here, radius.port)
        (row,) = [row for row in rows(here, "FreeRADIUS") if "log-in of nobody" in row[1]]
    assert (row[0], radius.asked) == (True, around.AT_ONCE)


def test_a_freeradius_that_loses_what_hooks_return(here: World) -> None:
    with Radius("") as radius:
        listens(here, radius.port)
        (row,) = [row for row in rows(here, "FreeRADIUS") if row[0] is False]
    assert row[1:] == ("it answers, and what the hooks return is lost", "This version cannot be used.")


def test_a_pool_of_hooks_that_is_not_as_the_settings_say(world: World) -> None:
    assert any("the pool of hooks is not known" in text for _, text, _ in rows(world, "FreeRADIUS"))
    laid = world.folder / "radius" / "raddb" / "mods-available" / "wifibilling_pool"
    laid.parent.mkdir(parents=True)
    wanted = world.core.settings.hook_pool_instances
    for count, good in ((wanted, True), (1, False)):
        laid.write_text(
            "".join(f"python3 wb_{number} {{\n}}\n" for number in range(count)) + "python3 wb_clients {\n}\n"
        )
        (row,) = [row for row in rows(world, "FreeRADIUS") if "a pool of" in row[1]]
        assert (row[0], f"a pool of {count} hooks" in row[1], bool(row[2])) == (good, True, not good)


def test_a_table_of_routers_that_is_old_and_a_file_that_lacks_some(world: World) -> None:
    metrics = InProcess(catalogue=catalogue(), strict=True)
    endpoint = serve(metrics, "127.0.0.1", 0)
    names = ("worker_metrics_port", "coa_metrics_port", "portal_metrics_port", "billing_metrics_port")
    with (world.folder / "settings.toml").open("a") as settings:
        settings.write("\n".join(["", *(f"{name} = 0" for name in names), f"metrics_port = {endpoint.port}", ""]))
    try:
        every = world.core.store.routers.routers(soon())
        KeeperFiles(world.folder).save(every, [])
        metrics.gauge("RouterCacheAge", 5)
        assert [row[0] for row in rows(world, "dynamic clients")] == [True, True]
        KeeperFiles(world.folder).save([each for each in every if each.id == GATE], [])
        metrics.gauge("RouterCacheAge", 900)
        old, lost = rows(world, "dynamic clients")
        assert "its table of routers is 900 s old" in old[1]
        assert f"1 routers, as {ANNEX}, are not in the file" in lost[1]
        assert old[2]
        assert lost[2]
    finally:
        endpoint.close()
    assert rows(world, "dynamic clients")[-1][:2] == (None, "no RADIUS node tells its figures on this machine")
