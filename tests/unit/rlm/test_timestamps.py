"""Dates of FreeRADIUS, clocks that lie, and the wall clock of WISPr."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius.domain.errors import Malformed
from radius.domain.moment import DELAY_S_MAX, EVENT_AHEAD_S_MAX, EVENT_BEHIND_S_MAX, Moment, event_instant
from radius.rlm.timestamps import parse_date, terminate_time

NOW = 1_700_000_000


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("Nov 14 2023 22:13:20 UTC", NOW),
        ("Jan  1 1970 00:00:00 UTC", 0),
        ("Jan 01 1970 00:00:59 GMT", 59),
        ("Feb 29 2024 23:59:59 UTC", 1_709_251_199),
        ("1700000000", NOW),
        ("0", 0),
    ],
)
def test_dates(text: str, at: int) -> None:
    assert parse_date("Event-Timestamp", text) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nov 14 2023 22:13:20",
        "Nov 14 2023 22:13:20 EAT",
        "Nov 31 2023 22:13:20 UTC",
        "Feb 29 2023 00:00:00 UTC",
        "Foo 14 2023 22:13:20 UTC",
        "Nov 14 2023 24:00:00 UTC",
        "Nov 14 2023 22:60:00 UTC",
        "Nov 14 2023 22:13 UTC",
        "2023-11-14T22:13:20Z",
        "-5",
        "123456789012",
        "\u0661",
    ],
)
def test_what_is_no_date_is_malformed(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_date("Event-Timestamp", text)
    assert caught.value.field == "Event-Timestamp"


@given(st.datetimes(datetime(1970, 1, 1), datetime(2106, 2, 7)))  # noqa: DTZ001 - strategies take naive bounds
def test_every_date_that_freeradius_prints_is_read(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC, microsecond=0)
    assert parse_date("Event-Timestamp", moment.strftime("%b %e %Y %H:%M:%S UTC")) == int(moment.timestamp())


@given(st.text(max_size=30))
def test_any_text_is_an_instant_or_malformed(text: str) -> None:
    try:
        assert parse_date("Event-Timestamp", text) >= 0
    except Malformed as malformed:
        assert malformed.field == "Event-Timestamp"  # noqa: PT017 - either answer is right


@pytest.mark.parametrize(
    ("stamp", "delay", "moment"),
    [
        (None, None, Moment(NOW, stamped=False)),
        (None, 30, Moment(NOW - 30, stamped=False)),
        (None, 4_294_967_295, Moment(NOW - DELAY_S_MAX, stamped=False)),
        (None, -5, Moment(NOW, stamped=False)),
        (NOW - 2, None, Moment(NOW - 2, stamped=True)),
        (NOW - 40, 40, Moment(NOW - 40, stamped=True)),
        # a clock a little fast is believed, but nothing happens after we heard of it
        (NOW + EVENT_AHEAD_S_MAX, 0, Moment(NOW, stamped=True)),
        (NOW + EVENT_AHEAD_S_MAX + 1, 0, Moment(NOW, stamped=False)),
        (NOW - EVENT_BEHIND_S_MAX, 0, Moment(NOW - EVENT_BEHIND_S_MAX, stamped=True)),
        (NOW - EVENT_BEHIND_S_MAX - 1, 0, Moment(NOW, stamped=False)),
        # what the delay explains is not too old
        (NOW - 7200, 7200, Moment(NOW - 7200, stamped=True)),
        # 1970, the wrong zone, a far future
        (120, 5, Moment(NOW - 5, stamped=False)),
        (NOW - 3 * 3600, 0, Moment(NOW, stamped=False)),
        (NOW + 3 * 3600, 7, Moment(NOW - 7, stamped=False)),
        (NOW - 1800, 0, Moment(NOW, stamped=False)),
    ],
)
def test_when_an_event_happened(stamp: int | None, delay: int | None, moment: Moment) -> None:
    assert event_instant(stamp, delay, NOW) == moment


@given(st.none() | st.integers(0, 1 << 32), st.none() | st.integers(-(1 << 32), 1 << 32), st.integers(1 << 29, 1 << 33))
def test_an_event_is_never_later_than_its_receipt_nor_absurdly_old(
    stamp: int | None, delay: int | None, received_at: int
) -> None:
    at = event_instant(stamp, delay, received_at).at
    assert received_at - DELAY_S_MAX - EVENT_BEHIND_S_MAX <= at <= received_at


@pytest.mark.parametrize(
    ("at", "zone", "text"),
    [
        (NOW, "Africa/Nairobi", "2023-11-15T01:13:20+03:00"),
        (NOW, "UTC", "2023-11-14T22:13:20+00:00"),
        (NOW, "America/St_Johns", "2023-11-14T18:43:20-03:30"),
        (1 << 60, "UTC", "9999-12-30T00:00:00+00:00"),
    ],
)
def test_terminate_time_carries_the_offset_of_the_zone(at: int, zone: str, text: str) -> None:
    assert terminate_time(at, zone) == text
