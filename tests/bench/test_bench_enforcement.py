"""The enforcement bench in small: it reads what the product tells, and each part comes to its end. Nothing is timed."""

from pathlib import Path

import pytest

from radius.domain.nas import Family
from radius.metrics import InProcess
from tests.bench import closing, enforcement, shares, table, told, wire
from tests.bench.obeying import Habit
from tests.fixtures_engine import find_dynoxide
from tests.integration.freeradius_lab import missing_programs

whole = pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}")


def test_what_the_product_tells_is_read_as_it_was_counted() -> None:
    metrics = InProcess("bench", strict=True)
    metrics.count("RouterAcks", 3, Family="coova")
    before = told.read(metrics.render())
    metrics.count("RouterAcks", 4, Family="coova")
    for seconds in (0.02, 0.2, 0.2, 40.0):
        metrics.observe("EnforcementEnd", seconds, Family="cisco")
    after = told.read(metrics.render())
    assert after.value("router_acks_total", family="coova") == 7
    assert after.since(before).value("router_acks_total", family="coova") == 4
    assert after.value("router_acks_total", family="mikrotik") == 0
    bounds = [after.below_s(share, "enforcement_end_seconds", family="cisco") for share in (0.25, 0.5, 0.99)]
    assert bounds == [0.05, 0.25, 60.0]
    assert after.below_s(0.5, "enforcement_end_seconds", family="coova") is None


@pytest.mark.parametrize(("share", "found"), [(0.0, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.99, 4), (1.0, 4)])
def test_a_percentile_is_one_of_the_values(share: float, found: float) -> None:
    assert table.percentile([4, 1, 3, 2], share) == found


def test_every_family_gets_the_same_share_of_each_habit() -> None:
    found = shares.habits(100 * len(shares.FAMILIES), enforcement.FULL)
    for at in range(len(shares.FAMILIES)):
        mine = [habit for number, habit in found.items() if number % len(shares.FAMILIES) == at]
        assert {habit: mine.count(habit) for habit in set(mine)} == {Habit.GONE: 10, Habit.BUSY: 5, Habit.MUTE: 2}


def test_a_part_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        enforcement.main(["wires"])
    assert "wire, closing, shares" in capsys.readouterr().err


@pytest.mark.integration
@whole
def test_wire_in_small(tmp_path: Path) -> None:
    runs, counted = wire.measure(Path(find_dynoxide()), tmp_path, 3)
    assert [0 < run.asked_s < run.ended_s for run in runs] == [True] * 3
    assert counted == sum(run.over_bytes for run in runs), "the product counts what the Stops said"
    assert "3 sessions" in wire.report(runs, counted, markdown=True)


@pytest.mark.integration
@whole
def test_closing_in_small(tmp_path: Path) -> None:
    evening = closing.measure(Path(find_dynoxide()), tmp_path, 2, 20)
    assert (evening.routers, evening.sessions) == (2, 20)
    assert evening.disconnects >= 20
    assert 0 <= evening.first_s <= evening.last_asked_s <= evening.last_end_s
    assert closing.report([evening], markdown=True).splitlines()[2].startswith("| 2 | 20 |")


@pytest.mark.integration
@whole
def test_shares_in_small(tmp_path: Path) -> None:
    found = shares.measure(Path(find_dynoxide()), tmp_path, 3, {Habit.GONE: 0.34})
    assert [share.family for share in found] == list(shares.FAMILIES)
    assert all(share.agrees and share.counted == {"acks": 2, "naks": 1, "silences": 0} for share in found)
    lines = shares.report(found, markdown=True).splitlines()
    assert lines[2].startswith(f"| {Family.MIKROTIK.value} | 3 | 66.7% | 33.3% | 0.0% |")
