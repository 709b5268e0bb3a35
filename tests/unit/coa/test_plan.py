"""From a wish to the request of each family, and where a router is reached."""

import pytest

from coa.codec import Code, Request
from coa.families import WAYS
from coa.outcome import Reason, Refused
from coa.plan import plan, record_of
from coa.reach import address_of, das_of, road
from coa.requests import Target
from radius.domain.identity import NasId, SessionUid
from radius.domain.intent import IntentReason
from radius.domain.limits import Limits
from radius.domain.nas import Family, Router
from radius.domain.terms import Rate
from radius.domain.wanted import MOVABLE, Cut, Owed
from radius.rlm.vendors import CAPABILITIES
from tests.contract.values import record
from tests.unit.services.wired import SECRET, Node

TARGET = Target("80000001", "0712345678", "aabbccddee01", "10.0.0.5", "192.0.2.1")
LIMITS = Limits(3600, 300, 0, "Africa/Nairobi", "wb1.a.b", total_bytes=10**9, rate=Rate(64_000, 128_000))
CUT = Cut(IntentReason.QUOTA)


def planned(family: Family, moved: set[str], *, cut: bool = False) -> Request | Refused | None:
    return plan(Owed(LIMITS, frozenset(moved)), TARGET, WAYS[family], CAPABILITIES[family], cut=cut)


@pytest.mark.parametrize(
    ("family", "moved", "code"),
    [
        (Family.COOVA, set(MOVABLE), Code.COA_REQUEST),
        (Family.COOVA, set(), Code.COA_REQUEST),
        (Family.MIKROTIK, {"rate"}, Code.COA_REQUEST),
        (Family.MIKROTIK, set(), Code.COA_REQUEST),
        (Family.MIKROTIK, {"rate", "total_bytes"}, Code.DISCONNECT_REQUEST),
        (Family.MIKROTIK, {"idle_s"}, Code.DISCONNECT_REQUEST),  # it is lifted, and RouterOS keeps what is not named
        (Family.USPOT, set(), Code.COA_REQUEST),
        (Family.USPOT, {"rate"}, Code.DISCONNECT_REQUEST),
        (Family.USPOT, {"devices"}, Code.COA_REQUEST),  # it was never told
        (Family.RUCKUS, {"rate"}, Code.DISCONNECT_REQUEST),
        (Family.RUCKUS, {"total_bytes"}, None),
        (Family.ARUBA, set(MOVABLE), None),
        (Family.ARUBA, set(), None),
    ],
)
def test_what_each_family_is_told(family: Family, moved: set[str], code: Code | None) -> None:
    asked = planned(family, moved)
    assert (asked.code if isinstance(asked, Request) else asked) == code


@pytest.mark.parametrize("family", Family)
def test_a_cut_and_a_change_that_failed_are_a_disconnect(family: Family) -> None:
    cut = plan(CUT, TARGET, WAYS[family], CAPABILITIES[family], cut=False)
    assert planned(family, set(MOVABLE), cut=True) == cut
    if CAPABILITIES[family].coa == "none":
        assert cut == Refused(Reason.NO_COA)
    else:
        assert isinstance(cut, Request)
        assert cut.code is Code.DISCONNECT_REQUEST


def test_what_the_router_needs_and_nobody_saw_is_said() -> None:
    nobody = Target("80000001")
    asked = plan(Owed(LIMITS, frozenset()), nobody, WAYS[Family.COOVA], CAPABILITIES[Family.COOVA], cut=False)
    assert asked == Refused(Reason.IDENTITY, field="User-Name")


def test_of_several_generations_the_one_that_began_then() -> None:
    first, second = record(started_at=1_000), record(started_at=2_000)
    uid = SessionUid("u1")
    assert record_of(uid, 1_000, [first, second]) is first
    assert record_of(uid, 3_000, [first, second]) is second
    assert record_of(uid, 1_000, []) is None


@pytest.mark.parametrize(
    ("coa_address", "addresses", "claimed", "expected"),
    [
        ("10.99.0.1", ("203.0.113.7",), "", "10.99.0.1"),
        ("", ("203.0.113.7",), "192.168.88.1", "203.0.113.7"),
        ("", (" 203.0.113.7/32 ",), "", "203.0.113.7"),
        ("", ("2001:db8::7",), "", "2001:db8::7"),
        ("", ("10.8.0.0/24",), "10.8.0.9", "10.8.0.9"),
        ("", ("10.8.0.0/24",), "192.168.88.1", ""),
        ("", ("10.8.0.0/24",), "", ""),
        ("", ("10.8.0.1", "10.8.0.2"), "10.8.0.2", "10.8.0.2"),
        ("", (), "10.8.0.2", ""),
    ],
)
def test_where_a_router_is_reached(coa_address: str, addresses: tuple[str, ...], claimed: str, expected: str) -> None:
    router = Router(NasId("gate"), "lodge", Family.COOVA, addresses, coa_address=coa_address)
    assert address_of(router, claimed) == expected


@pytest.mark.parametrize(
    ("family", "overrides", "addresses", "tunnel", "said"),
    [
        (
            Family.COOVA,
            {},
            ("10.8.0.9",),
            True,
            "cut and changed at once, by packets to 10.8.0.9, port 3799 through its",
        ),
        (Family.ARUBA, {}, ("203.0.113.7",), False, "cut (a change is a cut and a new log-in) at once, by packets to"),
        (Family.MIKROTIK, {}, ("10.8.0.0/24",), False, "its address is not known: register the one it is reached at"),
        (Family.COOVA, {"coa": "none"}, ("10.8.0.0/24",), False, "told with the answer to each of their reports"),
        (Family.COOVA, {"coa": "none", "acct_update": False}, ("10.8.0.9",), False, "at most 24 hours after"),
        (Family.UNIFI, {}, ("10.8.0.9",), True, "end by themselves, at most 24 hours after their log-in"),
    ],
)
def test_the_road_to_a_router_in_plain_words(
    family: Family, overrides: dict[str, str | bool], addresses: tuple[str, ...], tunnel: bool, said: str
) -> None:
    node = Node()
    router = Router(NasId("gate"), "kilimani", family, addresses, tunnel=tunnel, overrides=overrides)
    router = node.provision.router(router, SECRET)
    node.directory.refresh(node.now, node.deadline)
    nas = node.directory.nas(router.id)
    assert nas is not None
    assert said in road(router, nas, das_of(node.directory, router))
