"""`doctor`: each thing that can be wrong is found, with its fix; FreeRADIUS itself is asked in tests/integration."""

import json
import os
import socket
from collections.abc import Callable, Iterator

import msgspec
import pytest

from billing.alerting.events import Event
from billing.alerting.watch import NOTE, Kept
from billing.backup.nightly import NOTE as BACKUP_NOTE
from billing.backup.nightly import Noted
from billing.cli import around, doctor
from billing.cli.exits import Exit
from billing.ports import Body
from radius.domain.identity import NasId, SubscriberId
from radius.domain.intent import IntentState
from radius.domain.nas import Family, Router
from radius.domain.subscriber import Subscriber
from radius.ports import Node
from radius.services.desk import Decided
from radius.store.desk import Desk
from tests.contract.cli.isp import ANNEX, GATE, SECRET, World
from tests.contract.values import soon
from tests.fakes.ports import free_port
from tests.fakes.router_das import FakeDas, Manners
from tests.unit.billing.values import T0

AMINA = '\n[[incidents.on_call]]\nname = "Amina"\nphone = "0700000091"\n'


def backed_up(world: World, at: int) -> None:
    """A backup of then, where the settings say."""
    settings = world.folder / "settings.toml"
    table = ["", "[backup]", f"folder = {json.dumps(str(world.folder))}", 'passphrase_ref = "env:X"', ""]
    settings.write_text(settings.read_text() + "\n".join(table))
    (made := world.folder / "box-20261125T010000Z.backup").write_bytes(b"sealed")
    os.utime(made, (at, at))
    (world.folder / BACKUP_NOTE).write_bytes(msgspec.json.encode(Noted(at, at)))


@pytest.fixture
def well(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A site at which all that can be told from here is well."""
    backed_up(world, world.clock.now)
    world.core.store.nodes.publish(Node("box", world.clock.now, 0, (GATE, ANNEX)), soon())
    for worker in ("sweep", "coa"):
        world.core.store.due_work.advance(worker, world.clock.now, soon())
    monkeypatch.setattr(around.shutil, "which", lambda _: None)
    monkeypatch.setattr(doctor, "DISK_FREE_PERCENT_MIN", 0)
    with (world.folder / "settings.toml").open("a") as file:
        file.write(AMINA)
    return world


def wrong(world: World, *words: str) -> list[tuple[str, str]]:
    rows = [row for row in world("doctor", "--json", *words).json() if row["good"] is False]
    assert all(row["fix"] for row in rows)
    return [(row["check"], row["text"]) for row in rows]


def test_all_is_well(well: World) -> None:
    ran = well("doctor")
    assert (ran.code, ran.out.startswith("All is well")) == (Exit.DONE, True), ran.out
    listed = well("doctor", "--all").out
    assert "ok" in listed.split()
    assert "no FreeRADIUS is installed on this machine" in listed


Breaks = Callable[[World], None]
FAULTS: dict[str, tuple[Breaks, str, str]] = {}


def fault(check: str, text: str) -> Callable[[Breaks], Breaks]:
    def register(function: Breaks) -> Breaks:
        FAULTS[function.__name__] = (function, check, text)
        return function

    return register


@fault("RADIUS nodes", "none lives")
def node_is_silent(world: World) -> None:
    world.core.store.nodes.publish(Node("box", world.clock.now - 3_600, 0, ()), soon())


@fault("RADIUS nodes", "north has said nothing for 1 h 00 min")
def one_node_of_two_is_silent(world: World) -> None:
    world.core.store.nodes.publish(Node("north", world.clock.now - 3_600, 0, ()), soon())


@fault("workers", "coa run stands since")
def sender_stands_still(world: World) -> None:
    world.clock.now += 600
    world.core.store.nodes.publish(Node("box", world.clock.now, 0, (GATE, ANNEX)), soon())
    world.core.store.due_work.advance("sweep", world.clock.now, soon())


@fault("backups", "none is made: no table [backup] in the settings")
def nothing_is_backed_up(world: World) -> None:
    settings = world.folder / "settings.toml"
    settings.write_text(settings.read_text().partition("[backup]")[0])


@fault("spool", "packets are parked")
def packets_are_parked(world: World) -> None:
    (world.folder / "spool").mkdir()
    (world.folder / "spool" / "parked.detail").write_text("x\n\n")


@fault("spool", "packets wait since")
def packets_wait(world: World) -> None:
    (world.folder / "spool").mkdir()
    (world.folder / "spool" / "acct-202611250930.detail").write_text("x\n\n")


@fault("callbacks", "stored and not settled")
def callbacks_wait(world: World) -> None:
    body = Body("b1", "", world.clock.now - 3_600, "{}", due_at=world.clock.now - 3_600)
    world.billing_store.ports.keep(body, soon())


@fault("payments", "nobody asked about some")
def payments_wait(world: World) -> None:
    world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")
    world.buys(world.registered("0712345678"), "daily.1", "TKP1", paid=False)
    world.clock.now += 1_000
    world.core.store.nodes.publish(Node("box", world.clock.now, 0, (GATE, ANNEX)), soon())
    for worker in ("sweep", "coa"):
        world.core.store.due_work.advance(worker, world.clock.now, soon())


@fault("routers", "9 packets of 192.0.2.7 were not heard: unknown source")
def stranger_knocks(world: World) -> None:
    world.core.store.routers.note_unknown([("192.0.2.7", 9, world.clock.now - 60, "unknown source")], soon())


@fault("routers", "lodge-01 is silenced")
def router_record_is_broken(world: World) -> None:
    (router,) = [each for each in world.core.store.routers.routers(soon()) if each.id == ANNEX]
    odd = msgspec.structs.replace(router, overrides={"coa": "sometimes"}, version=router.version + 1)
    world.core.store.routers.put_router(odd, soon())


@fault("enforcement", "1 customer(s) have sessions that nobody could end")
def session_cannot_be_ended(world: World) -> None:
    jane = world.customer("0712345678")
    world.online("0712345678")
    world.core.provision.block(jane, "chargeback", world.clock.now)

    def given_up(present: Subscriber) -> Decided[None]:
        present.intents[0].state = IntentState.ABANDONED
        return Decided(None, changed=True)

    world.core.desk.change(SubscriberId(jane), given_up, soon())


@fault("clock", "it is wrong")
def clock_is_before_what_it_cannot_be(world: World) -> None:
    setting(world, "clock_floor = 2099-01-01T00:00:00Z")


@fault("tables", "AttemptsTable: ResourceNotFoundException")
def a_table_is_missing(world: World) -> None:
    engine = world.core.store.engine
    assert isinstance(engine, Desk)
    engine._client.delete_table(TableName=engine.table("AttemptsTable"))


@fault("alarm NoSales", "no payment was credited")
def an_alarm_is_on(world: World) -> None:
    event = Event("NoSales", "no payment was credited for three hours", True, T0 - 600, T0, [""])
    (world.folder / NOTE).write_bytes(msgspec.json.encode(Kept([event])))
    os.utime(world.folder / NOTE, (T0, T0))


@fault("on call", "nobody: an incident calls no one")
def nobody_is_on_call(world: World) -> None:
    settings = world.folder / "settings.toml"
    settings.write_text(settings.read_text().replace(AMINA, ""))
    world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")


def setting(world: World, line: str) -> None:
    """One of the core's: before the tables."""
    settings = world.folder / "settings.toml"
    settings.write_text(f"{line}\n{settings.read_text()}")


def test_nobody_need_be_on_call_before_anything_is_sold(world: World) -> None:
    (row,) = [row for row in world("doctor", "--json").json() if row["check"] == "on call"]
    assert (row["good"], row["fix"]) == (None, "")


def test_a_store_that_is_far_away_is_found(well: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SLOW_MS", -1)
    (row,) = [row for row in well("doctor", "--json").json() if row["good"] is False]
    assert (row["check"], row["fix"]) == ("store", "A log-in takes two: bring the RADIUS node nearer.")


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_is_found(well: World, name: str) -> None:
    breaks, check, text = FAULTS[name]
    breaks(well)
    found = wrong(well)
    assert [each[0] for each in found] == [check], found
    assert text in found[0][1]
    ran = well("doctor")
    assert ran.code == Exit.NOT
    assert text in ran.out


def test_a_full_disk_and_an_old_freeradius_are_found(well: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_FREE_PERCENT_MIN", 101)
    program = well.folder / "freeradius"
    program.write_text("#!/bin/sh\necho 'radiusd: FreeRADIUS Version 3.2.9, for host x86_64'\n")
    program.chmod(0o755)
    monkeypatch.setattr(around.shutil, "which", lambda _: str(program))
    assert [check for check, _ in wrong(well)] == ["disk", "FreeRADIUS"]
    program.write_text("#!/bin/sh\necho 'radiusd: FreeRADIUS Version 3.2.11'\n")
    assert [check for check, _ in wrong(well)] == ["disk"]


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port on which nobody answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def test_a_freeradius_that_does_not_answer(well: World, deaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    well.core.provision.router(Router(NasId("here"), "lodge", Family.WISPR, ("127.0.0.1",)), SECRET)
    monkeypatch.setattr(around, "WAIT_S", 0.2)
    setting(well, f"radius_auth_port = {deaf}")
    assert wrong(well) == [("FreeRADIUS", f"no answer on UDP {deaf}: timed out")]


def test_every_router_is_asked_at_once(well: World) -> None:
    with FakeDas(SECRET.encode(), Manners.MIKROTIK) as das:
        for number, port in enumerate((das.port, free_port())):
            router = Router(
                NasId(f"mall-{number}"), "lodge", Family.MIKROTIK, (f"10.8.1.{number}",), coa_address="127.0.0.1",
                coa_port=port,
            )  # fmt: skip
            well.core.provision.router(router, SECRET)
        found = wrong(well, "--probe", "--site", "lodge")
    assert found == [("routers", "mall-1: no answer")]


def test_a_key_of_other_tables_is_found(well: World) -> None:
    core = well.core
    (router,) = [each for each in core.store.routers.routers(soon()) if each.id == GATE]
    other = msgspec.structs.replace(router, secret_a="AAAA" + router.secret_a[4:], version=router.version + 1)
    core.store.routers.put_router(other, soon())
    assert [check for check, _ in wrong(well)] == ["keys"]
