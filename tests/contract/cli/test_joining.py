"""How routers come: their line, many from a file, and another in a dead one's place."""

from pathlib import Path

import msgspec
import pytest

from billing.cli.exits import Exit
from billing.joining.texts import PAGES
from radius.domain.nas import PortPair, Router
from radius.domain.tunnel import Tunnel
from radius.hub.files import REPORT, write
from radius.hub.peers import Heard, Report
from tests.contract.cli.isp import ANNEX, GATE, SECRET, World
from tests.contract.values import soon
from tests.fakes.routeros_words import Reader

KEY = "k" * 42 + "A="
HEAD = "router,site,family,address,secret\n"


@pytest.fixture
def hub(world: World) -> World:
    """The same ISP, with a portal and a hub."""
    with (world.folder / "settings.toml").open("a") as settings:
        settings.write('\nportal_url = "https://portal.example.net"\nhub_endpoint = "hub.example.net:51820"\n')
        settings.write(f'hub_public_key = "{"h" * 42}A="\n')
    return world


def router(world: World, name: str) -> Router:
    return next(each for each in world.core.store.routers.routers(soon()) if each.id == name)


def routers(world: World) -> list[str]:
    return [each.id for each in world.core.store.routers.routers(soon())]


def csv(world: World, text: str) -> str:
    path: Path = world.folder / "routers.csv"
    path.write_text(text)
    return str(path)


def test_one_line_to_paste_and_nothing_else_on_standard_output(hub: World) -> None:
    ran = hub("routers", "script", GATE, "--hotspot", "ether2,ether3", "--pppoe", "ether4", "--uplink", "ether1")
    assert ran.code == Exit.DONE
    assert ran.out.count("\n") == 1
    Reader(ran.out.strip()).read()
    assert "https://portal.example.net/join/script" in ran.out
    assert SECRET not in ran.out
    assert "works once" in ran.err
    assert "pull its power plug" in ran.err
    assert hub.deeds() == [("mary", "routers script", GATE, "done")]
    assert router(hub, GATE).addresses == ("10.99.0.2", "10.8.0.2")


def test_a_router_without_an_address_joins_by_its_tunnel(hub: World) -> None:
    added = hub("routers", "add", "gate-2", "--family", "mikrotik", "--site", "kilimani")
    assert "wifibilling routers script gate-2" in added.out
    assert hub("routers", "script", "gate-2").code == Exit.DONE
    assert router(hub, "gate-2").addresses == ("10.99.0.2",)


def test_a_coova_router_gets_a_line_for_its_shell(hub: World) -> None:
    ran = hub("routers", "script", ANNEX, "--hotspot", "br-hotspot", "--json")
    assert ran.json()["line"].startswith("wget ")
    assert ran.json()["router"] == ANNEX
    assert "a shell of the router" in ran.err
    assert router(hub, ANNEX).login_hosts == ("10.5.50.1:3990",)


def test_where_disconnects_come_from_is_said_to_whoever_sets_a_router_up(hub: World) -> None:
    words = ("routers", "script", GATE, "--no-tunnel", "--hotspot", "ether2", "--uplink", "ether1")
    with (hub.folder / "settings.toml").open("a") as settings:
        settings.write('radius_address = "192.0.2.1"\n')
    assert "Disconnects" not in hub(*words).err
    with (hub.folder / "settings.toml").open("a") as settings:
        settings.write('radius_second_address = "192.0.2.2"\ncoa_addresses = "198.51.100.7, 198.51.100.8"\n')
    said = hub(*words).err
    assert "from 198.51.100.7,198.51.100.8" in said
    assert "Add 192.0.2.2" in said
    assert "198.51.100.7" not in hub("routers", "script", GATE, "--hotspot", "ether2", "--uplink", "ether1").err


def test_what_takes_it_back(hub: World) -> None:
    text = hub("routers", "script", GATE, "--undo").out
    assert text.startswith("# On the router, with the values of before:\n/system script run wifibilling-undo\n")
    assert all(call.verb in {"remove", "run"} for call in Reader(text).read().statements)
    assert hub("routers", "script", ANNEX, "--undo").out == "sh /root/wifibilling-undo.sh\n"


def test_pages_for_whoever_uploads_them_by_hand(hub: World) -> None:
    folder = hub.folder / "up" / "pages"
    assert hub("routers", "pages", GATE, "--to", str(folder)).code == Exit.DONE
    assert "https://portal.example.net/w/kilimani-01" in (folder / "login.html").read_text()
    assert {path.name for path in folder.iterdir()} == set(PAGES)
    assert hub("routers", "pages", ANNEX, "--to", str(folder)).code == Exit.USAGE
    (hub.folder / "file").touch()
    assert "cannot be written" in hub("routers", "pages", GATE, "--to", str(hub.folder / "file")).err


WRONG = [
    (["--routeros-6", "--hotspot", "ether2", "--uplink", "ether1"], "radius_address: is not set"),
    (["--hotspot", "ether2"], "uplink: must name the port"),
    (["--hotspot", "ether2", "--uplink", "ether2"], "ether2 is named for two things"),
    (["--hotspot", "a;b", "--uplink", "ether1"], "is no name of a port"),
    (["--hotspot-network", "10.5.50.1/24"], "hotspot_network"),
    (["--garden", "two words"], "garden"),
]


def test_a_wish_that_cannot_be_is_said_at_once(hub: World) -> None:
    for words, said in WRONG:
        ran = hub("routers", "script", GATE, *words)
        assert (ran.code, ran.out) == (Exit.USAGE, ""), words
        assert said in ran.err


def test_without_a_hub_it_is_said_what_to_set(world: World) -> None:
    assert "hub_endpoint" in world("routers", "script", GATE).err
    assert "portal_url" in world("routers", "script", GATE, "--no-tunnel").err


def test_a_file_of_routers_is_looked_at_first_and_registered_with_apply(world: World) -> None:
    file = csv(world, HEAD + "r1,kilimani,mikrotik,10.8.0.11 10.8.0.12,a-secret-of-16-or-more\nr2,lodge,coova,,\n")
    planned = world("routers", "import", file, "--json")
    assert [(row["router"], row["address"], row["what"]) for row in planned.json()] == [
        ("r1", "10.8.0.11, 10.8.0.12", "new"),
        ("r2", "", "new"),
    ]
    assert "2 would be registered" in planned.err
    assert routers(world) == sorted([GATE, ANNEX])
    assert world("routers", "import", file, "--apply").code == Exit.DONE
    assert routers(world) == sorted([GATE, ANNEX, "r1", "r2"])
    world.core.directory.refresh(world.clock.now, soon())
    client = world.core.directory.client("10.8.0.12", PortPair.A)
    assert client is not None
    assert client.secret == "a-secret-of-16-or-more"
    assert {deed[2:] for deed in world.deeds()} == {("r1", "done"), ("r2", "done")}


def test_the_same_file_again_goes_on_where_it_was_interrupted(world: World) -> None:
    text = HEAD + "r1,kilimani,mikrotik,10.8.0.11,\n"
    world("routers", "import", csv(world, text), "--apply")
    before = router(world, "r1")
    again = world("routers", "import", csv(world, text + "r2,lodge,coova,,\n"), "--apply", "--json")
    assert [(row["router"], row["what"]) for row in again.json()] == [("r1", "is there"), ("r2", "new")]
    assert router(world, "r1") == before


def test_columns_stand_in_any_order_and_a_spreadsheets_mark_is_no_name(world: World) -> None:
    file = csv(world, "\ufeffFamily,Router,Site\nmikrotik,r1,kilimani\n")
    assert world("routers", "import", file, "--apply").code == Exit.DONE
    assert router(world, "r1").addresses == ()


def test_a_spreadsheet_of_another_country_and_a_makers_own_spelling_are_understood(world: World) -> None:
    text = "router;site;family;address\nr1;kilimani;MikroTik;10.8.0.11 10.8.0.12\nr2;lodge;OpenWrt;\n"
    assert "line 3: family: must be one of" in world("routers", "import", csv(world, text), "--apply").err
    text = text.replace("OpenWrt", "CoovA")
    assert world("routers", "import", csv(world, text), "--apply").code == Exit.DONE
    assert router(world, "r1").addresses == ("10.8.0.11", "10.8.0.12")
    assert [router(world, name).family.value for name in ("r1", "r2")] == ["mikrotik", "coova"]


BAD = [
    ("r 1,kilimani,mikrotik,,", "line 2: router: must be 1 to 64 letters"),
    ("r1,nairobi,mikrotik,,", "line 2: site: 'nairobi' does not exist"),
    ("r1,kilimani,tplink,,", "line 2: family: must be one of mikrotik"),
    ("r1,kilimani,mikrotik,10.8.0.300,", "line 2: address: '10.8.0.300' is neither"),
    ("r1,kilimani,mikrotik,0.0.0.0/0,", "line 2: address: a router is not the whole internet"),
    ("r1,kilimani,mikrotik,10.8.0.2,", f"line 2: address: 10.8.0.2/32 is {GATE}'s already"),
    ("r1,kilimani,mikrotik,,short", "line 2: secret: must have 16 to 64 characters"),
    (f"{GATE},lodge,mikrotik,,", "line 2: router: is registered at kilimani as mikrotik already"),
    ("r1,kilimani,mikrotik,,,more", "line 2: line: has more fields"),
    ("r1,kilimani,mikrotik,10.8.0.9,\nr1,kilimani,mikrotik,,", "line 3: router: r1 is on another line too"),
    ("r1,kilimani,mikrotik,10.8.0.9,\nr2,kilimani,mikrotik,10.8.0.9,", "line 3: address: 10.8.0.9/32 is r1's already"),
]


def test_a_bad_line_is_named_with_its_field_and_nothing_is_done(world: World) -> None:
    for line, said in BAD:
        ran = world("routers", "import", csv(world, f"{HEAD}{line}\nfine,kilimani,mikrotik,,\n"), "--apply")
        assert (ran.code, ran.out) == (Exit.USAGE, ""), line
        assert said in ran.err
    assert routers(world) == sorted([GATE, ANNEX])


def test_every_bad_line_is_named_at_once(world: World) -> None:
    ran = world("routers", "import", csv(world, f"{HEAD}a b,kilimani,mikrotik,,\nr2,nowhere,mikrotik,,\n"), "--apply")
    assert "line 2: router" in ran.err
    assert "line 3: site" in ran.err


def test_what_is_no_list_of_routers_is_refused(world: World) -> None:
    for text in ("", "router,site\nr1,kilimani\n", "router,site,family,colour\n", "router,router,site,family\n"):
        ran = world("routers", "import", csv(world, text))
        assert ran.code == Exit.USAGE, text
        assert "line 1: must name the columns router,site,family" in ran.err


def test_a_file_that_is_not_there_is_said(world: World) -> None:
    assert "cannot be read" in world("routers", "import", str(world.folder / "none.csv")).err


def test_another_device_takes_a_dead_ones_place(hub: World) -> None:
    hub("routers", "script", GATE)
    hub.core.store.tunnels.put_tunnel(Tunnel("10.99.0.2", GATE, KEY, version=2), soon())
    before = router(hub, GATE)
    ran = hub("routers", "replace", GATE, "--reason", "lightning", yes=True)
    assert ran.code == Exit.DONE
    assert "wifibilling routers script kilimani-01" in ran.out
    (tunnel,) = hub.core.store.tunnels.tunnels(soon())
    assert (tunnel.address, tunnel.public_key) == ("10.99.0.2", "")
    after = router(hub, GATE)
    assert (after.addresses, after.secret_b, after.rotating_to) == (before.addresses, "", "")
    hub.core.directory.refresh(hub.clock.now, soon())
    client = hub.core.directory.client("10.8.0.2", PortPair.A)
    assert client is not None
    assert client.secret != SECRET
    assert hub.core.store.routers.boots(soon()) == {GATE: hub.clock.now}  # its sessions have ended
    assert ("mary", "routers replace", GATE, "done") in hub.deeds()


def test_nobody_is_replaced_without_a_yes_and_a_reason(hub: World) -> None:
    assert hub("routers", "replace", GATE, yes=True).code == Exit.USAGE
    assert hub("routers", "replace", GATE, "--reason", "x").code == Exit.DECLINED
    assert hub.deeds() == []


def test_when_a_tunnel_was_heard_last_is_shown_and_a_dead_one_is_no_health(hub: World) -> None:
    hub("routers", "script", GATE)
    now = hub.clock.now
    heard = Report(now, {GATE: Heard("10.99.0.2", now - 30, "203.0.113.9"), ANNEX: Heard("10.99.0.3")})
    write(hub.folder / REPORT, msgspec.json.encode(heard), 0o644)
    shown = hub("routers", "show", GATE, "--json").json()
    assert (shown["handshake_at"], shown["heard_from"], shown["tunnel"]) == (now - 30, "203.0.113.9", True)
    assert "tunnel" not in str(hub("routers", "health", GATE, "--json").json()[0]["wrong"])
    write(hub.folder / REPORT, msgspec.json.encode(Report(now, {GATE: Heard("10.99.0.2", now - 400)})), 0o644)
    (row,) = hub("routers", "health", GATE, "--json").json()
    assert any("nothing came through its tunnel since" in each for each in row["wrong"])
