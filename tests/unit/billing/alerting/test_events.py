"""One message per event and one when it is over, whatever flaps, grows or comes back."""

import msgspec

from billing.alerting.events import NAMED_MAX, OVER_S, Event, Notice, Wrong, step

T0, MINUTE_S = 1_800_000_000, 60
FULL = {"DiskFull": Wrong("the disk is 81 % full")}


def routers(*names: str) -> dict[str, Wrong]:
    return {"RouterDown": Wrong("routers are down", frozenset(names), gather_s=180)} if names else {}


class Evening:
    """Looks once a minute."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = T0
        self.told: list[Notice] = []

    def look(self, wrong: dict[str, Wrong], minutes: int = 1) -> list[Notice]:
        told = []
        for _ in range(minutes):
            before = msgspec.json.encode(self.events)
            events, notices = step(self.events, wrong, self.now)
            assert msgspec.json.encode(self.events) == before  # what it was given is as it was
            self.events = events
            told += notices
            self.now += MINUTE_S
        return told


def test_what_lasts_is_told_once_and_once_when_it_is_over() -> None:
    evening = Evening()
    assert evening.look(FULL, 30) == [Notice("DiskFull", "the disk is 81 % full", critical=True)]
    (over,) = evening.look({}, 30)
    assert over.title == "DiskFull is over"
    assert over.text.startswith("over after 31 min: the disk is 81 % full")
    assert evening.events == []
    assert len(evening.look(FULL, 5)) == 1  # again is another event


def test_what_flaps_is_told_once() -> None:
    evening = Evening()
    told = [notice for _ in range(10) for notice in (*evening.look(FULL), *evening.look({}))]
    assert [notice.title for notice in told] == ["DiskFull"]


def test_a_thousand_routers_behind_one_dead_uplink_are_one_message() -> None:
    evening = Evening()
    names = [f"gate-{number:04}" for number in range(1000)]
    told = [
        *evening.look(routers(*names[:1])),
        *evening.look(routers(*names[:400])),
        *evening.look(routers(*names), 60),
    ]
    (notice,) = told
    assert notice.text == f"routers are down (1000: {', '.join(names[:NAMED_MAX])} and 995 more)"
    back = [*evening.look(routers(*names[500:]), 3), *evening.look(routers(names[999]), 3), *evening.look({}, 5)]
    assert [each.title for each in back] == ["RouterDown is over"]


def test_one_that_falls_an_hour_later_is_an_event_of_its_own() -> None:
    evening = Evening()
    assert len(evening.look(routers("a"), 60)) == 1
    (second,) = evening.look(routers("a", "b"), 10)
    assert second.text == "routers are down (1: b)"
    (over,) = evening.look(routers("b"), 5)
    assert over.text.endswith("(1: a)")
    (over,) = evening.look({}, 5)
    assert over.text.endswith("(1: b)")


def test_what_heals_before_it_was_told_is_not_told() -> None:
    evening = Evening()
    assert evening.look(routers("a"), 2) + evening.look({}, 10) == []
    assert evening.events == []


def test_events_outlive_a_restart() -> None:
    evening = Evening()
    evening.look(FULL, 3)
    evening.events = msgspec.json.decode(msgspec.json.encode(evening.events), type=list[Event])
    assert evening.look(FULL, 3) == []
    assert [each.title for each in evening.look({}, OVER_S // MINUTE_S + 2)] == ["DiskFull is over"]
