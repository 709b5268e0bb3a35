"""`routers` and `sites` over the engine: what they change, what they say, and what they refuse."""

import os
import subprocess
import sys

import pytest

from billing.cli.exits import Exit
from radius.domain.nas import PortPair
from radius.ports import Node
from tests.contract.cli.isp import ANNEX, GATE, SECRET, World
from tests.contract.values import soon
from tests.fakes.router_das import FakeDas, Manners, Refuse

LIST = """\
ROUTER       SITE      FAMILY    ADDRESSES  CAN BE TOLD  STATE
kilimani-01  kilimani  mikrotik  10.8.0.2   change       on
lodge-01     lodge     coova     10.8.0.3   none         on
"""
SITES = """\
SITE      TIME ZONE       LANGUAGE  ROUTERS
kilimani  Africa/Nairobi  en              1
lodge     Africa/Nairobi  sw              1
"""


def lines(text: str) -> list[str]:
    """A table without the blanks at its edges."""
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_the_list(world: World) -> None:
    assert world("routers", "list").out == LIST
    assert lines(world("sites", "list").out) == lines(SITES)


def test_the_list_for_scripts_of_one_site(world: World) -> None:
    assert world("routers", "list", "--site", "lodge", "--json").json() == [
        {
            "router": "lodge-01", "site": "lodge", "family": "coova", "addresses": ["10.8.0.3"], "coa": "none",
            "state": "on",
        }
    ]  # fmt: skip


def test_one_that_was_added_is_there_with_its_secret(world: World) -> None:
    added = world(
        "routers", "add", "gate-2", "--family", "mikrotik", "--address", "10.8.0.9", "--site", "lodge", "--json"
    )
    assert added.code == Exit.DONE
    world.core.directory.refresh(world.clock.now, soon())
    client = world.core.directory.client("10.8.0.9", PortPair.A)
    assert client is not None
    assert (client.router.id, client.secret) == ("gate-2", added.json()["secret"])
    assert client.router.coa_port == 3799
    assert world.deeds() == [("mary", "routers add", "gate-2", "done")]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("add", "g", "--family", "coova", "--address", "10.8.0.9"), Exit.USAGE, "--site SITE"),
        (("add", "g", "--family", "coova", "--address", "10.8.0.2", "--site", "lodge"), Exit.USAGE, "kilimani-01's"),
        (("add", "g", "--family", "coova", "--address", "10.8.0.9", "--site", "x"), Exit.USAGE, "add the site first"),
        (("add", "g", "--family", "zyxel", "--address", "10.8.0.9", "--site", "lodge"), Exit.USAGE, "mikrotik"),
        (
            ("add", "g", "--family", "coova", "--address", "10.8.0.9", "--site", "lodge", "--override", "coa"),
            Exit.USAGE,
            "rate=false",
        ),
        (("show", "gate-9"), Exit.NOBODY, "registered are: kilimani-01, lodge-01"),
        (("rotate-secret", "gate-9"), Exit.NOBODY, "not registered"),
        (("rotate-secret", "kilimani-01", "--secret-file", "/nowhere"), Exit.USAGE, "cannot be read"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(town: World, words: tuple[str, ...], code: Exit, said: str) -> None:
    ran = town("routers", *words)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert [router.version for router in town.core.store.routers.routers(soon())] == [1, 1]
    assert {outcome for *_, outcome in town.deeds()} <= {"refused: a value that cannot be"}


def test_a_new_secret_waits_on_the_other_ports(world: World) -> None:
    given = world.folder / "new.secret"
    given.write_text("another-shared-secret\n")
    ran = world("routers", "rotate-secret", "kilimani-01", "--secret-file", str(given), "--reason", "stolen laptop")
    assert "pair B" in ran.out
    assert "another" not in ran.out  # whoever brought it knows it
    world.core.directory.refresh(world.clock.now, soon())
    secrets = [world.core.directory.client("10.8.0.2", pair) for pair in PortPair]
    assert [client and client.secret for client in secrets] == [SECRET, "another-shared-secret"]
    assert "new secret waits on pair B" in world("routers", "list").out
    assert world.core.store.deeds.on("2026-11-25", 0, soon())[0].reason == "stolen laptop"


def test_one_router_with_all_that_is_known(world: World) -> None:
    world.customer("0712345678")
    world.online("0712345678")
    world.core.store.routers.boot(GATE, world.clock.now - 700, soon())
    shown = world("routers", "show", "kilimani-01", "--json").json()
    assert (shown["live_sessions"], shown["boot_at"]) == (1, world.clock.now - 700)
    assert "10.8.0.2, port 3799" in shown["road"]
    assert "acctupdate" not in shown["road"]
    text = world("routers", "show", "lodge-01").out
    assert "OVERRIDES      coa=none" in text
    assert "a cut waits for the next report" in text


def test_health_names_what_is_wrong(world: World) -> None:
    ran = world("routers", "health", "--json")
    assert ran.code == Exit.NOT
    assert all("is FreeRADIUS running?" in row["wrong"][0] for row in ran.json())
    world.core.store.nodes.publish(Node("box", world.clock.now - 10, 0, (GATE,)), soon())
    world.core.store.routers.note_unknown([(ANNEX, 7, world.clock.now - 5, "no Message-Authenticator")], soon())
    rows = {row["router"]: row for row in world("routers", "health", "--json").json()}
    assert rows["kilimani-01"]["well"]
    assert rows["lodge-01"]["wrong"] == [
        "no packet of it was heard since the RADIUS node started",
        "packets of the last hour were not heard: no Message-Authenticator",
    ]
    assert world("routers", "health", "kilimani-01").code == Exit.DONE


def test_who_knocked(world: World) -> None:
    assert world("routers", "unknown").out == "Nobody knocked in vain.\n"
    world.core.store.routers.note_unknown([("192.0.2.9", 12, world.clock.now, "unknown address")], soon())
    assert lines(world("routers", "unknown").out)[1:] == ["192.0.2.9       12  2026-11-25 13:00:00  unknown address"]


def test_whether_a_router_can_be_told(world: World) -> None:
    with FakeDas(SECRET.encode(), Manners.MIKROTIK) as das:
        (router,) = [each for each in world.core.store.routers.routers(soon()) if each.id == GATE]
        moved = type(router)(
            router.id, router.site, router.family, router.addresses, router.secret_a,
            coa_address="127.0.0.1", coa_port=das.port, version=2,
        )  # fmt: skip
        world.core.store.routers.put_router(moved, soon())
        good = world("routers", "test", "kilimani-01", "--wait", "0.3")
        assert (good.code, "the secret is right" in good.out) == (Exit.DONE, True)
        das.next(Refuse(501), Refuse(501))
        assert world("routers", "test", "kilimani-01", "--wait", "0.3").code == Exit.NOT
    assert world("routers", "test", "lodge-01", "--wait", "0.05").code == Exit.NOT


def test_a_site_keeps_its_mac_password_when_its_language_changes(world: World) -> None:
    site = next(site for site in world.core.store.routers.sites(soon()) if site.id == "lodge")
    sealed = world.core.provision.site(site, "macpassword").mac_password
    assert world("sites", "add", "lodge", "--language", "en").out == "Site lodge is changed.\n"
    (after,) = [site for site in world.core.store.routers.sites(soon()) if site.id == "lodge"]
    assert (after.language.value, after.mac_password) == ("en", sealed)


def test_a_process_of_its_own(world: World) -> None:
    """The entry point as a shell runs it: settings by the environment, and a store that is away."""
    command = [sys.executable, "-P", "-m", "billing.cli", "routers", "list", "--json"]
    file = world.folder / "settings.toml"
    environment = {"PATH": os.environ["PATH"], "WIFIBILLING_SETTINGS": str(file)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert '"router": "kilimani-01"' in ran.stdout
    away = environment | {"WIFIBILLING_STORE_ENDPOINT": "http://127.0.0.1:1"}
    ran = subprocess.run(command, env=away, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (Exit.AWAY, "")
    assert ran.stderr.startswith(
        "Nothing was changed; the same command again is safe.\nwifibilling: the store does not answer"
    )
