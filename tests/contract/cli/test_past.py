"""`who-had` and `audit` over the engine, and that no command walks a table to show its first page."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from billing.cli import past
from billing.cli.exits import Exit
from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT
from tests.contract.cli.conftest import make
from tests.contract.cli.isp import ANNEX, GATE, LAPTOP, World
from tests.contract.values import soon
from tests.fakes.store_proxy import StoreProxy
from tests.fixtures_engine import Engine

JANE, OTIENO = "0712345678", "0722000111"
WHO = ("who-had", "10.5.0.7", "--site", "kilimani", "--reason", "court order 12/2026")


@pytest.fixture
def evening(world: World) -> World:
    """The same address at two sites, and after each other at one."""
    world.customer(JANE)
    world.customer(OTIENO, site="lodge")
    world.online(OTIENO, mac=LAPTOP, router=ANNEX, session="91c00001")
    world.online(JANE, seconds=600)
    world.stops(JANE)
    world.clock.now += 3_600
    return world


def test_who_had_an_address(evening: World) -> None:
    ran = evening(*WHO, "--at", "2026-11-25 12:55", "--json")
    assert [(row["user"], row["router"]) for row in ran.json()] == [(JANE, GATE)]
    assert "all its customers look alike" in ran.err
    for when in ("2026-11-25 12:49", "2026-11-25 13:01", "2026-11-24 12:55"):
        assert evening(*WHO, "--at", when).code == Exit.NOBODY, when
    other = evening("who-had", "10.5.0.7", "--site", "lodge", "--reason", "x", "--at", "2026-11-25 13:30", "--json")
    assert [row["user"] for row in other.json()] == [OTIENO]
    assert [deed[1] for deed in evening.deeds()] == ["who-had"] * 5
    assert "10.5.0.7 at 2026-11-25 12:55" in {deed[2] for deed in evening.deeds()}


def test_a_session_of_days_ago_is_found_and_what_was_not_looked_at_is_said(
    evening: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    evening.clock.now += 3 * 86_400
    late = ("who-had", "10.5.0.7", "--site", "lodge", "--reason", "x", "--at", "2026-11-28 13:00")
    assert evening(*late).code == Exit.DONE
    none = evening(*late[:1], "10.5.0.99", *late[2:])
    assert (none.code, "began on 2026-11-21 or later" in none.out) == (Exit.NOBODY, True)
    monkeypatch.setattr(past, "SESSIONS_A_DAY_MAX", 1)
    cut = evening(*late[:1], "10.5.0.99", *late[2:])
    assert (cut.code, "Nobody" in cut.out, "Not all sessions of 20261125" in cut.err) == (Exit.NOT, False, True)


def test_a_session_that_began_the_day_before_is_found(evening: World) -> None:
    evening.clock.now += 16 * 3_600
    late = ("who-had", "10.5.0.7", "--site", "lodge", "--reason", "x", "--at", "2026-11-26 01:00")
    assert evening(*late).code == Exit.DONE
    assert evening(*late, "--back", "0").code == Exit.NOBODY


@pytest.mark.parametrize(
    "words",
    [
        ("who-had", "10.5.0.7", "--reason", "x", "--at", "2026-11-25 12:55"),
        ("who-had", "10.5.0", "--site", "kilimani", "--reason", "x", "--at", "2026-11-25 12:55"),
        ("who-had", "10.5.0.7", "--site", "kilimani", "--reason", "x", "--at", "at noon"),
        ("who-had", "10.5.0.7", "--site", "kilimani", "--at", "2026-11-25 12:55"),
        ("who-had", "10.5.0.7", "--site", "kilimanji", "--reason", "x", "--at", "2026-11-25 12:55"),
        ("who-had", "10.5.0.7", "--site", "kilimani", "--reason", "x", "--at", "2030-01-01 10:00"),
    ],
)
def test_a_question_without_ground_or_place_is_not_answered(town: World, words: tuple[str, ...]) -> None:
    ran = town(*words)
    assert (ran.code, ran.out, town.deeds()) == (Exit.USAGE, "", [])


def test_what_was_done_by_hand(world: World) -> None:
    assert world("audit").out == "Nobody changed anything by hand that day.\n"
    world("sites", "add", "mall", "--reason", "a new place")
    world.clock.now += 60
    world("sites", "add", "mall", "--language", "sw", "--as", "otieno")
    rows = world("audit", "--json").json()
    assert [(row["actor"], row["about"], row["reason"]) for row in rows] == [
        ("otieno", "mall", ""),
        ("mary", "mall", "a new place"),
    ]
    assert [row["actor"] for row in world("audit", "--by", "mary", "--json").json()] == ["mary"]
    assert world("audit", "--about", "lodge", "--json").json() == []
    assert world("audit", "--day", "2026-11-24", "--json").json() == []


def test_a_day_of_the_audit_is_one_of_nairobi(world: World) -> None:
    """What was done at half past one at night stands in UTC's day before."""
    world.clock.now = calendar.instant(datetime(2026, 11, 26, 1, 30), ZONE_DEFAULT)  # noqa: DTZ001 - a wall clock's
    world("sites", "add", "mall", "--reason", "a new place")
    for day, seen in (((), 1), (("--day", "2026-11-26"), 1), (("--day", "2026-11-25"), 0)):
        assert len(world("audit", *day, "--json").json()) == seen, day


@pytest.fixture(scope="module")
def watched(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, StoreProxy]]:
    """Forty sessions of forty customers, and every request to the store is seen."""
    proxy = StoreProxy(engine.port, seed=1)
    for world in make(Engine(proxy.port), tmp_path_factory.mktemp("watched")):
        world.customer(JANE)
        for number in range(40):
            phone = f"07990000{number:02}"
            world.customer(phone)
            world.online(phone, session=f"s{number}", seconds=60 + number)
        world.core.store.due_work.advance("coa", world.clock.now, soon())
        yield world, proxy
    proxy.close()


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (("sessions", "list", "--limit", "5"), 40),
        (("sessions", "history", "--site", "kilimani", "--limit", "5"), 40),
        (("customers", "list", "--site", "kilimani", "--limit", "5"), 12),
        (("customers", "search", JANE), 8),
        (("customers", "show", JANE), 25),
        (("payments", "list", "--limit", "5"), 20),
        (("routers", "list"), 8),
        (("pending",), 80),
        (("vouchers", "list"), 20),
        (("packages", "list"), 12),
    ],
)
def test_a_first_page_costs_a_bounded_number_of_requests(
    watched: tuple[World, StoreProxy], words: tuple[str, ...], most: int
) -> None:
    """Five are wanted of forty: what is read does not grow with what is there."""
    world, proxy = watched
    proxy.requests.clear()
    ran = world(*words, "--json")
    assert ran.code in {Exit.DONE, Exit.NOT}, ran.err
    assert "Scan" not in {operation for operation, _ in proxy.requests}
    assert 0 < len(proxy.requests) <= most
