"""The sender against a router that misbehaves on purpose, over real UDP, at a faster pace.

On a busy machine a request may go out once more than it had to: tries and ignored answers are lower bounds here, and
what goes out when is in `test_exchange`.
"""

import threading
from collections.abc import Iterator

import pytest

from coa.codec import Code, Request
from coa.das import Das
from coa.families import WAYS
from coa.outcome import CAUSES, Acked, Answer, Nak, Reason, Refused, Silent, Verdict, meaning
from coa.pace import Pace
from coa.requests import Change, Target, change, disconnect
from coa.sender import Sender
from radius.domain.limits import Limits
from radius.domain.nas import Family
from radius.domain.terms import Rate
from radius.rlm.vendors import CAPABILITIES, capabilities_of
from tests.fakes.router_das import (
    BadSignature,
    Delay,
    Drop,
    Duplicate,
    Elsewhere,
    FakeDas,
    Forge,
    Garbage,
    Late,
    Linger,
    Manners,
    Move,
    Mute,
    Refuse,
    Restart,
)

FAST = Pace(first_wait_s=0.05, wait_s_max=0.15, tries_max=5, total_s_max=2.0)
USER = "0712345678"


@pytest.fixture
def sender() -> Iterator[Sender]:
    made = Sender(FAST)
    yield made
    made.close()


@pytest.fixture
def das() -> Iterator[FakeDas]:
    with FakeDas() as made:
        yield made


def door(das: FakeDas, **options: object) -> Das:
    return Das("127.0.0.1", das.secret, das.port, **options)  # type: ignore[arg-type]


def cut(name: str = "80000001", user: str = USER) -> Request:
    return Request(Code.DISCONNECT_REQUEST, (("Acct-Session-Id", name), ("User-Name", user)))


def ask(sender: Sender, das: FakeDas, request: Request | None = None, **options: object) -> Answer:
    return sender.ask(door(das, **options), request or cut()).result(10)


@pytest.mark.parametrize(
    ("move", "tries", "counted"),
    [
        (None, 1, {}),
        (Drop(1), 2, {}),
        (Drop(3), 4, {}),
        (Elsewhere(), 2, {}),  # the kernel shows us nothing from there
        (Forge(), 2, {"forged": 1}),
        (BadSignature(), 2, {"forged": 1}),
        (Garbage(b""), 2, {"malformed": 1}),
        (Garbage(b"\x29"), 2, {"malformed": 1}),
        (Garbage(b"\x29ID\x00\x14" + bytes(16)), 2, {"forged": 1}),
        (Garbage(b"\x2cID\x00\x14" + bytes(16)), 2, {"foreign": 1}),
        (Garbage(b"\x29ID\x10\x00" + bytes(16)), 2, {"malformed": 1}),
        (Garbage(b"\xff" * 5000), 2, {"foreign": 1}),
        (Garbage(bytes(range(256)), times=2), 3, {"foreign": 2}),
    ],
    ids=repr,
)
def test_lost_and_worthless_answers_only_cost_a_retransmission(
    sender: Sender, das: FakeDas, move: Move | None, tries: int, counted: dict[str, int]
) -> None:
    das.add("80000001")
    if move is not None:
        das.next(move)
    answer = ask(sender, das)
    assert isinstance(answer, Acked)
    assert answer.tries >= tries
    assert das.sessions == {}
    for name, number in counted.items():
        assert getattr(sender.counters, name) >= number
    assert len({heard.data for heard in das.heard}) == 1
    assert len({heard.source for heard in das.heard}) == 1


@pytest.mark.parametrize("cause", [*CAUSES, None, 1, 65_536])
def test_a_refusal_with_each_cause(sender: Sender, das: FakeDas, cause: int | None) -> None:
    das.add("80000001")
    das.next(Refuse(cause, {"NAS-Identifier": "kilimani-03"}))
    answer = ask(sender, das)
    assert isinstance(answer, Nak)
    assert (answer.error_cause, answer.hints) == (cause, ("NAS-Identifier",))
    assert "80000001" in das.sessions


def test_late_answers_and_repeated_ones_are_ignored(sender: Sender, das: FakeDas) -> None:
    das.add("80000001")
    das.next(Delay(0.1))
    first = ask(sender, das)
    assert isinstance(first, Acked)
    assert first.tries > 1
    das.next(Duplicate(3))
    second = ask(sender, das)
    assert isinstance(second, Nak)
    assert second.error_cause == 503
    third = ask(sender, das)  # by now the copies have come too
    assert isinstance(third, Nak)
    assert sender.counters.foreign >= 2


def test_the_ack_lost_and_the_router_forgetful_is_gone_too(sender: Sender) -> None:
    """hostapd 2.10 obeys a retransmission as if it were new: the second time there is no such session."""
    with FakeDas(remembers=False) as das:
        das.add("80000001")
        das.next(Forge())
        answer = ask(sender, das)
        assert isinstance(answer, Nak)
        assert (answer.error_cause, das.sessions) == (503, {})
        assert answer.tries > 1


def test_an_ack_is_believed_though_the_session_stays(sender: Sender, das: FakeDas) -> None:
    """The wire cannot tell; the Stop that never comes will."""
    das.add("80000001")
    das.next(Linger())
    assert isinstance(ask(sender, das), Acked)
    assert "80000001" in das.sessions


def test_a_restart_in_the_middle_ends_as_gone(sender: Sender, das: FakeDas) -> None:
    das.add("80000001")
    das.next(Restart(0.1))
    answer = ask(sender, das)
    assert isinstance(answer, Nak)
    assert meaning(Code.DISCONNECT_REQUEST, answer, WAYS[Family.MIKROTIK]).verdict is Verdict.GONE
    assert answer.tries > 1


def test_an_answer_after_the_next_attempt_is_not_taken_for_its_answer(sender: Sender, das: FakeDas) -> None:
    """The first attempt was obeyed, but its ACK comes only when the second attempt is under way."""
    das.add("80000001")
    das.next(Late())
    first = ask(sender, das)
    assert isinstance(first, Silent)
    second = ask(sender, das)
    assert isinstance(second, Nak)
    assert second.error_cause == 503
    assert sender.counters.foreign >= 1
    assert das.reused() == []


def test_silence(sender: Sender, das: FakeDas) -> None:
    das.next(Mute())
    answer = ask(sender, das)
    assert isinstance(answer, Silent)
    assert (answer.tries, answer.closed, answer.ignored) == (5, False, 0)


def test_forgeries_to_the_end_are_silence_with_a_note(sender: Sender, das: FakeDas) -> None:
    das.next(Garbage(b"\x29ID\x00\x14" + bytes(16), times=99))
    answer = ask(sender, das)
    assert isinstance(answer, Silent)
    assert answer.ignored == answer.tries


@pytest.mark.parametrize(("signed", "stamped"), [(False, False), (True, False), (False, True), (True, True)])
def test_a_router_gets_what_it_wants_or_says_nothing(sender: Sender, *, signed: bool, stamped: bool) -> None:
    with FakeDas(wants_signature=signed, wants_timestamp=stamped) as das:
        das.add("80000001")
        assert isinstance(ask(sender, das, message_authenticator=signed, event_timestamp=stamped), Acked)
        if signed or stamped:
            assert isinstance(ask(sender, das), Silent)
            assert das.refused


def test_a_wrong_secret_is_silence(sender: Sender, das: FakeDas) -> None:
    answer = sender.ask(Das("127.0.0.1", b"other", das.port), cut()).result(10)
    assert isinstance(answer, Silent)
    assert set(das.refused) == {"authenticator"}


def test_answers_that_must_be_signed(sender: Sender) -> None:
    with FakeDas(signs=True) as das:
        assert isinstance(ask(sender, das, message_authenticator=True, reply_signed=True), Nak)
    with FakeDas() as das:
        assert isinstance(ask(sender, das, reply_signed=True), Silent)
        assert sender.counters.unsigned == 5


TARGET = Target(
    acct_session_id="80000001", user_name=USER, device="aabbccddee01", framed_ip="10.0.0.5", nas_ip="192.0.2.1"
)
LIMITS = Limits(
    session_s=7200,
    interim_s=300,
    ends_at=1_700_000_000,
    zone="Africa/Nairobi",
    class_text="wb1.abcdefghijklmnop.0123456789",
    total_bytes=5 << 30,
    rate=Rate(up_bps=2_000_000, down_bps=5_500_000),
)
HABITS = {
    Family.MIKROTIK: Manners.MIKROTIK,
    Family.COOVA: Manners.COOVA,
    Family.USPOT: Manners.USPOT,
    Family.WISPR: Manners.HOSTAPD,
}
MOVED = {
    Family.MIKROTIK: {"Session-Timeout": 7200, "Idle-Timeout": 60, "Mikrotik-Rate-Limit": "2M/5500k", "Port-Limit": 1},
    Family.COOVA: {
        "Session-Timeout": 7200,
        "Acct-Interim-Interval": 300,
        "ChilliSpot-Max-Total-Octets": 1 << 30,
        "ChilliSpot-Max-Total-Gigawords": 1,
        "WISPr-Bandwidth-Max-Up": 2_000_000,
        "WISPr-Bandwidth-Max-Down": 5_500_000,
    },
    Family.USPOT: {"Session-Timeout": 7200, "Idle-Timeout": 60, "Acct-Interim-Interval": 300},
}


@pytest.mark.parametrize("family", HABITS)
def test_a_router_with_the_habits_of_its_family_obeys(sender: Sender, family: Family) -> None:
    """Above all CoovaChilli: what the change does not name (here Idle-Timeout) is gone afterwards."""
    with FakeDas(manners=HABITS[family]) as das:
        das.add("80000001").limits = {"Session-Timeout": 60, "Idle-Timeout": 60}
        built = change(TARGET, LIMITS, WAYS[family], CAPABILITIES[family])
        if family in MOVED:
            assert isinstance(built, Change)
            assert isinstance(ask(sender, das, built.request), Acked)
            assert das.sessions["80000001"].limits == MOVED[family]
        request = disconnect(TARGET, WAYS[family], capabilities_of(family, {}))
        assert isinstance(request, Request)
        assert isinstance(ask(sender, das, request), Acked)
        assert das.sessions == {}
        gone = ask(sender, das, request)
        assert meaning(request.code, gone, WAYS[family]).verdict is Verdict.GONE


def test_ipv6(sender: Sender) -> None:
    answer = sender.ask(Das("::1", b"testing123", 9), cut()).result(10)
    assert answer == Silent(5, answer.waited_s, closed=True)  # type: ignore[union-attr]


def test_what_cannot_be_said_is_refused_at_once(sender: Sender, das: FakeDas) -> None:
    answer = ask(sender, das, Request(Code.DISCONNECT_REQUEST, (("User-Name", "x" * 254),)))
    assert answer == Refused(Reason.MALFORMED, "User-Name", "cannot be sent to a router: too long for one attribute")
    assert das.heard == []


def test_many_threads_many_routers_every_answer_once(sender: Sender) -> None:
    names = [f"{number:08x}" for number in range(150)]
    routers = [FakeDas() for _ in range(4)]
    answers: list[Answer] = []
    for router in routers:
        for name in names:
            router.add(name)
        router.next(Drop(1), Forge(), Delay(0.05), Duplicate(2))
        router.__enter__()

    def work(router: FakeDas) -> None:
        answers.extend([future.result(10) for future in [sender.ask(door(router), cut(name)) for name in names]])

    threads = [threading.Thread(target=work, args=(router,)) for router in routers for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for router in routers:
        router.__exit__(None, None, None)
        assert router.sessions == {}
        assert router.reused() == []
    kinds = [type(answer) for answer in answers]
    assert (len(kinds), kinds.count(Acked)) == (1200, 600)  # each session was cut once, the other thread heard 503
    assert kinds.count(Nak) == 600


def test_closing_answers_what_is_open_and_refuses_what_comes_later() -> None:
    sender = Sender(FAST)
    with FakeDas() as das:
        das.next(Mute())
        future = sender.ask(door(das), cut())
        while not das.heard:
            threading.Event().wait(0.01)
        sender.close()
        assert isinstance(future.result(1), Silent)
        assert ask(sender, das) == Refused(Reason.CANCELLED, detail="the sender is closed")


def test_closing_with_grace_waits_for_a_router_that_answers_and_not_for_one_that_does_not() -> None:
    with FakeDas() as das:
        das.add("80000001")
        das.next(Delay(0.3), Mute())
        sender = Sender(Pace(first_wait_s=5.0))
        late, never = sender.ask(door(das), cut()), sender.ask(door(das), cut("80000002"))
        sender.close(grace_s=1.0)
        assert isinstance(late.result(0), Acked)
        assert isinstance(never.result(0), Silent)
        assert len(das.heard) == 2
        assert ask(sender, das) == Refused(Reason.CANCELLED, detail="the sender is closed")


def test_closing_while_others_send() -> None:
    """Whoever comes too late hears so; nobody waits for ever, and closing twice is nothing."""
    with FakeDas() as das:
        for _ in range(30):
            sender = Sender(FAST)
            answers: list[Answer] = []

            def work(sender: Sender = sender, answers: list[Answer] = answers) -> None:
                futures = [sender.ask(door(das), cut(str(number))) for number in range(20)]
                answers.extend(future.result(10) for future in futures)

            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads:
                thread.start()
            sender.close()
            sender.close()
            for thread in threads:
                thread.join()
            assert len(answers) == 60


def test_a_fault_of_ours_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(str(args.exc_value)))
    sender = Sender(FAST)

    def broken(_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(sender._exchange, "submit", broken)
    with FakeDas() as das:
        futures = [sender.ask(door(das), cut(str(number))) for number in range(3)]
        sender._thread.join(10)
        assert told == ["a fault of ours"]
        closed = Refused(Reason.CANCELLED, detail="the sender is closed")
        assert [future.result(1) for future in futures] == [closed] * 3
        assert ask(sender, das) == closed


def test_cancel(sender: Sender, das: FakeDas) -> None:
    das.next(Mute())
    answers: list[Answer] = []
    over = threading.Event()
    ticket = sender.send(door(das), cut(), lambda answer: (answers.append(answer), over.set())[0])
    sender.cancel(ticket)
    assert over.wait(10)
    assert isinstance(answers[0], Silent | Refused)
    assert len(das.heard) <= 1
