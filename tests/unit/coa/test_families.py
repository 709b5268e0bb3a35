"""Each family with literal attributes; then what must hold for all of them, and for a router that behaves so."""

from itertools import chain, combinations

import pytest

from coa import codec
from coa.codec import Code, Request
from coa.families import WAYS, Identity, Way
from coa.outcome import Reason, Refused
from coa.requests import Change, Target, change, disconnect
from radius.domain.errors import Malformed
from radius.domain.limits import Limits
from radius.domain.nas import CoaScope, Family
from radius.domain.terms import Rate
from radius.rlm.vendors import CAPABILITIES, PROFILES, Limit, capabilities_of, merge

GIB = 1 << 30
TARGET = Target(
    acct_session_id="80000001",
    user_name="0712345678",
    device="aabbccddee01",
    framed_ip="10.0.0.5",
    nas_ip="192.0.2.1",
    nas_name="kilimani-03",
)
BARE = Target(acct_session_id="80000001", user_name="0712345678", framed_ip="10.0.0.5", device="aabbccddee01")
LIMITS = Limits(
    session_s=7200,
    interim_s=300,
    ends_at=1_700_000_000,
    zone="Africa/Nairobi",
    class_text="wb1.abcdefghijklmnop.0123456789",
    idle_s=600,
    total_bytes=5 * GIB,
    rate=Rate(up_bps=2_000_000, down_bps=5_500_000),
    devices=3,
    fixed_ip="10.9.8.7",
    pool="homes",
)
SESSION, USER = ("Acct-Session-Id", "80000001"), ("User-Name", "0712345678")
DASHES, PLAIN = ("Calling-Station-Id", "AA-BB-CC-DD-EE-01"), ("Calling-Station-Id", "aabbccddee01")
ADDRESS, NAS_ADDRESS = ("Framed-IP-Address", "10.0.0.5"), ("NAS-IP-Address", "192.0.2.1")

DISCONNECT = {
    Family.MIKROTIK: (SESSION, USER, ADDRESS, NAS_ADDRESS),
    Family.COOVA: (SESSION, USER),
    Family.USPOT: (SESSION, USER),
    Family.ARUBA: (SESSION, USER, ADDRESS, PLAIN),
    Family.RUCKUS: (SESSION, USER, DASHES),
    Family.CAMBIUM: (SESSION, USER, DASHES),
    Family.CISCO: (SESSION, DASHES, USER),
    Family.WISPR: (SESSION, USER, DASHES, ("NAS-Identifier", "kilimani-03")),
}
CHANGE = {
    Family.MIKROTIK: (
        SESSION, USER, ADDRESS, NAS_ADDRESS,
        ("Session-Timeout", "7200"), ("Idle-Timeout", "600"), ("Mikrotik-Rate-Limit", "2M/5500k"), ("Port-Limit", "3"),
    ),
    Family.COOVA: (
        SESSION, USER,
        ("Session-Timeout", "7200"), ("Acct-Interim-Interval", "300"), ("Idle-Timeout", "600"),
        ("ChilliSpot-Max-Total-Octets", "1073741824"), ("ChilliSpot-Max-Total-Gigawords", "1"),
        ("WISPr-Bandwidth-Max-Up", "2000000"), ("WISPr-Bandwidth-Max-Down", "5500000"),
    ),
    Family.USPOT: (
        SESSION, USER, ("Session-Timeout", "7200"), ("Acct-Interim-Interval", "300"), ("Idle-Timeout", "600"),
    ),
}  # fmt: skip
UNSAID = {
    Family.MIKROTIK: {Limit.BYTES},  # Total-Limit cannot be moved: only a new log-in gives more bytes
    Family.COOVA: set(),
    Family.USPOT: {Limit.BYTES, Limit.RATE},
}


def limits(**changes: object) -> Limits:
    return Limits(**({name: getattr(LIMITS, name) for name in LIMITS.__struct_fields__} | changes))


def told(family: Family, wish: Limits = LIMITS) -> Change:
    built = change(TARGET, wish, WAYS[family], CAPABILITIES[family])
    assert isinstance(built, Change)
    return built


@pytest.mark.parametrize("family", Family)
def test_a_disconnect_in_the_words_of_a_family(family: Family) -> None:
    built = disconnect(TARGET, WAYS[family], CAPABILITIES[family])
    expected = DISCONNECT.get(family)
    if expected is None:
        assert built == Refused(Reason.NO_COA)
    else:
        assert built == Request(Code.DISCONNECT_REQUEST, expected)


@pytest.mark.parametrize("family", Family)
def test_a_change_in_the_words_of_a_family(family: Family) -> None:
    built = change(TARGET, LIMITS, WAYS[family], CAPABILITIES[family])
    if family in CHANGE:
        assert built == Change(Request(Code.COA_REQUEST, CHANGE[family]), frozenset(UNSAID[family]))
    else:
        assert built == Refused(Reason.NO_CHANGE if family in DISCONNECT else Reason.NO_COA)


@pytest.mark.parametrize("family", DISCONNECT)
def test_what_was_never_seen_is_left_out_or_refused(family: Family) -> None:
    built = disconnect(BARE, WAYS[family], CAPABILITIES[family])
    known = tuple(pair for pair in DISCONNECT[family] if pair[0] not in ("NAS-IP-Address", "NAS-Identifier"))
    assert built == Request(Code.DISCONNECT_REQUEST, known)


FIELDS = {
    Identity.SESSION: "acct_session_id",
    Identity.USER: "user_name",
    Identity.ADDRESS: "framed_ip",
    Identity.STATION: "device",
    Identity.NAS_ADDRESS: "nas_ip",
    Identity.NAS_NAME: "nas_name",
}


@pytest.mark.parametrize("family", DISCONNECT)
def test_a_session_is_named_whole_or_not_at_all(family: Family) -> None:
    """Whatever is unknown: either all that the family needs is there, or nothing is sent."""
    way, names = WAYS[family], tuple(FIELDS.values())
    for missing in chain.from_iterable(combinations(names, size) for size in range(len(names) + 1)):
        target = Target(**{name: "" if name in missing else getattr(TARGET, name) for name in names})
        built = disconnect(target, way, CAPABILITIES[family])
        lacking = [identity for identity in way.needed if FIELDS[identity] in missing]
        if lacking:
            assert built == Refused(Reason.IDENTITY, lacking[0].value)
        else:
            assert isinstance(built, Request)
            assert {identity.value for identity in way.needed} <= {name for name, _ in built.attributes}


@pytest.mark.parametrize("way", WAYS.values(), ids=lambda way: way.family.value)
def test_no_request_can_mean_all_sessions_of_a_user(way: Way) -> None:
    assert Identity.SESSION in way.needed
    assert way.needed != (Identity.USER,)
    assert way.why
    assert 1 <= len(way.ports) == len(set(way.ports))


def test_families_are_complete_and_agree_with_the_reply_profiles() -> None:
    assert set(WAYS) == set(Family)
    for family, way in WAYS.items():
        assert bool(way.changes) == (CAPABILITIES[family].coa is CoaScope.CHANGE)
        assert way.changes <= set(codec.dictionary().attributes)


@pytest.mark.parametrize("family", Family)
def test_no_router_is_believed_to_move_a_cap_that_no_request_to_it_carries(family: Family) -> None:
    """Each longer lease would be a Disconnect there: a customer with plenty left, cut as a lease nears its end."""
    way, byte_cap = WAYS[family], PROFILES[family].byte_cap
    carried = byte_cap is not None and byte_cap.attribute in way.changes
    assert CAPABILITIES[family].coa_byte_cap == carried
    if not carried:
        with pytest.raises(Malformed) as caught:
            capabilities_of(family, {"byte_cap": byte_cap is not None, "coa": "change", "coa_byte_cap": True})
        assert caught.value.field in {"byte_cap", "coa_byte_cap"}


def test_a_device_without_a_mac_is_not_named_by_it() -> None:
    target = Target(acct_session_id="1", user_name="u", device="x0123456789ab")
    assert disconnect(target, WAYS[Family.RUCKUS], CAPABILITIES[Family.RUCKUS]) == Request(
        Code.DISCONNECT_REQUEST, (("Acct-Session-Id", "1"), ("User-Name", "u"))
    )
    assert disconnect(target, WAYS[Family.CISCO], CAPABILITIES[Family.CISCO]) == Refused(
        Reason.IDENTITY, "Calling-Station-Id"
    )


def test_a_limit_that_goes_cannot_be_lifted_where_what_is_absent_stays() -> None:
    assert told(Family.MIKROTIK, limits(rate=None, idle_s=None)).unsaid == {Limit.RATE, Limit.IDLE, Limit.BYTES}
    coova = told(Family.COOVA, limits(rate=None, idle_s=None, total_bytes=None))
    assert coova.unsaid == set()
    assert coova.request.attributes == (SESSION, USER, ("Session-Timeout", "7200"), ("Acct-Interim-Interval", "300"))


def test_an_override_decides_what_a_router_is_told() -> None:
    only = merge(CAPABILITIES[Family.MIKROTIK], {"coa": "disconnect"})
    assert change(TARGET, LIMITS, WAYS[Family.MIKROTIK], only) == Refused(Reason.NO_CHANGE)
    never = merge(CAPABILITIES[Family.MIKROTIK], {"coa": "none"})
    assert disconnect(TARGET, WAYS[Family.MIKROTIK], never) == Refused(Reason.NO_COA)
    opened = merge(CAPABILITIES[Family.UNIFI], {"coa": "change"})
    assert isinstance(disconnect(TARGET, WAYS[Family.UNIFI], opened), Request)
    assert change(TARGET, LIMITS, WAYS[Family.UNIFI], opened) == Refused(Reason.NO_CHANGE)
    slow = capabilities_of(Family.COOVA, {"rate": False})
    built = change(TARGET, LIMITS, WAYS[Family.COOVA], slow)
    assert isinstance(built, Change)
    assert "WISPr-Bandwidth-Max-Up" not in dict(built.request.attributes)
