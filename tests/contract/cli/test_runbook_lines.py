"""Commands of the runbooks that read, or show what they would do, are run as they stand there, on one day of an ISP.

What changes something is run by the tests of its own command; tests/unit/test_runbooks.py parses every line.
"""

import shlex

import pytest

from tests.contract.cli.isp import World
from tests.contract.cli.test_golden import day
from tests.unit.test_runbooks import ALL

READS = (
    "customers show", "customers why", "ledger check", "notify list", "payments list", "payments show", "pending",
    "sessions list", "sites list", "vouchers list", "waiting", "routers list",
)  # fmt: skip
ELSEWHERE = {"--settings", "--apply", "--out"}
LINES = sorted(
    {
        line.removeprefix("wifibilling ")
        for _, line in ALL
        if line.startswith("wifibilling ")
        and line.removeprefix("wifibilling ").startswith(READS)
        and not ELSEWHERE & set(line.split())
    }
)


@pytest.fixture(scope="module")
def ordinary(town: World) -> World:
    day(town)
    return town


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_reads_does_so(ordinary: World, line: str) -> None:
    ran = ordinary(*shlex.split(line))
    assert "Traceback" not in ran.err
    if ran.code == 3:  # what the page has as an example is not there
        assert ran.err.count("\n") == 1
        assert shlex.split(line)[-1] in ran.err
    else:  # 1: it found something wrong, which it shows
        assert ran.code in (0, 1), ran.err
        assert ran.out


def test_there_are_such_lines() -> None:
    assert len(LINES) >= 8
