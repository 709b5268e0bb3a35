"""Counters that cannot be: session time from before the session, more bytes than any line carries."""

import pytest

from radius.domain.counters import AHEAD_S_MAX
from radius.domain.session import Kind
from radius.domain.terms import RATE_BPS_MAX
from tests.unit.domain.builders import MIB, T0, packet, right, subscriber
from tests.unit.domain.story import Evening

SINCE_1970 = 1_700_000_000
HALF_MINUS_A_BIT = 2**64 - 4096


def online() -> Evening:
    evening = Evening()
    evening.log_in("res0000001", T0)
    evening.hear(packet(Kind.START, T0))
    return evening


@pytest.mark.parametrize("said_s", [SINCE_1970, 4 * 3600])  # its clock was set, or a zone was
@pytest.mark.parametrize("kind", [Kind.INTERIM, Kind.STOP])
@pytest.mark.parametrize("stamped", [True, False])
def test_time_that_has_not_passed_is_not_charged(said_s: int, kind: Kind, stamped: bool) -> None:
    evening = online()
    heard = evening.hear(packet(kind, T0 + 300, MIB, MIB, said_s + 300, stamped=stamped))
    assert (heard.doubted, evening.charged, evening.intents) == (True, (2 * MIB, 300), [])
    again = evening.hear(packet(kind, T0 + 600, 2 * MIB, 2 * MIB, said_s + 600, stamped=stamped))
    assert (again.doubted, evening.charged) == (True, (4 * MIB, 600))


def test_a_lost_start_does_not_make_it_older_than_its_log_in_nor_than_its_customer() -> None:
    evening = Evening()
    evening.log_in("res0000001", T0)
    assert evening.hear(packet(Kind.INTERIM, T0 + 60, 1, 1, SINCE_1970)).session.opened_at == T0
    unannounced = Evening(subscriber(right()))
    assert unannounced.hear(packet(Kind.INTERIM, T0 + 60, 1, 1, SINCE_1970, reservation="")).session.opened_at == T0
    assert unannounced.charged == (2, 60)


def test_a_start_that_came_late_makes_no_honest_time_doubtful() -> None:
    evening = online()
    heard = evening.hear(packet(Kind.INTERIM, T0 + 300, MIB, MIB, 300 + AHEAD_S_MAX))
    assert (heard.doubted, evening.charged) == (False, (2 * MIB, 300 + AHEAD_S_MAX))


@pytest.mark.parametrize("direction", [(HALF_MINUS_A_BIT, 5 * MIB), (5 * MIB, HALF_MINUS_A_BIT)])
def test_a_counter_below_zero_charges_nothing_and_the_next_honest_report_does(direction: tuple[int, int]) -> None:
    evening = online()
    heard = evening.hear(packet(Kind.INTERIM, T0 + 300, *direction, 300))
    assert (heard.doubted, heard.changed, evening.charged) == (True, True, (0, 300))
    evening.hear(packet(Kind.INTERIM, T0 + 600, 6 * MIB, 7 * MIB, 600))
    assert (evening.charged, evening.intents) == ((13 * MIB, 600), [])


def test_the_fastest_line_there_is_is_believed() -> None:
    evening = online()
    heard = evening.hear(packet(Kind.INTERIM, T0 + 300, 0, RATE_BPS_MAX // 8 * 300, 300, gigawords=True))
    assert (heard.doubted, heard.delta_bytes) == (False, RATE_BPS_MAX // 8 * 300)
