"""Who is called for an incident, and when: time is an argument."""

import msgspec
import pytest

from billing.domain.brand import NoticeState
from billing.domain.incident import (
    CALL_AGAIN_S,
    CALL_TRIES_MAX,
    LINES_MAX,
    RESTS_AT,
    ROUNDS_MAX,
    Happened,
    Incident,
    Level,
    Roster,
    acknowledged,
    call,
    called,
    check,
    levelled,
    noted,
    opened,
    resolved,
)
from billing.domain.incident_words import WORDS, said
from billing.domain.notice import Quiet, What
from billing.domain.timeline import Alarm, around, entries, markdown
from radius.domain.errors import Malformed
from tests.unit.billing.values import T0

ACK_S = 15 * 60
ROSTER = Roster(("Amina", "Brian", "Otieno"), "Otieno", ACK_S)


def begun(level: Level = Level.DEGRADED) -> Incident:
    return opened(Incident("261125-abcd", level, "slow", "kilimani", What.INTERNET, T0, "mary"))


def calls(incident: Incident, seconds: int, roster: Roster = ROSTER, *, taken: bool = True) -> list[tuple[int, str]]:
    """Whom a worker calls that looks every ten seconds, and when."""
    made = []
    for now in range(T0, T0 + seconds, 10):
        incident, who = call(incident, roster, now)
        if who:
            made.append((now - T0, who))
            if taken:
                incident = called(incident, who, "SMS", incident.turn, roster.ack_s, now)
    return made


def test_who_does_not_acknowledge_in_a_quarter_of_an_hour_is_followed_by_the_next() -> None:
    assert calls(begun(), 2_800) == [(0, "Amina"), (900, "Brian"), (1_800, "Otieno"), (2_700, "Amina")]


def test_an_outage_goes_to_the_senior_at_once() -> None:
    assert calls(begun(Level.OUTAGE), 2_000) == [(0, "Otieno"), (900, "Amina"), (1_800, "Brian")]
    nobody_senior = ROSTER._replace(senior="")
    assert calls(begun(Level.OUTAGE), 100, nobody_senior) == [(0, "Amina")]


def test_the_list_is_gone_through_three_times_and_no_more() -> None:
    made = calls(begun(), 40 * ACK_S)
    assert len(made) == 3 * ROUNDS_MAX
    ended = begun()
    for now in range(T0, T0 + 20 * ACK_S, 60):
        ended, who = call(ended, ROSTER, now)
        ended = called(ended, who, "SMS", ended.turn, ACK_S, now) if who else ended
    assert ended.lines[-1].what is Happened.NOBODY
    assert (ended.call_at, ended.due_at) == (0, RESTS_AT + T0)
    assert ended.open


def test_who_cannot_be_reached_is_tried_again_and_then_the_next_is() -> None:
    made = calls(begun(), 400, taken=False)
    tries = [(at * CALL_AGAIN_S, "Amina") for at in range(CALL_TRIES_MAX)]
    assert made == [*tries, *((180 + at, "Brian") for at in (0, 60, 120)), *((360, "Otieno"),)]
    incident = begun()
    for now in range(T0, T0 + 190, 10):
        incident, _ = call(incident, ROSTER, now)
    assert [(line.what, line.who) for line in incident.lines[1:]] == [(Happened.NOT_REACHED, "Amina")]


def test_with_nobody_on_the_list_that_is_said_once() -> None:
    after, who = call(begun(), Roster((), "", ACK_S), T0)
    assert (who, after.call_at) == ("", 0)
    assert "settings" in after.lines[-1].text


def test_who_acknowledged_or_resolved_is_left_alone() -> None:
    incident, _ = call(begun(), ROSTER, T0)
    seen = acknowledged(incident, "Amina", T0 + 60)
    assert call(seen, ROSTER, T0 + 9_000) == (seen, "")
    assert acknowledged(seen, "Brian", T0 + 70) == seen
    assert seen.due_at > RESTS_AT
    late = called(seen, "Amina", "SMS", seen.turn, ACK_S, T0 + 61)  # the gateway was slower than she
    assert (late.told_at, late.acked_by) == (0, "Amina")
    over = resolved(incident, "Amina", "done", T0 + 60)
    assert call(over, ROSTER, T0 + 9_000) == (over, "")
    for change in (lambda: acknowledged(over, "x", T0 + 99), lambda: resolved(over, "x", "again", T0 + 99)):
        with pytest.raises(Malformed):
            change()


def test_what_becomes_an_outage_calls_the_senior_although_somebody_sees_to_it() -> None:
    seen = acknowledged(begun(), "Amina", T0 + 60)
    worse = levelled(seen, Level.OUTAGE, "Amina", T0 + 120)
    assert call(worse, ROSTER, T0 + 120)[1] == "Otieno"
    better = levelled(acknowledged(worse, "Otieno", T0 + 130), Level.DEGRADED, "Otieno", T0 + 140)
    assert (better.acked_by, better.level) == ("Otieno", Level.DEGRADED)
    assert levelled(seen, Level.DEGRADED, "Amina", T0 + 120) == seen


def test_a_call_that_lands_late_does_not_give_the_next_person_more_time() -> None:
    first, _ = call(begun(), ROSTER, T0)
    first = called(first, "Amina", "SMS", first.turn, ACK_S, T0)
    second, who = call(first, ROSTER, T0 + ACK_S)
    assert who == "Brian"
    assert called(second, "Amina", "SMS", 0, ACK_S, T0 + ACK_S + 1).told_at == 0


@pytest.mark.parametrize("change", [{"title": ""}, {"title": "x" * 101}, {"title": "a\nb"}, {"ticket": "x" * 201}])
def test_what_cannot_be_kept_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        check(msgspec.structs.replace(begun(), **change))


def test_lines_have_an_end_and_calls_do_not_need_room() -> None:
    incident = begun()
    for at in range(LINES_MAX - 1):
        incident = noted(incident, T0 + at, "mary", Happened.NOTE, "x")
    with pytest.raises(Malformed):
        noted(incident, T0, "mary", Happened.NOTE, "x")
    with pytest.raises(Malformed):
        noted(begun(), T0, "mary", Happened.NOTE, "x" * 501)
    assert called(incident, "Amina", "SMS", 0, ACK_S, T0).lines[-1].who == "Amina"


def test_pages_have_words_for_each_state_in_both_languages() -> None:
    for (state, about), words in WORDS.items():
        english, swahili = said(state, about, "14:30")
        assert "14:30" in english
        assert "14:30" in swahili
        assert len(words) == 2
    with pytest.raises(KeyError):
        said(NoticeState.PLANNED, What.INTERNET, "14:30")


def test_a_timeline_has_the_alarms_around_and_no_others() -> None:
    over = resolved(begun(), "mary", "spliced | done", T0 + 1_800)
    alarms = [Alarm(T0 + at, "RouterDown", "down") for at in (-4_000, -3_000, 0, 2_300, 2_500)]
    kept = around(over, alarms, T0 + 9_000)
    assert [each.at - T0 for each in kept] == [-3_000, 0, 2_300]
    text = markdown(over, entries(over, kept, ()))
    assert "| 2026-11-25 12:10:00 | 09:10:00 | alarm |  | RouterDown: down |" in text
    assert "spliced \\| done" in text
    assert "- resolved: 2026-11-25 13:30:00 by mary, after 0 h 30 min" in text
    assert "- acknowledged: no" in text


@pytest.mark.parametrize(
    ("quiet", "hour", "until"),
    [(Quiet(), 22, 8), (Quiet(), 7, 8), (Quiet(), 13, 0), (Quiet(12, 14), 13, 14), (Quiet(8, 8), 9, 0)],
)
def test_nights_go_over_midnight(quiet: Quiet, hour: int, until: int) -> None:
    now = T0 + (hour - 13) * 3_600
    found = quiet.until(now, "Africa/Nairobi")
    assert (found - T0) % 86_400 == ((until - 13) * 3_600) % 86_400 if until else found == 0
    assert found == 0 or now < found <= now + 86_400
