"""A device that logs in again within its session: 802.1X every hour, some portals every minute."""

import pytest

from radius.domain.intent import IntentReason
from radius.domain.session import Kind
from radius.domain.subscriber import SessionState
from tests.unit.domain.builders import MIB, T0, packet
from tests.unit.domain.story import Evening, interim

OPEN, CLOSED, RESERVED = SessionState.OPEN, SessionState.CLOSED, SessionState.RESERVED
UNNAMED = ""  # an Access-Request without Acct-Session-Id


def an_hour() -> Evening:
    """A session with 100 MiB in an hour."""
    evening = Evening()
    evening.log_in("res0000001", T0)
    evening.hear(packet(Kind.START, T0))
    evening.hear(interim(3600, 100))
    return evening


def test_a_log_in_that_names_its_session_goes_on_with_it_and_keeps_its_class() -> None:
    evening = an_hour()
    granted = evening.log_in("res0000002", T0 + 3601)
    assert (granted.reservation, granted.state) == ("res0000001", OPEN)
    assert len(evening.home.sessions) == 1
    assert granted.cap_bytes == 1000 * MIB  # of which the router has counted 100 already
    evening.hear(interim(3900, 110))
    evening.hear(interim(4200, 120)._replace(kind=Kind.STOP, cause="User-Request"))
    assert evening.charged == (120 * MIB, 4200)
    assert (evening.intents, [one.state for one in evening.home.sessions]) == ([], [CLOSED])


def test_a_log_in_that_names_its_session_has_a_new_end() -> None:
    evening = an_hour()
    before = evening.home.sessions[0].ends_at
    evening.home.rights[0].ends_at += 600
    assert evening.log_in("res0000002", T0 + 3601).ends_at == before + 600


@pytest.mark.parametrize("hours", [1, 3])
@pytest.mark.parametrize("waits_s", [60, 300])  # before and after what was granted has lapsed
def test_counters_that_a_router_carries_on_under_a_new_class_count_once(hours: int, waits_s: int) -> None:
    evening = an_hour()
    reservation = "res0000001"
    for hour in range(1, hours + 1):
        reservation = f"res000001{hour}"
        evening.log_in(reservation, T0 + 3600 * hour + 1, acct_session_id=UNNAMED)
        evening.settle(T0 + 3600 * hour + waits_s - 1)
        evening.hear(interim(3600 * hour + waits_s, 100 * hour + 5, reservation=reservation))
        evening.hear(interim(3600 * hour + 3600, 100 * hour + 100, reservation=reservation))
    assert evening.charged == ((hours + 1) * 100 * MIB, (hours + 1) * 3600)
    at_s = hours * 3600 + 3900
    ended = evening.hear(interim(at_s, 110 + hours * 100, reservation=reservation)._replace(kind=Kind.STOP))
    assert evening.charged == ((110 + hours * 100) * MIB, at_s)
    assert (ended.session.state, evening.intents) == (CLOSED, [])
    assert sum(one.total_bytes for one in evening.home.sessions) == (110 + hours * 100) * MIB


def test_a_first_packet_that_came_late_hides_no_start() -> None:
    evening = Evening()
    evening.log_in("res0000001", T0)
    evening.hear(packet(Kind.START, T0 + 90, stamped=False))
    evening.hear(interim(3600, 100, stamped=False))
    evening.log_in("res0000002", T0 + 3601, acct_session_id=UNNAMED)
    evening.hear(interim(3900, 105, stamped=False, reservation="res0000002"))
    assert evening.charged == (105 * MIB, 3900)


@pytest.mark.parametrize("reservation", ["res0000001", ""])
def test_a_router_that_keeps_the_old_class_or_none_has_its_session_open_again(reservation: str) -> None:
    evening = Evening()
    evening.log_in("res0000001", T0, acct_session_id=UNNAMED)
    evening.hear(packet(Kind.START, T0, reservation=reservation))
    evening.hear(interim(3600, 100, reservation=reservation))
    evening.log_in("res0000002", T0 + 3601, acct_session_id=UNNAMED)
    again = evening.hear(interim(3660, 105, reservation=reservation))
    assert (again.session.state, again.session.total_bytes, again.opened) == (OPEN, 105 * MIB, True)
    assert [lease.bytes for lease in again.session.leases] == [895 * MIB]
    assert (evening.charged, evening.intents, len(evening.home.sessions)) == ((105 * MIB, 3660), [], 1)


def test_a_session_that_begins_after_the_log_in_is_another_one_whatever_its_id() -> None:
    evening = an_hour()
    evening.log_in("res0000002", T0 + 3601, acct_session_id=UNNAMED)
    evening.hear(packet(Kind.START, T0 + 3601, reservation="res0000002"))
    evening.hear(packet(Kind.INTERIM, T0 + 7300, 30 * MIB, 90 * MIB, 3699, reservation="res0000002"))
    assert evening.charged == (220 * MIB, 3600 + 3699)


def test_a_session_that_its_router_stopped_is_not_what_a_later_log_in_goes_on_with() -> None:
    evening = an_hour()
    evening.hear(interim(3600, 100)._replace(kind=Kind.STOP, cause="User-Request"))
    assert evening.log_in("res0000002", T0 + 3601).state is RESERVED
    evening.hear(interim(3700, 110))
    assert [reason for _, reason in evening.intents] == [IntentReason.REPLACED]
