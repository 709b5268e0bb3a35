"""`sessions`, `pending`, `waiting` over the engine: what is shown, what reaches a router, what is audited."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from botocore.exceptions import EndpointConnectionError

from billing.cli import cutting, live, progress, sessions
from billing.cli.exits import Exit
from billing.cli.frame import UNCHANGED, UNKNOWN
from coa.wiring import build_dispatcher
from radius.domain.errors import Unavailable
from radius.domain.identity import NasId
from radius.domain.nas import Family, Router
from radius.ports import Node
from radius.services.provision import Provision
from radius.store.catalog import DynamoNodes
from radius.store.desk import Desk
from radius.store.hot import HotStore
from tests.contract.cli.isp import ANNEX, DAY, GATE, LAPTOP, SECRET, Nobody, World
from tests.contract.values import soon
from tests.fakes.router_das import FakeDas, Linger, Manners, Refuse

JANE, OTIENO = "0712345678", "0722000111"
LIST = """\
USER        ROUTER       DEVICE        IP        PACKAGE  SINCE                ONLINE       UP      DOWN  SLOW
0712345678  kilimani-01  aabbccddee01  10.5.0.7  basic.1  2026-11-25 12:50:00  10 min   1.0 MB    9.0 MB  no
0722000111  lodge-01     aabbccddee02  10.5.0.7  basic.1  2026-11-25 12:50:00  10 min  20.0 MB  880.0 MB  no
"""


@pytest.fixture
def evening(world: World) -> World:
    """Jane at Kilimani, Otieno at the lodge with more."""
    world.customer(JANE)
    world.customer(OTIENO, site="lodge")
    world.online(JANE)
    world.online(OTIENO, mac=LAPTOP, router=ANNEX, session="91c00001", used=(20_000_000, 880_000_000))
    return world


def users(world: World, *words: str) -> list[str]:
    return [row["user"] for row in world("sessions", *words, "--json").json()]


def uid(world: World, user: str = JANE) -> str:
    return str(world("sessions", "list", "--user", user, "--json").json()[0]["session"])


def obey(world: World, das: FakeDas) -> None:
    """The gate is at this fake router from now on, and has Jane's session."""
    (router,) = [each for each in world.core.store.routers.routers(soon()) if each.id == GATE]
    moved = msgspec.structs.replace(router, coa_address="127.0.0.1", coa_port=das.port, version=router.version + 1)
    world.core.store.routers.put_router(moved, soon())
    das.add("81c00001", JANE, "10.5.0.7")


COMMIT = HotStore.commit


class Sleeps:
    """Stands where a command has `time`: while it sleeps, this happens."""

    monotonic = time.monotonic

    def __init__(self, happens: Callable[[], None]) -> None:
        self._happens = happens

    def sleep(self, _: float) -> None:
        with pytest.MonkeyPatch.context() as patch:  # what happens is others' doing, not the command's
            patch.setattr(HotStore, "commit", COMMIT)
            self._happens()


def test_who_is_online(evening: World) -> None:
    shown = [line[22:].rstrip() for line in evening("sessions", "list").out.splitlines()]
    assert shown == LIST.splitlines()


def test_the_list_by_what_is_asked_for(evening: World) -> None:
    assert users(evening, "list", "--site", "lodge") == [OTIENO]
    assert users(evening, "list", "--router", "kilimani-01") == [JANE]
    assert users(evening, "list", "--over", "500MB") == [OTIENO]
    assert users(evening, "list", "--user", "+254712345678") == [JANE]
    assert users(evening, "list", "--user", JANE, "--package", "week") == []
    assert users(evening, "list", "--package", "basic") == [JANE, OTIENO]
    assert users(evening, "list", "--limit", "1") == [JANE]
    assert users(evening, "list", "--idle", "10m") == []
    evening.clock.now += 601
    assert users(evening, "list", "--idle", "10m") == [JANE, OTIENO]
    assert evening("sessions", "list", "--user", "0733000000").code == Exit.NOBODY
    assert evening("sessions", "list", "--over", "much").code == Exit.USAGE


def test_a_list_looks_at_so_many_and_says_so(evening: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOOKED_MAX", 0)
    ran = evening("sessions", "list", "--over", "500MB", "--limit", "1", "--json")
    assert (ran.json(), ran.err) == ([], "Looked at 1 open sessions; --all looks at every one.\n")
    ran = evening("sessions", "list", "--over", "500MB", "--limit", "1", "--json", "--all")
    assert ([row["user"] for row in ran.json()], ran.err) == ([OTIENO], "")
    assert evening("sessions", "list", "--package", "week", "--all").out == "No such session is online.\n"


def test_an_entry_whose_session_is_over_hides_none_behind_it(evening: World) -> None:
    evening.core.store.routers.boot(GATE, evening.clock.now + 1, soon())  # Jane's is over, and nobody wrote it down
    evening.clock.now += 100
    evening.customer("0733000222")
    evening.online("0733000222", mac=LAPTOP, session="a1c00001", seconds=60)
    assert users(evening, "list", "--router", GATE, "--limit", "1") == ["0733000222"]


def test_who_has_ended_is_not_listed_as_online_whoever_wrote_it_down(evening: World) -> None:
    evening.core.store.routers.boot(GATE, evening.clock.now + 1, soon())
    evening.clock.now += 5
    assert users(evening, "list") == [OTIENO]
    assert evening("sessions", "list", "--site", "kilimani").out == "Nobody is online.\n"


def test_one_session_with_what_its_router_was_asked(evening: World) -> None:
    with FakeDas(SECRET.encode(), Manners.MIKROTIK, nas_ip="10.8.0.2") as das:
        obey(evening, das)
        das.next(Refuse(506))
        ran = evening("sessions", "disconnect", "--user", JANE, "--reason", "wrong device", yes=True)
    assert (ran.code, "506 Resources-Unavailable" in ran.out) == (Exit.NOT, True)
    assert "It is not tried again by itself: repeat it, or block the customer" in ran.out
    shown = evening("sessions", "show", uid(evening), "--json").json()
    assert (shown["user"], shown["bytes"], shown["closed_at"]) == (JANE, 10_000_000, 0)
    (step,) = shown["steps"]
    assert (step["reason"], step["request"], step["outcome"]) == ("by hand", "disconnect", "the router refused")
    assert evening("sessions", "show", "0" * 20).code == Exit.NOBODY
    assert [deed[1:] for deed in evening.deeds()] == [("sessions disconnect", shown["session"], "not done")]


def test_a_disconnect_is_confirmed_by_the_routers_own_report(evening: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        cutting, "time", Sleeps(lambda: evening.stops(JANE))
    )  # while the command waits, the Stop arrives
    with FakeDas(SECRET.encode(), Manners.MIKROTIK, nas_ip="10.8.0.2") as das:
        obey(evening, das)
        ran = evening("sessions", "disconnect", uid(evening), "--reason", "test", yes=True)
        assert das.sessions == {}
    assert (ran.code, "Its end was counted." in ran.out) == (Exit.DONE, True)
    assert users(evening, "list") == [OTIENO]
    shown = evening("sessions", "history", "--user", JANE, "--json").json()[0]
    assert (shown["bytes"], shown["closed_at"]) == (10_000_000, evening.clock.now)
    (step,) = evening("sessions", "show", shown["session"], "--json").json()["steps"]
    assert step["outcome"] == "the router said done"


def test_a_yes_without_an_end_is_said(evening: World) -> None:
    with FakeDas(SECRET.encode(), Manners.MIKROTIK, nas_ip="10.8.0.2") as das:
        obey(evening, das)
        das.next(Linger())
        ran = evening("sessions", "disconnect", uid(evening), "--reason", "test", "--wait", "0", yes=True)
    assert "Its end was not reported in 0 s" in ran.out
    (step,) = evening("sessions", "show", uid(evening), "--json").json()["steps"]
    assert step["outcome"] == "the router says done; waiting to see it"
    assert users(evening, "list") == [JANE, OTIENO]


def test_one_customer_is_not_cut_without_a_yes_and_a_reason(evening: World) -> None:
    asked = evening("sessions", "disconnect", "--user", JANE, "--reason", "test")
    assert (asked.code, "say --yes" in asked.err) == (Exit.DECLINED, True)
    assert evening("sessions", "disconnect", "--user", JANE, yes=True).code == Exit.USAGE
    assert evening("sessions", "disconnect", "--reason", "x", yes=True).code == Exit.USAGE
    assert evening.deeds() == []


def test_a_whole_router_is_a_dry_run_until_apply(evening: World) -> None:
    dry = evening("sessions", "disconnect", "--router", "kilimani-01", "--reason", "replaced")
    assert (dry.code, JANE in dry.out, "these 1 would be cut" in dry.err) == (Exit.DONE, True, True)
    assert evening.deeds() == []
    with FakeDas(SECRET.encode(), Manners.MIKROTIK, nas_ip="10.8.0.2") as das:
        obey(evening, das)
        args = ("sessions", "disconnect", "--router", "kilimani-01", "--reason", "replaced", "--apply", "--wait", "0")
        assert evening(*args).code == Exit.DONE
        assert das.sessions == {}


def test_a_router_is_told_anew(evening: World) -> None:
    with FakeDas(SECRET.encode(), Manners.MIKROTIK, nas_ip="10.8.0.2") as das:
        obey(evening, das)
        ran = evening("sessions", "refresh", "--user", JANE, "--reason", "speed")
        assert ran.code == Exit.DONE
        assert das.sessions["81c00001"].limits["Mikrotik-Rate-Limit"] == "2M/5M"


def test_history_of_a_customer_a_router_and_a_site(evening: World) -> None:
    evening.stops(JANE)
    evening.online(JANE, session="81c00002", seconds=30)
    rows = evening("sessions", "history", "--user", JANE, "--json").json()
    assert [(row["since"] - evening.clock.now, bool(row["closed_at"])) for row in rows] == [(-30, False), (-600, True)]
    assert rows[0]["bytes"] == 10_000_000  # also of one that is not over
    assert users(evening, "history", "--router", "lodge-01") == [OTIENO]
    assert users(evening, "history", "--site", "kilimani", "--limit", "1") == [JANE]
    evening.clock.now += 3 * 86_400
    assert users(evening, "history", "--user", JANE, "--days", "3") == []
    assert users(evening, "history", "--user", JANE, "--days", "4") == [JANE, JANE]
    assert evening("sessions", "history").code == Exit.USAGE


def test_the_watch_looks_again(evening: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "time", Sleeps(lambda: evening.stops(JANE)))
    out = evening("sessions", "watch", "--rounds", "2").out
    assert (out.count("USER"), out.count(JANE), out.count(OTIENO)) == (2, 1, 2)


def test_the_watch_goes_on_without_the_store(evening: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known = live.walk
    looks = iter((known, away, known))

    def walk(*given: Any) -> Iterator[live.Live]:
        return next(looks)(*given)

    monkeypatch.setattr(live, "walk", walk)
    ran = evening("sessions", "watch", "--rounds", "3", "--every", "0")
    assert (ran.code, ran.out.count(JANE)) == (Exit.DONE, 3)


def away(*_: object) -> Any:
    raise Unavailable("nobody answers")


def test_what_is_owed_and_why(evening: World) -> None:
    idle = evening("pending")
    assert (idle.out, idle.code) == ("Nothing is owed: every router has been told.\n", Exit.NOT)
    assert "none was ever at work here" in idle.err
    evening.core.store.due_work.advance("coa", evening.clock.now, soon())
    assert evening("pending").code == Exit.DONE
    jane = evening.core.names.resolve("p:254712345678", soon())
    assert jane
    evening.core.provision.block(jane, "chargeback", evening.clock.now)
    (row,) = evening("pending", "--json").json()
    assert (row["customer"], row["router"], row["state"]) == (jane, "kilimani-01", "to be sent")
    assert row["why"] == "the customer is blocked, or the package was taken back"
    assert evening("pending", "--site", "lodge", "--json").json() == []
    assert "kilimani-01" in evening("pending").out


def test_a_device_that_is_waited_for_is_no_session_and_it_is_said_for_how_long(world: World) -> None:
    jane = world.customer(JANE)
    world.core.provision.let_in(jane, LAPTOP, None, world.clock.now)
    (row,) = world("pending", "--json").json()
    assert (row["session"], row["device"], row["why"]) == ("", LAPTOP, "a device waits to be let in")
    assert row["words"] == "its own log-in ends this; it is looked for until 2026-11-25 14:00:00"


def test_what_was_given_up_is_an_exit_code(world: World) -> None:
    router = Router(NasId("mall-01"), "lodge", Family.UNIFI, ("10.8.0.4",))
    world.core.provision.router(router, SECRET)
    world.core.directory.refresh(world.clock.now, soon())
    world.core.store.due_work.advance("coa", world.clock.now, soon())
    jane = world.customer(JANE)
    world.online(JANE, router=router.id)
    world.core.provision.block(jane, "chargeback", world.clock.now)
    build_dispatcher(world.core, Nobody(), Nobody(), Nobody()).visit(jane, world.clock.now)
    ran = world("pending", "--json", "--ahead", "1h")
    (row,) = ran.json()
    assert (row["state"], ran.code) == ("given up for now: tried once an hour", Exit.NOT)
    assert "cannot be told" in row["words"]


def test_packets_that_wait_on_disk(world: World) -> None:
    assert world("waiting").out == "Nothing waits: every packet was counted.\n"
    spool = world.folder / "spool"
    spool.mkdir()
    packet = 'Wed Nov 25 10:00:00 2026\n\tUser-Name = "x"\n\n'
    (spool / "acct-202611251000.detail").write_text(3 * packet)
    world.core.store.nodes.publish(Node("north", world.clock.now, world.clock.now - 50, ()), soon())
    ran = world("waiting", "--json")
    here, north = ran.json()
    assert (here["packets"], here["since"], north["node"]) == (3, world.clock.now, "north")
    assert ran.code == Exit.DONE
    (spool / "parked.detail").write_text("# User-Name: is empty\n" + packet)
    ran = world("waiting")
    assert (ran.code, "could not be counted" in ran.out) == (Exit.NOT, True)


def test_what_waits_here_is_shown_while_the_store_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DynamoNodes, "nodes", away)
    idle = world("waiting")
    assert (idle.code, idle.out) == (Exit.AWAY, "Nothing waits on this machine.\n")
    assert idle.err == "The store does not answer: what waits on other nodes is not known.\n"
    spool = world.folder / "spool"
    spool.mkdir()
    (spool / "acct-202611251000.detail").write_text('Wed Nov 25 10:00:00 2026\n\tUser-Name = "x"\n\n')
    ran = world("waiting", "--json")
    assert ([row["packets"] for row in ran.json()], ran.code) == ([1], Exit.AWAY)
    (spool / "parked.detail").write_text("# User-Name: is empty\n")
    assert world("waiting").code == Exit.NOT


class Gone:
    """A client whose store nobody reaches."""

    def query(self, **_: object) -> None:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")

    get_item = put_item = query


def test_that_the_store_is_away_is_said_and_what_that_means(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.customer(JANE)
    with monkeypatch.context() as patch:
        patch.setattr(Provision, "block", away)
        ran = world("customers", "block", JANE, "--reason", "x", yes=True)
    assert (ran.code, ran.err.splitlines()[0]) == (Exit.AWAY, UNKNOWN)
    desk = world.core.store.engine
    assert isinstance(desk, Desk)
    monkeypatch.setattr(desk, "_client", Gone())
    ran = world("incident", "ack", "x")
    lines = ran.err.splitlines()
    assert (ran.code, lines[0]) == (Exit.AWAY, UNCHANGED)
    assert lines[1].startswith("wifibilling: the store does not answer")
    page = world("ops", "daily", "--json").json()["lines"]
    assert {row["what"]: row["verdict"] for row in page if row["what"] in {"sales", "books"}} == {
        "sales": "look", "books": "look",
    }  # fmt: skip


def rate_of(das: FakeDas) -> object:
    return das.sessions["81c00001"].limits.get("Mikrotik-Rate-Limit")


def test_a_session_is_held_to_the_slow_speed_and_let_go(evening: World) -> None:
    slow = ("sessions", "slow", "--user", JANE, "--reason", "fills the line")
    with FakeDas(SECRET.encode(), Manners.MIKROTIK, nas_ip="10.8.0.2") as das:
        obey(evening, das)
        assert evening(*slow).code == Exit.DECLINED
        assert evening(*slow, yes=True).code == Exit.DONE
        assert rate_of(das) == "128k/256k"
        evening.clock.now += 300
        evening.online(JANE, seconds=900, used=(2_000_000, 18_000_000))  # it reports, with much left: it stays held
        assert evening("sessions", "refresh", "--user", JANE, "--reason", "look").code == Exit.DONE
        assert rate_of(das) == "128k/256k"
        assert evening("sessions", "list", "--user", JANE, "--json").json()[0]["slowed"]
        assert evening(*slow, "--restore", yes=True).code == Exit.DONE
        assert rate_of(das) == "2M/5M"
    assert [deed[1] for deed in evening.deeds()].count("sessions slow") == 2


def test_what_cannot_be_slowed_is_not_cut_instead(evening: World) -> None:
    told = evening("sessions", "slow", "--user", OTIENO, "--reason", "x", yes=True)
    assert (told.code, "cannot be told another speed" in told.err) == (Exit.USAGE, True)
    evening.core.provision.terms(msgspec.structs.replace(DAY, id="fast.1", slow_rate=None))
    evening.customer("0733000222", msgspec.structs.replace(DAY, id="fast.1", slow_rate=None))
    evening.online("0733000222", session="a1c00001")
    told = evening("sessions", "slow", "--user", "0733000222", "--reason", "x", yes=True)
    assert (told.code, "has no slow speed" in told.err) == (Exit.USAGE, True)
    assert evening("sessions", "slow", "--reason", "x", yes=True).code == Exit.NOBODY
