from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as some

from billing.sms.budget import Budget, Budgeted, OwnPurse, Spent, settle, take
from billing.sms.delivery import TABLE, DeliveryState, Report, parse_report
from billing.sms.port import Message, Outcome, Reason, Refused, Sent, Unknown
from billing.sms.segments import segments
from radius.domain.errors import Malformed

TO = "254712345678"
BUDGET = Budget(day_cents=400, reserve_cents=160, segment_cents=80)
NONE_LEFT = Refused(Reason.BUDGET, retryable=True)


@pytest.mark.parametrize(
    ("text", "parts", "gsm"),
    [
        ("", 1, True),
        ("a" * 160, 1, True),
        ("a" * 161, 2, True),
        ("a" * 306, 2, True),
        ("a" * 307, 3, True),
        ("€" * 80, 1, True),
        ("€" * 81, 2, True),
        ("€" * 152, 2, True),  # 76 in a part: no escape is parted from its letter
        ("€" * 153, 3, True),
        ("a" * 159 + "{", 2, True),
        ("ç", 1, False),  # the alphabet has the capital one only
        ("’" + "a" * 69, 1, False),  # noqa: RUF001
        ("’" + "a" * 70, 2, False),  # noqa: RUF001
        ("😀" * 35, 1, False),
        ("😀" * 36, 2, False),
        ("😀" * 66, 2, False),
        ("😀" * 67, 3, False),
    ],
)
def test_parts_of_a_text(text: str, parts: int, gsm: bool) -> None:
    assert segments(text) == (parts, gsm)


@given(some.text(max_size=400), some.text(max_size=20))
def test_more_text_is_never_fewer_parts(text: str, more: str) -> None:
    assert segments(text).parts <= segments(text + more).parts


class Scripted:
    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.sent: list[Message] = []

    def send(self, message: Message) -> Outcome:
        self.sent.append(message)
        return self.outcomes.pop(0)


def test_reminders_stop_before_codes_do() -> None:
    sender = Scripted(*[Sent("x", None)] * 5)
    budgeted = Budgeted(sender, BUDGET, lambda: "2026-11-25", OwnPurse())
    assert [budgeted.send(Message(TO, "reminder")) for _ in range(4)] == [Sent("x"), Sent("x"), Sent("x"), NONE_LEFT]
    codes = [budgeted.send(Message(TO, "code", critical=True)) for _ in range(3)]
    assert codes == [Sent("x"), Sent("x"), NONE_LEFT]
    assert len(sender.sent) == 5


def test_the_account_goes_by_the_gateways_price_and_a_new_day_begins_with_nothing() -> None:
    day = ["2026-11-25"]
    outcomes = [Sent("x", 120), Refused(Reason.NUMBER), Unknown(), Sent("x", 10)]
    purse = OwnPurse()
    budgeted = Budgeted(Scripted(*outcomes), BUDGET, lambda: day[0], purse)
    spent = []
    for _ in range(3):
        budgeted.send(Message(TO, "code", critical=True))
        spent.append(purse.spent.cents)
    assert spent == [120, 120, 200]
    day[0] = "2026-11-26"
    budgeted.send(Message(TO, "code"))
    assert purse.spent == Spent("2026-11-26", 10)


def test_an_answer_after_midnight_is_not_booked_on_the_new_day() -> None:
    today = Spent("2026-11-26", 80)
    assert settle(BUDGET, today, Message(TO, "x"), Sent("x", 500), "2026-11-25") == today


@given(some.lists(some.tuples(some.booleans(), some.integers(1, 4))))
def test_guesses_never_add_up_to_more_than_the_day_has(asked: list[tuple[bool, int]]) -> None:
    spent = Spent()
    for critical, parts in asked:
        taken = take(BUDGET, spent, Message(TO, "a" * 150 * parts, critical), "2026-11-25")
        if isinstance(taken, Spent):
            assert taken.cents <= BUDGET.day_cents - (0 if critical else BUDGET.reserve_cents)
            spent = taken


@pytest.mark.parametrize(
    ("to", "text", "field"),
    [
        ("0712345678", "x", "to"),
        ("+254712345678", "x", "to"),
        (TO, "", "text"),
        (TO, "a" * 919, "text"),
        (TO, "\ud800", "text"),
    ],
)
def test_what_cannot_be_sent_is_no_message_and_is_not_shown(to: str, text: str, field: str) -> None:
    with pytest.raises(Malformed, match=f"{field}: must be") as refused:
        Message(to, text)
    assert "712345678" not in str(refused.value)


def test_a_message_and_a_report_show_neither_phone_nor_text() -> None:
    shown = repr(Message(TO, "secret")) + repr(Report("ATXid_1", TO, DeliveryState.SENT))
    assert TO not in shown
    assert "secret" not in shown


def posted(**fields: str) -> bytes:
    return urlencode({"id": "ATXid_1", "status": "Success", "phoneNumber": "+254712345678", **fields}).encode()


@pytest.mark.parametrize(
    ("status", "reason", "report"),
    [
        ("Sent", "", Report("ATXid_1", TO, DeliveryState.SENT)),
        ("Submitted", "", Report("ATXid_1", TO, DeliveryState.SUBMITTED)),
        ("Buffered", "", Report("ATXid_1", TO, DeliveryState.SUBMITTED)),
        ("Success", "DeliveryFailure", Report("ATXid_1", TO, DeliveryState.DELIVERED)),
        ("Failed", "UserInBlackList", Report("ATXid_1", TO, DeliveryState.FAILED, "UserInBlackList")),
        ("Rejected", "call 0712345678", Report("ATXid_1", TO, DeliveryState.FAILED, "other")),
    ],
)
def test_delivery_reports(status: str, reason: str, report: Report) -> None:
    more = {"networkCode": "63902", "retryCount": "0", **({"failureReason": reason} if reason else {})}
    assert parse_report(posted(status=status, **more)) == report


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "id"),
        (b"\xff", "body"),
        (b"x" * 5_000, "body"),
        (b"a=1&" * 30, "body"),
        (posted(id=""), "id"),
        (posted(id="a\nb"), "id"),
        (posted(id="x" * 129), "id"),
        (posted(phoneNumber="+1555"), "phoneNumber"),
        (posted(status="Exploded"), "status"),
        (posted() + b"&id=other", "id"),
    ],
)
def test_a_report_that_is_none_is_refused_by_field(body: bytes, field: str) -> None:
    with pytest.raises(Malformed, match=f"^{field}: must be"):
        parse_report(body)


def test_what_is_delivered_stays_delivered_in_any_order() -> None:
    assert set(TABLE) == {(state, told) for state in DeliveryState for told in DeliveryState}
    for (state, told), after in TABLE.items():
        assert TABLE[after, told] == after  # a report that comes twice changes nothing
        if DeliveryState.DELIVERED in {state, told}:
            assert after is DeliveryState.DELIVERED
        elif DeliveryState.FAILED in {state, told}:
            assert after is DeliveryState.FAILED
