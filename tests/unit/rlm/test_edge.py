"""What each hook answers in FreeRADIUS's own words, counts and logs: over the real services and the memory store."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from radius import log as logs
from radius.domain.clock import ClockGuard
from radius.domain.errors import Unavailable
from radius.domain.identity import NasId, SubscriberId
from radius.domain.nas import Family, Language, PortPair, Router, Site
from radius.domain.terms import ExtraDevice
from radius.metrics import Recording
from radius.rlm import messages
from radius.rlm.attributes import Pairs
from radius.rlm.clocks import Clocks
from radius.rlm.edge import Edge
from radius.rlm.exit import Rcode, Reply
from radius.services.watch import Watch
from tests.unit.domain.builders import MIB, T0, day_terms
from tests.unit.services.wired import PASSWORD, SECRET, Node, access_request, second_device

FROM = (("Packet-Src-IP-Address", "10.8.0.2"), ("Tmp-String-0", "kilimani-03"), ("Tmp-String-2", "A"))
SILENCE = {"config": (("Response-Packet-Type", ":=", "Do-Not-Respond"),)}
MAC = "AA:BB:CC:DD:EE:01"


def login(name: str = "0712345678", password: str = PASSWORD, *more: tuple[str, str]) -> Pairs:
    """An Access-Request; `more` goes before all else, and the first of a name counts."""
    return (
        *more,
        ("User-Name", name),
        ("User-Password", password),
        ("Calling-Station-Id", MAC),
        ("Acct-Session-Id", "81c00001"),
        ("Message-Authenticator", "0x00"),
        *FROM,
    )


def when(at: int) -> str:
    return time.strftime("%b %d %Y %H:%M:%S UTC", time.gmtime(at))


def packet(status: str, at: int, *more: tuple[str, str], used: tuple[int, int] = (0, 0), time_s: int = 0) -> Pairs:
    return (
        *more,
        ("Acct-Status-Type", status),
        ("User-Name", "0712345678"),
        ("Calling-Station-Id", MAC),
        ("Acct-Session-Id", "81c00001"),
        ("Event-Timestamp", when(at)),
        ("Acct-Input-Octets", str(used[0])),
        ("Acct-Output-Octets", str(used[1])),
        ("Acct-Session-Time", str(time_s)),
        *FROM,
    )


class Door:
    """An edge with everything real behind it but the store's disk and the clocks."""

    def __init__(self, folder: Path) -> None:
        self.node = Node()
        self.metrics = Recording()
        self.watch = Watch(lambda: self.node.now)
        self.room = True
        self.rung: list[SubscriberId] = []
        self._path = folder / "log"
        self._log = logs.open_log(self._path, strict=True)
        self.pseudonyms = logs.Pseudonyms(self.node.keys.subkey("pseudonym"))
        clocks = Clocks(
            lambda: self.node.now, self.node.monotonic, self.node.monotonic, ClockGuard(0, T0 - 10), lambda: False
        )
        self.edge = Edge(
            self.node.access,
            self.node.accounting,
            self.node.directory,
            self.watch,
            clocks,
            self.metrics,
            self._log.logger,
            self.pseudonyms,
            0.5,
            lambda: self.room,
            self.rung.append,
        )

    def authorize(self, pairs: Pairs) -> Reply:
        return self.edge.authorize(pairs, self.edge.request_id())

    def authenticate(self, pairs: Pairs) -> Reply:
        return self.edge.authenticate(pairs, self.edge.request_id())

    def post_auth(self, pairs: Pairs) -> Reply:
        return self.edge.post_auth(pairs, self.edge.request_id())

    def accounting(self, pairs: Pairs) -> Reply:
        return self.edge.accounting(pairs, self.edge.request_id())

    def close(self) -> None:
        self._log.sink.close()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._path.read_text().splitlines()]

    def token(self, reply: Reply) -> tuple[str, str]:
        """What authorize left in the request for the hooks that follow."""
        ((name, operator, value),) = reply[1]["request"]
        assert (name, operator) == ("Tmp-String-1", ":=")
        return name, value

    def log_in(self) -> dict[str, str]:
        """Through all hooks; the attributes of the accept."""
        token = self.token(self.authorize(login()))
        code, lists = self.post_auth(login("0712345678", PASSWORD, token))
        assert code == Rcode.UPDATED
        return {name: value for name, _, value in lists["reply"]}


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.close()


# -- authorize ---------------------------------------------------------------------------------------------------


def test_the_clear_secret_is_handed_to_freeradius(door: Door) -> None:
    door.node.customer()
    code, lists = door.authorize(login())
    assert code == Rcode.UPDATED
    assert lists["config"] == (("Cleartext-Password", ":=", PASSWORD),)
    assert set(lists) == {"config", "request"}
    assert (door.lines, dict(door.metrics.counts)) == ([], {}), "one line a packet: at its end"


def test_what_only_we_can_check_comes_back_to_us(door: Door) -> None:
    door.node.customer(hashed=True)
    reply = door.authorize(login())
    assert (reply[0], reply[1]["config"]) == (Rcode.UPDATED, (("Auth-Type", ":=", "wifibilling"),))
    token = door.token(reply)
    assert door.authenticate(login("0712345678", PASSWORD, token)) == (Rcode.OK, {})
    assert door.authenticate(login("0712345678", "wrong", token)) == (Rcode.REJECT, {})
    assert door.authenticate((("User-Name", ""),)) == (Rcode.REJECT, {})


def test_a_secret_that_cannot_be_checked_now_is_unanswered(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.node.customer(hashed=True)
    token = door.token(door.authorize(login()))

    def too_many(_: str, __: str) -> bool:
        raise Unavailable("too many passwords are being checked at once")

    monkeypatch.setattr("radius.secrets.verify_password", too_many)
    assert door.authenticate(login("0712345678", PASSWORD, token)) == (Rcode.HANDLED, SILENCE)
    assert door.lines[-1]["details"]["reason"] == "secret unchecked"


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (login("0712345678", PASSWORD, ("Tmp-String-0", "nowhere")), "unknown router"),
        (tuple(pair for pair in login() if pair[0] != "Message-Authenticator"), "no Message-Authenticator"),
    ],
)
def test_silence_is_a_packet_that_is_not_answered(door: Door, request_: Pairs, why: str) -> None:
    door.node.customer()
    assert door.authorize(request_) == (Rcode.HANDLED, SILENCE)
    line = door.lines[-1]
    assert (line["level"], line["message"], line["details"]["reason"]) == ("WARN", "Access unanswered", why)
    assert door.metrics.total("AccessSilent") == 1


def test_a_router_that_sends_no_message_authenticator_is_listed_by_name(door: Door) -> None:
    door.authorize(tuple(pair for pair in login() if pair[0] != "Message-Authenticator"))
    fix = "RouterOS 7.15 or later: /radius set [find] require-message-auth=yes-for-request-resp"
    [(name, count, at, why)] = door.watch.take_unheard()
    assert (name, count, at) == ("kilimani-03", 1, T0)
    assert why.startswith(f"no Message-Authenticator: {fix}")
    assert door.lines[-1]["details"]["reason"] == "no Message-Authenticator"
    assert door.lines[-1]["details"]["fix"].startswith(fix)
    assert door.metrics.total("MissingMessageAuthenticator") == 1
    assert door.watch.take_pairs() == {}, "nothing proves the secret of this pair of ports"


def test_a_verified_message_authenticator_proves_the_pair_of_ports(door: Door) -> None:
    door.authorize(login())
    assert door.watch.take_pairs() == {"kilimani-03": PortPair.A}
    door.authorize(login("0712345678", PASSWORD, ("Tmp-String-3", "inner")))
    assert door.watch.take_pairs() == {}, "inside a tunnel it is the outer packet's"


@pytest.mark.parametrize("hook", ["authorize", "post_auth"])
@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (("User-Name", " "), "User-Name"),
        (("CHAP-Password", "0x12"), "CHAP-Password"),
        (("Tmp-String-2", "C"), "Tmp-String-2"),
    ],
)
def test_what_cannot_be_is_refused_counted_and_named(door: Door, hook: str, bad: tuple[str, str], field: str) -> None:
    pairs = tuple(pair for pair in login() if pair[0] != "User-Password")
    code, lists = getattr(door, hook)((bad, *pairs))
    assert code == Rcode.REJECT
    assert lists["reply"][0][0] == "Reply-Message"
    assert door.metrics.total("MalformedPackets") == 1
    assert door.metrics.total("AccessRejects", Reason="malformed") == 1
    assert door.lines[-1]["details"]["setting"] == field


def test_a_guesser_is_slowed_and_not_told_apart_from_who_is_wrong(door: Door) -> None:
    for number in range(10):
        door.authorize(login(f"code-{number:04d}"))
    code, lists = door.authorize(login("code-9999"))
    assert code == Rcode.REJECT
    assert lists == {"reply": (("Reply-Message", ":=", messages.text("bad_credentials", Language.ENGLISH)),)}
    assert door.metrics.total("AccessRejects", Reason="too_many_attempts") == 1
    assert door.lines[-1]["details"]["reason"] == "too_many_attempts"


WALK = 15  # beyond both limits of one device: 6 wrong secrets of a name, 10 unknown names


@pytest.mark.parametrize("method", ["User-Password", "CHAP-Password", "MS-CHAP2-Response", "EAP-Message"])
@pytest.mark.parametrize("hashed", [False, True])
def test_a_known_and_an_unknown_name_answer_alike_however_often_they_are_tried(
    door: Door, method: str, hashed: bool
) -> None:
    door.node.customer(hashed=hashed)
    value = {"User-Password": "wrong", "CHAP-Password": "0x" + "00" * 17}.get(method, "0x00")
    pairs = tuple(pair for pair in login() if pair[0] not in ("User-Name", "User-Password"))

    def walk(name: str) -> list[object]:
        return [wire(door, (("User-Name", name), (method, value), *pairs)) for _ in range(WALK)]

    assert walk("0712345678") == walk("0799999999")
    reasons = [line["details"]["reason"] for line in door.lines]
    unsupported = hashed and method != "User-Password"
    assert (
        reasons[:WALK] == ["method_unsupported" if unsupported else "bad_credentials"] * 6 + ["too_many_attempts"] * 9
    )
    assert reasons[WALK:] == ["bad_credentials"] * 10 + ["too_many_attempts"] * 5


def wire(door: Door, pairs: Pairs) -> object:
    """What the caller can see of a wrong secret: FreeRADIUS's modules refuse it, unless we did before them."""
    code, lists = door.authorize(pairs)
    by_module = any(name in ("MS-CHAP2-Response", "EAP-Message") for name, _ in pairs)
    if code == Rcode.REJECT:
        assert not by_module, "such a refusal would lack MS-CHAP-Error"
        return lists["reply"]
    token = next(("Tmp-String-1", value) for _, _, value in lists["request"])
    code, lists = door.post_auth((token, ("Tmp-String-4", "rejected"), *pairs))
    assert code == Rcode.REJECT
    return lists["reply"]


# -- post_auth ---------------------------------------------------------------------------------------------------


def test_an_accept_in_the_words_of_the_router(door: Door) -> None:
    door.node.customer()
    attributes = door.log_in()
    assert {name: attributes.get(name) for name in ("Session-Timeout", "Acct-Interim-Interval")} == {
        "Session-Timeout": "86400",
        "Acct-Interim-Interval": "300",
    }
    assert attributes["Mikrotik-Total-Limit"] == str(100 * MIB)
    assert attributes["Class"].startswith("0x")
    assert door.metrics.total("AccessAccepts") == 1
    assert len(door.metrics.observations["AuthLatency"]) == 1


def test_one_line_tells_of_an_accept_and_names_nobody(door: Door) -> None:
    door.node.customer()
    door.log_in()
    (line,) = door.lines
    assert (line["level"], line["message"]) == ("INFO", "Access accepted")
    assert line["requestId"]
    assert line["userId"].startswith("user_")
    assert {key: line["details"][key] for key in ("nas", "site", "method", "service", "session_s", "total_bytes")} == {
        "nas": "kilimani-03",
        "site": "kilimani",
        "method": "pap",
        "service": "hotspot",
        "session_s": 86_400,
        "total_bytes": 100 * MIB,
    }
    assert "712345678" not in json.dumps(line)
    assert "aabbccddee01" not in json.dumps(line)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (Language.ENGLISH, messages.text("bad_credentials", Language.ENGLISH)),
        (Language.SWAHILI, messages.text("bad_credentials", Language.SWAHILI)),
    ],
)
@pytest.mark.parametrize("name", ["0712345678", "0799999999"])
def test_a_wrong_secret_and_an_unknown_name_look_alike(door: Door, name: str, language: Language, text: str) -> None:
    door.node.provision.site(Site("kilimani", language=language))
    door.node.directory.refresh(T0, door.node.deadline)
    door.node.customer()
    token = door.token(door.authorize(login(name, "wrong")))
    rejected = ("Tmp-String-4", "rejected")
    assert door.post_auth(login(name, "wrong", token, rejected)) == (
        Rcode.REJECT,
        {"reply": (("Reply-Message", ":=", text),)},
    )
    assert door.metrics.total("AccessRejects", Reason="bad_credentials") == 1


def test_a_reject_by_somebody_else_is_told_and_counts_nobodys_guess(door: Door) -> None:
    door.node.customer()
    rejected = ("Tmp-String-4", "rejected")
    assert door.post_auth(login("0712345678", "wrong", rejected))[0] == Rcode.REJECT
    assert door.lines[-1]["details"]["reason"] == "bad_credentials"
    assert len(door.node.guard._wrong_name) == 0


def test_a_refusal_of_policy_says_why(door: Door) -> None:
    door.node.provision.customer(["0712345678"], PASSWORD, T0)
    token = door.token(door.authorize(login()))
    code, lists = door.post_auth(login("0712345678", PASSWORD, token))
    assert (code, lists["reply"][0][2]) == (Rcode.REJECT, "You have no active package. Buy one to go online.")
    assert door.lines[-1]["details"]["reason"] == "no_package"


def test_on_a_small_lease_while_the_store_is_away(door: Door) -> None:
    door.node.customer(terms=day_terms(quota_bytes=500 * MIB))
    door.authorize(login())
    door.node.store.faults.before = lambda _: True
    assert door.log_in()["Session-Timeout"] == "600"
    assert door.metrics.total("DegradedAccepts") == 1
    assert door.lines[-1]["details"]["degraded"] is True
    token = door.token(door.authorize(login()))
    assert door.post_auth(login("0712345678", PASSWORD, token)) == (Rcode.HANDLED, SILENCE)


# -- accounting --------------------------------------------------------------------------------------------------


def test_a_session_is_acknowledged_counted_and_told_of(door: Door) -> None:
    found = door.node.customer()
    door.log_in()
    assert door.accounting(packet("Start", T0)) == (Rcode.OK, {})
    door.node.pass_time(300)
    assert door.accounting(packet("Interim-Update", T0 + 300, used=(1000, 9000), time_s=300)) == (Rcode.OK, {})
    door.node.pass_time(300)
    cause = ("Acct-Terminate-Cause", "User-Request")
    stop = packet("Stop", T0 + 600, cause, used=(2000, 18_000), time_s=600)
    assert [door.accounting(stop) for _ in range(2)] == [(Rcode.OK, {})] * 2
    totals = {name: door.metrics.total(name) for name in ("NewSessions", "TerminatedSessions", "DataUsage")}
    assert totals == {"NewSessions": 1, "TerminatedSessions": 1, "DataUsage": 20_000}
    assert door.metrics.observations["SessionDuration"] == [600]
    assert [door.metrics.total("AccountingPackets", Kind=kind) for kind in ("start", "interim", "stop")] == [1, 1, 2]
    packets = [line["details"] for line in door.lines if line["message"] == "Accounting"]
    assert [(one["packet"], one["outcome"]) for one in packets] == [
        ("start", "counted"),
        ("interim", "counted"),
        ("stop", "counted"),
        ("stop", "known"),
    ]
    session = door.node.home(found).sessions[0]
    assert {one["session"] for one in packets} == {session.uid}
    assert [(one["in_bytes"], one["out_bytes"]) for one in packets] == [
        (0, 0),
        (1000, 9000),
        (2000, 18_000),
        (2000, 18_000),
    ]
    (ended,) = [line for line in door.lines if line["message"] == "Session terminated"]
    *_, stopped, repeated = [line for line in door.lines if line["message"] == "Accounting"]
    assert ended["requestId"] == stopped["requestId"] != repeated["requestId"], "one packet, one id"
    assert {key: ended["details"][key] for key in ("duration", "in_bytes", "out_bytes", "cause")} == {
        "duration": 600,
        "in_bytes": 2000,
        "out_bytes": 18_000,
        "cause": "User-Request",
    }


def test_counters_that_cannot_be_are_told_with_their_router(door: Door) -> None:
    found = door.node.customer()
    door.log_in()
    door.node.pass_time(300)
    assert door.accounting(packet("Interim-Update", T0 + 300, used=(1000, 9000), time_s=1_700_000_000)) == (
        Rcode.OK,
        {},
    )
    (warned,) = [line for line in door.lines if line["message"] == "Counters not believed"]
    assert (warned["level"], warned["details"]["nas"]) == ("WARN", "kilimani-03")
    assert door.node.home(found).rights[0].used_s == 300


def test_what_goes_beyond_the_right_is_counted(door: Door) -> None:
    door.node.customer(terms=day_terms(quota_bytes=1000))
    door.log_in()
    door.node.pass_time(300)
    door.accounting(packet("Interim-Update", T0 + 300, used=(700, 700), time_s=300))
    assert door.metrics.total("OverspendBytes") == 400


def test_the_bell_rings_when_an_intent_was_committed_and_only_then(door: Door) -> None:
    found = door.node.customer(terms=day_terms(quota_bytes=1000))
    door.log_in()
    door.node.pass_time(300)
    door.accounting(packet("Interim-Update", T0 + 300, used=(400, 400), time_s=300))
    assert door.rung == []
    door.node.pass_time(300)
    spent = packet("Interim-Update", T0 + 600, used=(500, 500), time_s=600)
    door.accounting(spent)
    door.accounting(spent)
    assert door.rung == [found]


def test_the_bell_rings_when_a_log_in_takes_the_slot_of_another_device(door: Door) -> None:
    found = door.node.customer(terms=day_terms(extra_device=ExtraDevice.REPLACE_OLDEST))
    door.node.log_in(second_device(access_request()))
    assert door.rung == []
    door.log_in()
    assert door.rung == [found]


def test_octets_are_turned_for_a_router_that_takes_the_clients_view(door: Door) -> None:
    overrides: dict[str, str | bool] = {"octet_view": "client"}
    router = Router(NasId("kilimani-03"), "kilimani", Family.COOVA, ("10.8.0.2",), overrides=overrides)
    door.node.directory.put([router], [], {}, (), T0)
    found = door.node.customer()
    door.log_in()
    door.node.pass_time(300)
    door.accounting(packet("Interim-Update", T0 + 300, used=(9000, 1000), time_s=300))
    session = door.node.home(found).sessions[0]
    assert (session.in_bytes, session.out_bytes) == (1000, 9000)


@pytest.mark.parametrize("status", ["Accounting-On", "Accounting-Off"])
def test_a_boot_is_acknowledged(door: Door, status: str) -> None:
    pairs = (("Acct-Status-Type", status), ("Event-Timestamp", when(T0)), *FROM)
    assert door.accounting(pairs) == (Rcode.OK, {})
    assert door.node.directory.boots == {"kilimani-03": T0}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("Tmp-String-0", "nowhere"), {"nas": "nowhere", "reason": "unknown router"}),
        (
            ("Acct-Session-Time", "soon"),
            {"nas": "kilimani-03", "reason": "malformed", "setting": "Acct-Session-Time"},
        ),
    ],
)
def test_what_cannot_be_counted_goes_to_the_spool_and_says_whose_it_is(
    door: Door, more: tuple[str, str], says: dict[str, str]
) -> None:
    found = door.node.customer()
    start = packet("Start", T0, more, ("Class", door.log_in()["Class"]))
    assert door.accounting(start) == (Rcode.NOOP, {})
    line = door.lines[-1]
    took = line["details"].pop("took_us")
    assert (line["level"], line["message"], took >= 0) == ("WARN", "Accounting spooled", True)
    assert line["details"] == {"spooled": True, **says}
    assert line["userId"] == door.pseudonyms.of("user", found)
    assert door.metrics.total("SpooledPackets") == 1
    assert door.metrics.total("AccountingUnanswered") == 0


def test_a_store_that_is_away_sends_it_to_the_spool_and_a_full_disk_leaves_it_to_the_router(door: Door) -> None:
    door.node.customer()
    door.node.store.faults.before = lambda _: True
    assert door.accounting(packet("Start", T0)) == (Rcode.NOOP, {})
    door.room = False
    assert door.accounting(packet("Start", T0)) == (Rcode.NOOP, SILENCE)
    assert door.metrics.total("AccountingUnanswered") == 1
    assert door.metrics.total("SpooledPackets") == 1, "what was left to the router is in no spool"
    assert [line["details"]["spooled"] for line in door.lines] == [True, False]


def test_what_is_no_session_is_answered(door: Door) -> None:
    assert door.accounting(packet("Failed", T0)) == (Rcode.OK, {})
    assert door.metrics.total("AccountingPackets", Kind="other") == 1


# -- every line names its packet -----------------------------------------------------------------------------------


def test_every_line_has_the_id_of_its_packet(door: Door) -> None:
    door.node.customer()
    door.node.provision.customer(["0711111111"], PASSWORD, T0, hashed=True)
    door.log_in()
    token = door.token(door.authorize(login("0712345678", "wrong")))
    door.post_auth(login("0712345678", "wrong", token, ("Tmp-String-4", "rejected")))
    assert door.lines[-1]["requestId"] == token[1], "what joins the hooks of one packet is its id"
    own_device = ("Calling-Station-Id", "AA:BB:CC:DD:EE:77")
    chap = tuple(pair for pair in login("0711111111", "", own_device) if pair[0] != "User-Password")
    door.authorize((("CHAP-Password", "0x" + "00" * 17), *chap))
    door.authorize(login(" "))
    door.authorize(login("0712345678", PASSWORD, ("Tmp-String-0", "nowhere")))
    for status in ("Start", "Failed", "Accounting-On"):
        door.accounting(packet(status, T0))
    door.accounting(packet("Start", T0, ("Acct-Session-Time", "soon")))
    ids = [line["requestId"] for line in door.lines]
    assert len(ids) == 9
    assert len(set(ids)) == 9
    assert all(ids)


@pytest.mark.parametrize("token", [(), (("Tmp-String-1", "the-token"),)])
def test_a_hook_that_failed_is_told_with_its_router_and_its_packet(door: Door, token: Pairs) -> None:
    door.edge.failed("post_auth", login("0712345678", PASSWORD, *token), "of-the-hook", ZeroDivisionError("0712345678"))
    line = door.lines[-1]
    assert (line["level"], line["message"]) == ("ERROR", "Hook failed")
    assert line["requestId"] == ("the-token" if token else "of-the-hook")
    assert line["details"] == {
        "nas": "kilimani-03",
        "operation": "post_auth",
        "error": "ZeroDivisionError",
        "trace": "",
    }
    assert door.metrics.total("HookErrors", Hook="post_auth") == 1


@pytest.mark.parametrize("pairs", [None, 5, ("User-Name",), (("User-Name", "a", "b"),)])
def test_a_hook_that_failed_on_what_is_no_request_is_told_too(door: Door, pairs: Any) -> None:
    door.edge.failed("accounting", pairs, "of-the-hook", TypeError())
    assert door.lines[-1]["requestId"] == "of-the-hook"


# -- a wrong clock -----------------------------------------------------------------------------------------------


def test_nothing_is_granted_or_counted_on_a_clock_that_is_known_to_be_wrong(door: Door) -> None:
    found = door.node.customer()
    token = door.token(door.authorize(login()))
    door.node.now = 0
    before = door.node.version(found)
    assert door.authorize(login()) == (Rcode.HANDLED, SILENCE)
    assert door.post_auth(login("0712345678", PASSWORD, token)) == (Rcode.HANDLED, SILENCE)
    assert door.accounting(packet("Start", T0)) == (Rcode.NOOP, {})
    assert door.node.version(found) == before
    assert {line["details"]["reason"] for line in door.lines} == {"clock"}
    assert door.metrics.total("ClockSuspect", Reason="below_floor") == 3


# -- clients -----------------------------------------------------------------------------------------------------


def test_who_speaks_from_an_address(door: Door) -> None:
    assert door.edge.client(FROM) == (
        Rcode.OK,
        {
            "config": (
                ("FreeRADIUS-Client-IP-Address", ":=", "10.8.0.2"),
                ("FreeRADIUS-Client-Shortname", ":=", "kilimani-03"),
                ("FreeRADIUS-Client-Secret", ":=", SECRET),
            )
        },
    )


def test_a_router_over_ipv6(door: Door) -> None:
    six = Router(NasId("six"), "kilimani", Family.MIKROTIK, ("2001:db8::5",))
    door.node.provision.router(six, SECRET)
    door.node.directory.refresh(T0, door.node.deadline)
    code, lists = door.edge.client((("Packet-Src-IPv6-Address", "2001:db8::5"), ("Tmp-String-2", "A")))
    assert code == Rcode.OK
    assert lists["config"][0] == ("FreeRADIUS-Client-IPv6-Address", ":=", "2001:db8::5")


@pytest.mark.parametrize("pairs", [(("Packet-Src-IP-Address", "192.0.2.9"),), (*FROM[:2], ("Tmp-String-2", "B"))])
def test_a_stranger_or_the_wrong_pair_of_ports_gets_silence_and_is_listed(door: Door, pairs: Pairs) -> None:
    assert door.edge.client(pairs) == (Rcode.NOTFOUND, {})
    assert door.watch.take_unheard() == [(pairs[0][1], 1, T0, "unknown source")]
    assert door.metrics.total("UnknownSources") == 1
