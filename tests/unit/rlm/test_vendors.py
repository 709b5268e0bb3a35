"""Every family with literal pairs; then what must hold for all of them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius.domain.errors import Malformed
from radius.domain.limits import Limits
from radius.domain.nas import Capabilities, CoaScope, Family, OctetView
from radius.domain.terms import Rate
from radius.rlm import exit as way_out
from radius.rlm.vendors import CAPABILITIES, PROFILES, Limit, capabilities_of, merge, not_carried, render
from radius.rlm.vendors.rendering import routeros_rate

CLASS = "wb1.abcdefghijklmnop.0123456789"
CLASS_HEX = "0x7762312e6162636465666768696a6b6c6d6e6f702e30313233343536373839"
GIB = 1 << 30

FULL = Limits(
    session_s=3600,
    interim_s=300,
    ends_at=1_700_000_000,
    zone="Africa/Nairobi",
    class_text=CLASS,
    idle_s=600,
    total_bytes=5 * GIB,
    rate=Rate(up_bps=2_000_000, down_bps=5_500_000),
    devices=3,
    fixed_ip="10.9.8.7",
    pool="homes",
)
TIMES = [("Session-Timeout", ":=", "3600"), ("Acct-Interim-Interval", ":=", "300")]
IDLE = [("Idle-Timeout", ":=", "600")]
END = [("Class", ":=", CLASS_HEX)]
WISPR = [("WISPr-Bandwidth-Max-Up", ":=", "2000000"), ("WISPr-Bandwidth-Max-Down", ":=", "5500000")]

EXPECTED = {
    Family.MIKROTIK: [
        *TIMES,
        *IDLE,
        ("Mikrotik-Total-Limit", ":=", "1073741824"),
        ("Mikrotik-Total-Limit-Gigawords", ":=", "1"),
        ("Mikrotik-Rate-Limit", ":=", "2M/5500k"),
        ("Port-Limit", ":=", "3"),
        ("Framed-IP-Address", ":=", "10.9.8.7"),
        ("Framed-Pool", ":=", "homes"),
        *END,
    ],
    Family.COOVA: [
        *TIMES,
        *IDLE,
        ("ChilliSpot-Max-Total-Octets", ":=", "1073741824"),
        ("ChilliSpot-Max-Total-Gigawords", ":=", "1"),
        *WISPR,
        *END,
    ],
    Family.USPOT: [*TIMES, *IDLE, ("ChilliSpot-Max-Total-Octets", ":=", "4294967295"), *WISPR, *END],
    Family.UNIFI: [*TIMES, *END],
    Family.OMADA: [*TIMES, *END],
    Family.OPNSENSE: [*TIMES, *END],
    Family.PFSENSE: [
        *TIMES,
        *IDLE,
        ("pfSense-Max-Total-Octets", ":=", "4294967295"),
        ("pfSense-Bandwidth-Max-Up", ":=", "2000000"),
        ("pfSense-Bandwidth-Max-Down", ":=", "5500000"),
        *END,
    ],
    Family.ARUBA: [*TIMES, *END],
    Family.RUCKUS: [*TIMES, *IDLE, *WISPR, *END],
    Family.CAMBIUM: [
        *TIMES,
        ("Cambium-Traffic-Quota-Limit-Total", ":=", "1073741824"),
        ("Cambium-Traffic-Quota-Limit-Total-Gigwords", ":=", "1"),
        *WISPR,
        *END,
    ],
    Family.CISCO: [
        *TIMES,
        *IDLE,
        ("Airespace-Data-Bandwidth-Average-Contract-Upstream", ":=", "2000"),
        ("Airespace-Data-Bandwidth-Average-Contract", ":=", "5500"),
        ("Airespace-Real-Time-Bandwidth-Average-Contract-Upstream", ":=", "2000"),
        ("Airespace-Real-Time-Bandwidth-Average-Contract", ":=", "5500"),
        *END,
    ],
    Family.WISPR: [
        *TIMES,
        *IDLE,
        *WISPR,
        ("WISPr-Session-Terminate-Time", ":=", "2023-11-15T01:13:20+03:00"),
        ("Framed-IP-Address", ":=", "10.9.8.7"),
        ("Framed-Pool", ":=", "homes"),
        *END,
    ],
}

NOT_CARRIED = {
    Family.MIKROTIK: set(),
    Family.COOVA: {Limit.BURST, Limit.DEVICES, Limit.FIXED_IP, Limit.POOL},
    Family.USPOT: {Limit.BYTES_4GIB, Limit.BURST, Limit.DEVICES, Limit.FIXED_IP, Limit.POOL},
    Family.UNIFI: set(Limit),
    Family.OMADA: set(Limit),
    Family.OPNSENSE: set(Limit),
    Family.PFSENSE: {Limit.BYTES_4GIB, Limit.BURST, Limit.DEVICES, Limit.FIXED_IP, Limit.POOL},
    Family.ARUBA: set(Limit),
    Family.RUCKUS: {Limit.BYTES, Limit.BYTES_4GIB, Limit.BURST, Limit.DEVICES, Limit.FIXED_IP, Limit.POOL},
    Family.CAMBIUM: {Limit.IDLE, Limit.BURST, Limit.DEVICES, Limit.FIXED_IP, Limit.POOL},
    Family.CISCO: {Limit.BYTES, Limit.BYTES_4GIB, Limit.BURST, Limit.DEVICES, Limit.FIXED_IP, Limit.POOL},
    Family.WISPR: {Limit.BYTES, Limit.BYTES_4GIB, Limit.BURST, Limit.DEVICES},
}


def limits(**changes: object) -> Limits:
    fields = {name: getattr(FULL, name) for name in FULL.__struct_fields__}
    return Limits(**(fields | changes))


def said(pairs: list[tuple[str, str, str]]) -> dict[str, str]:
    assert len({name for name, _, _ in pairs}) == len(pairs)
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize("family", Family)
def test_full_limits_in_the_words_of_a_family(family: Family) -> None:
    assert render(FULL, family, CAPABILITIES[family]) == EXPECTED[family]


@pytest.mark.parametrize("family", Family)
def test_bare_limits_still_end_report_and_correlate(family: Family) -> None:
    bare = limits(idle_s=None, total_bytes=None, rate=None, fixed_ip="", pool="")
    pairs = said(render(bare, family, CAPABILITIES[family]))
    extra = {Family.MIKROTIK: {"Port-Limit"}, Family.WISPR: {"WISPr-Session-Terminate-Time"}}.get(family, set())
    assert set(pairs) == {"Session-Timeout", "Acct-Interim-Interval", "Class"} | extra


@pytest.mark.parametrize("family", Family)
def test_what_a_family_cannot_carry(family: Family) -> None:
    assert not_carried(family, CAPABILITIES[family]) == NOT_CARRIED[family]


@pytest.mark.parametrize("family", Family)
def test_default_capabilities_have_words(family: Family) -> None:
    assert capabilities_of(family, {}) == CAPABILITIES[family] == PROFILES[family].capabilities
    assert PROFILES[family].family is family
    assert PROFILES[family].proof
    assert PROFILES[family].names
    assert PROFILES[family].change


def test_directions_and_reach_of_the_families() -> None:
    """What accounting and enforcement rely on, as the profiles' sources have it."""
    assert {family for family in Family if CAPABILITIES[family].octet_view is OctetView.CLIENT} == {Family.COOVA}
    reach = {scope: {family for family in Family if CAPABILITIES[family].coa is scope} for scope in CoaScope}
    assert reach[CoaScope.CHANGE] == {Family.MIKROTIK, Family.COOVA, Family.USPOT}
    assert reach[CoaScope.NONE] == {Family.UNIFI, Family.OMADA, Family.OPNSENSE, Family.PFSENSE}
    assert {family for family in Family if CAPABILITIES[family].coa_byte_cap} == {Family.COOVA}
    without_gigawords = {family for family in Family if not CAPABILITIES[family].acct_gigawords}
    assert without_gigawords == {Family.OMADA, Family.OPNSENSE, Family.WISPR}
    no_class = {family for family in Family if not CAPABILITIES[family].class_echo}
    assert no_class == {Family.UNIFI, Family.OMADA, Family.OPNSENSE, Family.PFSENSE}


def test_what_is_switched_off_is_not_sent_and_is_listed() -> None:
    capabilities = merge(CAPABILITIES[Family.COOVA], {"byte_cap": False, "rate": False, "idle_timeout": False})
    assert render(FULL, Family.COOVA, capabilities) == [*TIMES, *END]
    assert not_carried(Family.COOVA, capabilities) == set(Limit)


def test_what_is_switched_on_is_sent() -> None:
    assert render(FULL, Family.UNIFI, capabilities_of(Family.UNIFI, {"rate": True})) == [*TIMES, *WISPR, *END]


def test_a_router_without_gigawords_partner_gets_the_largest_cap_not_the_remainder() -> None:
    narrow = capabilities_of(Family.COOVA, {"byte_cap_gigawords": False})
    pairs = said(render(limits(total_bytes=4 * GIB + 1), Family.COOVA, narrow))
    assert pairs["ChilliSpot-Max-Total-Octets"] == "4294967295"
    assert "ChilliSpot-Max-Total-Gigawords" not in pairs


@pytest.mark.parametrize(
    ("total", "low", "high"),
    [
        (1, "1", None),
        (4 * GIB - 1, "4294967295", None),
        (4 * GIB, "4294967295", None),  # one byte less: a low word of 0 means "nothing" to some and "all" to others
        (4 * GIB + 1, "1", "1"),
        (8 * GIB, "4294967295", "1"),
        ((1 << 64) + 5, "4294967295", "4294967295"),
    ],
)
def test_caps_around_four_gib(total: int, low: str, high: str | None) -> None:
    pairs = said(render(limits(total_bytes=total), Family.MIKROTIK, CAPABILITIES[Family.MIKROTIK]))
    assert (pairs["Mikrotik-Total-Limit"], pairs.get("Mikrotik-Total-Limit-Gigawords")) == (low, high)


@given(st.integers(1, (1 << 64) - 1), st.sampled_from([Family.MIKROTIK, Family.COOVA, Family.CAMBIUM]))
def test_a_cap_survives_the_trip_through_gigawords(total: int, family: Family) -> None:
    words = PROFILES[family].byte_cap
    assert words is not None
    pairs = said(render(limits(total_bytes=total), family, CAPABILITIES[family]))
    told = int(pairs.get(words.gigawords, "0")) << 32 | int(pairs[words.attribute])
    assert total - 1 <= told <= total
    assert told > 0


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Rate(512_000, 2_000_000), "512k/2M"),
        (Rate(1, 1_000), "1/1k"),
        (Rate(1_500_000, 1_234_567), "1500k/1234567"),
        (Rate(10_000_000_000, 1), "4294967295/1"),
        (
            Rate(1_000_000, 2_000_000, 2_000_000, 4_000_000, 750_000, 1_500_000, 8),
            "1M/2M 2M/4M 750k/1500k 8/8",
        ),
        (Rate(1_000_000, 2_000_000, burst_down_bps=4_000_000), "1M/2M 1M/4M 1M/2M 1/1"),
        (Rate(1_000_000, 2_000_000, 500_000, 500_000), "1M/2M 1M/2M 1M/2M 1/1"),
    ],
)
def test_routeros_rate_is_written_from_the_router_side(rate: Rate, text: str) -> None:
    assert routeros_rate(rate) == text


def test_a_tiny_rate_is_never_rounded_to_unlimited() -> None:
    slow = limits(rate=Rate(1, 1))
    for family in (Family.RUCKUS, Family.PFSENSE, Family.CISCO, Family.COOVA, Family.CAMBIUM, Family.WISPR):
        pairs = said(render(slow, family, CAPABILITIES[family]))
        speeds = [int(value) for name, value in pairs.items() if "Bandwidth" in name]
        assert speeds
        assert min(speeds) == (1 if family is Family.CISCO else 1000)


def test_interim_is_never_below_what_the_rfc_allows() -> None:
    pairs = said(render(limits(interim_s=5), Family.COOVA, CAPABILITIES[Family.COOVA]))
    assert pairs["Acct-Interim-Interval"] == "60"


@pytest.mark.parametrize("nothing", [{"session_s": 0}, {"session_s": -1}, {"total_bytes": 0}, {"total_bytes": -5}])
@pytest.mark.parametrize("family", Family)
def test_limits_that_grant_nothing_are_never_rendered(family: Family, nothing: dict[str, int]) -> None:
    with pytest.raises(AssertionError, match="grant nothing"):
        render(limits(**nothing), family, CAPABILITIES[family])


WHOLE = st.integers(1, 1 << 70)
RATES = st.builds(Rate, WHOLE, WHOLE, *(st.integers(0, 1 << 40) for _ in range(4)), burst_s=st.integers(0, 3600))
ANY_LIMITS = st.builds(
    Limits,
    session_s=WHOLE,
    interim_s=st.integers(0, 1 << 40),
    ends_at=st.integers(0, 1 << 50),
    zone=st.sampled_from(["Africa/Nairobi", "UTC", "America/St_Johns"]),
    class_text=st.just(CLASS),
    idle_s=st.none() | WHOLE,
    total_bytes=st.none() | WHOLE,
    rate=st.none() | RATES,
    devices=st.integers(1, 1 << 40),
    fixed_ip=st.just("") | st.ip_addresses(v=4).map(str),
    pool=st.sampled_from(["", "homes"]),
)


@given(ANY_LIMITS, st.sampled_from(list(Family)))
def test_whatever_is_granted_leaves_by_the_exit(granted: Limits, family: Family) -> None:
    """The exit refuses zero limits, wrapped numbers, unknown names and wrong shapes: rendering never offers any."""
    pairs = render(granted, family, CAPABILITIES[family])
    assert way_out.leave(way_out.Rcode.OK, reply=pairs) == (2, {"reply": tuple(pairs)})
    assert int(said(pairs)["Session-Timeout"]) == min(granted.session_s, 0xFFFF_FFFF)


# --- overrides


def test_overrides_replace_defaults() -> None:
    merged = merge(CAPABILITIES[Family.COOVA], {"octet_view": "nas", "coa": "disconnect", "acct_gigawords": False})
    assert (merged.octet_view, merged.coa, merged.acct_gigawords) == (OctetView.NAS, CoaScope.DISCONNECT, False)
    assert merged.coa_byte_cap is False  # went with coa=change
    assert merged.byte_cap is True


def test_a_cap_switched_off_takes_its_parts_along() -> None:
    merged = merge(CAPABILITIES[Family.COOVA], {"byte_cap": False})
    assert (merged.byte_cap, merged.byte_cap_gigawords, merged.coa_byte_cap) == (False, False, False)


@pytest.mark.parametrize(
    ("field", "overrides"),
    [
        ("speed", {"speed": True}),
        ("rate", {"rate": "yes"}),
        ("rate", {"rate": 1}),
        ("octet_view", {"octet_view": "router"}),
        ("octet_view", {"octet_view": True}),
        ("coa", {"coa": False}),
        ("byte_cap_gigawords", {"byte_cap": False, "byte_cap_gigawords": True}),
        ("coa_byte_cap", {"coa": "none", "coa_byte_cap": True}),
    ],
)
def test_a_bad_override_names_its_field(field: str, overrides: dict[str, str | bool]) -> None:
    with pytest.raises(Malformed) as caught:
        merge(CAPABILITIES[Family.COOVA], overrides)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("family", "field"),
    [
        (Family.UNIFI, "byte_cap"),
        (Family.ARUBA, "rate"),
        (Family.PFSENSE, "byte_cap_gigawords"),
        (Family.USPOT, "acct_update"),
    ],
)
def test_what_a_family_has_no_word_for_cannot_be_switched_on(family: Family, field: str) -> None:
    with pytest.raises(Malformed, match="no attribute") as caught:
        capabilities_of(family, {field: True})
    assert caught.value.field == field


@given(
    st.sampled_from(list(Family)),
    st.dictionaries(
        st.sampled_from([*Capabilities.__struct_fields__, "other"]),
        st.booleans() | st.sampled_from(["nas", "client", "none", "disconnect", "change", ""]),
    ),
)
def test_any_override_is_a_consistent_value_or_malformed(family: Family, overrides: dict[str, str | bool]) -> None:
    try:
        merged = capabilities_of(family, overrides)
    except Malformed as malformed:
        assert malformed.field in {*Capabilities.__struct_fields__, "other"}  # noqa: PT017 - either answer is right
        return
    assert merged.byte_cap or not (merged.byte_cap_gigawords or merged.coa_byte_cap)
    assert merged.coa is CoaScope.CHANGE or not merged.coa_byte_cap
    assert render(FULL, family, merged)


# --- names and types against the dictionaries of the installed server

STOCK = Path("/usr/share/freeradius")
SITE = Path(__file__).parents[3] / "freeradius_config" / "raddb"
ATTRIBUTE = re.compile(r"^ATTRIBUTE\s+(\S+)\s+\S+\s+([a-z0-9]+)", re.MULTILINE)
KINDS = {
    "integer": {"_limit", "_word"},
    "string": {"_text"},
    "octets": {"_octets"},
    "ipaddr": {"check"},
    "ipv6addr": {"check"},
    "ipv4prefix": {"check"},
    "ipv6prefix": {"check"},
}


def attributes_in(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("dictionary*")):
        yield from ATTRIBUTE.findall(path.read_text(errors="replace"))


def test_every_rendered_attribute_is_known_to_the_exit() -> None:
    for profile in PROFILES.values():
        names = [profile.rate_text, *(name for speed in profile.speeds for name in (speed.up, speed.down))]
        if profile.byte_cap is not None:
            names += [profile.byte_cap.attribute, profile.byte_cap.gigawords]
        assert {name for name in names if name} <= set(way_out.CHECKS)


@pytest.mark.skipif(not (STOCK / "dictionary").exists(), reason="FreeRADIUS is not installed")
def test_names_and_types_are_those_of_the_dictionaries() -> None:
    stock = dict(attributes_in(STOCK))
    assert set(way_out.CHECKS) - set(stock) == way_out.SITE_ATTRIBUTES
    known = stock | dict(attributes_in(SITE))
    wrong = {
        name: known.get(name)
        for name, check in way_out.CHECKS.items()
        if check.__name__ not in KINDS.get(known.get(name, ""), set())
    }
    assert wrong == {}
