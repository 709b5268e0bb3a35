"""Pairs as rlm_python3 gives them, to values: literal packets of each kind, then anything at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius.domain.errors import Malformed
from radius.domain.identity import NameKind
from radius.domain.moment import Moment
from radius.domain.nas import OctetView, PortPair
from radius.domain.request import AccessRequest, AccountingRequest, Chap, Method, Status, Tunnel
from radius.domain.session import Kind
from radius.domain.terms import Service
from radius.rlm.attributes import Pairs, index, parse_access, parse_accounting

MAC = "AA:BB:CC:DD:EE:FF"
OURS = "0x" + b"wb1.abcdefghijklmnop.0123456789".hex()
ORIGIN = (("Packet-Src-IP-Address", "100.64.0.9"), ("Tmp-String-0", "kibera-1"), ("Tmp-String-2", "A"))

HOTSPOT_PAP = (
    ("NAS-Port-Type", "Wireless-802.11"),
    ("Calling-Station-Id", MAC),
    ("Called-Station-Id", "hotspot1"),
    ("NAS-Port-Id", "bridge-lan"),
    ("User-Name", "0712 345 678"),
    ("NAS-Port", "2155872257"),
    ("Acct-Session-Id", "80800001"),
    ("Framed-IP-Address", "10.5.50.2"),
    ("User-Password", "s3cret\\"),
    ("Service-Type", "Login-User"),
    ("NAS-Identifier", "MikroTik"),
    ("NAS-IP-Address", "10.0.0.1"),
    ("Message-Authenticator", "0x00112233445566778899aabbccddeeff"),
    *ORIGIN,
    ("Tmp-String-1", "t0ken"),
    ("Tmp-String-3", "outer"),
)
INTERIM = (
    ("Acct-Status-Type", "Interim-Update"),
    ("Calling-Station-Id", MAC),
    ("User-Name", "0712345678"),
    ("Acct-Session-Id", "80800001"),
    ("Framed-IP-Address", "10.5.50.2"),
    ("Event-Timestamp", "Nov 14 2023 22:13:20 UTC"),
    ("Acct-Input-Octets", "5"),
    ("Acct-Input-Gigawords", "0"),
    ("Acct-Output-Octets", "7"),
    ("Acct-Output-Gigawords", "2"),
    ("Acct-Session-Time", "3600"),
    ("Acct-Delay-Time", "3"),
    ("NAS-Identifier", "MikroTik"),
    ("NAS-IP-Address", "10.0.0.1"),
    ("Class", OURS),
    *ORIGIN,
)


def access(*pairs: tuple[str, str], without: tuple[str, ...] = ()) -> AccessRequest:
    """HOTSPOT_PAP with `pairs` before it (the first of a name counts) and without some names."""
    return parse_access(index((*pairs, *(pair for pair in HOTSPOT_PAP if pair[0] not in without))))


def accounting(
    *pairs: tuple[str, str], without: tuple[str, ...] = (), view: OctetView = OctetView.NAS
) -> AccountingRequest:
    return parse_accounting(index((*pairs, *(pair for pair in INTERIM if pair[0] not in without))), view)


# --- Access-Request


def test_a_mikrotik_hotspot_login() -> None:
    request = access()
    assert (request.username.raw, request.username.kind) == ("0712 345 678", NameKind.PHONE)
    assert request.username.alias == "p:254712345678"
    assert (request.mac, request.device) == ("aabbccddeeff", "aabbccddeeff")
    assert (request.service, request.method) == (Service.HOTSPOT, Method.PAP)
    assert (request.password, request.chap) == ("s3cret\\", None)  # values come raw, backslashes too
    assert (request.router, request.pair, request.source) == ("kibera-1", PortPair.A, "100.64.0.9")
    assert (request.nas_identifier, request.nas_ip, request.nas_port_id) == ("MikroTik", "10.0.0.1", "bridge-lan")
    assert (request.called_station, request.ssid) == ("hotspot1", "")
    assert (request.framed_ip, request.acct_session_id) == ("10.5.50.2", "80800001")
    assert request.message_authenticator
    assert (request.tunnel, request.token) == (Tunnel.OUTER, "t0ken")
    assert not request.escaped


def test_bare_request() -> None:
    request = parse_access(index((("User-Name", "anna"),)))
    assert (request.method, request.password, request.mac) == (Method.NONE, None, None)
    assert (request.router, request.pair, request.tunnel) == ("", None, Tunnel.NONE)
    assert not request.message_authenticator


def test_the_first_of_a_repeated_attribute_counts_as_it_does_for_freeradius() -> None:
    request = parse_access(index((("User-Name", "anna"), ("User-Name", "boss"), ("User-Password", "x"))))
    assert request.username.raw == "anna"


@pytest.mark.parametrize(
    ("secret", "method"),
    [
        ((("User-Password", ""),), Method.PAP),
        ((("CHAP-Password", "0x" + "ab" * 17),), Method.CHAP),
        ((("MS-CHAP-Challenge", "0x00"), ("MS-CHAP2-Response", "0x00")), Method.MSCHAP),
        ((("MS-CHAP-Challenge", "0x00"), ("MS-CHAP-Response", "0x00")), Method.MSCHAP),
        ((("EAP-Message", "0x0200"), ("User-Password", "x")), Method.EAP),
        ((), Method.NONE),
    ],
)
def test_methods(secret: Pairs, method: Method) -> None:
    request = access(*secret, without=("User-Password",))
    assert request.method is method
    assert (request.password is None) == (method is not Method.PAP)
    assert (request.chap is None) == (method is not Method.CHAP)


def test_chap_challenge_is_the_attribute_or_the_copied_authenticator_or_unknown() -> None:
    password = ("CHAP-Password", "0x07" + "ab" * 16)
    attribute, copied = ("CHAP-Challenge", "0x0102"), ("Tmp-Octets-0", "0x" + "cd" * 16)
    response = b"\xab" * 16
    assert access(password, copied, attribute).chap == Chap(7, response, b"\x01\x02")
    assert access(password, copied).chap == Chap(7, response, b"\xcd" * 16)
    assert access(password).chap == Chap(7, response, None)


@pytest.mark.parametrize(
    ("pairs", "service"),
    [
        # MikroTik PPPoE and hotspot
        ((("Service-Type", "Framed-User"), ("Framed-Protocol", "PPP"), ("NAS-Port-Type", "Ethernet")), Service.PPPOE),
        ((("Service-Type", "Login-User"), ("NAS-Port-Type", "Ethernet")), Service.HOTSPOT),
        ((("NAS-Port-Type", "Wireless-802.11"),), Service.HOTSPOT),
        # L2TP/PPTP on MikroTik, accel-ppp, Cisco BNG
        ((("Service-Type", "Framed-User"), ("Framed-Protocol", "PPP"), ("NAS-Port-Type", "Virtual")), Service.PPPOE),
        ((("Service-Type", "Framed-User"), ("NAS-Port-Type", "Virtual")), Service.PPPOE),
        ((("Service-Type", "Framed-User"), ("NAS-Port-Type", "Ethernet")), Service.PPPOE),
        ((("NAS-Port-Type", "PPPoEoVLAN"),), Service.PPPOE),
        # 802.1X on a wire and in the air; OPNsense, which says Framed-Protocol 15
        (
            (("Service-Type", "Framed-User"), ("NAS-Port-Type", "Ethernet"), ("EAP-Message", "0x02")),
            Service.HOTSPOT,
        ),
        ((("Service-Type", "Framed-User"), ("NAS-Port-Type", "Wireless-802.11")), Service.HOTSPOT),
        (
            (("Service-Type", "Framed-User"), ("Framed-Protocol", "15"), ("NAS-Port-Type", "Ethernet")),
            Service.HOTSPOT,
        ),
        ((("Service-Type", "Call-Check"), ("NAS-Port-Type", "Ethernet")), Service.HOTSPOT),
    ],
)
def test_service(pairs: Pairs, service: Service) -> None:
    assert access(*pairs, without=("Service-Type", "NAS-Port-Type")).service is service


@pytest.mark.parametrize(
    ("called", "station", "ssid"),
    [
        ("AA-BB-CC-DD-EE-FF:Guest WiFi", "AA-BB-CC-DD-EE-FF", "Guest WiFi"),
        ("aabbccddeeff:a:b", "aabbccddeeff", "a:b"),
        ("AA:BB:CC:DD:EE:FF", "AA:BB:CC:DD:EE:FF", ""),
        ("hotspot:1", "hotspot:1", ""),
        ("zz-bb-cc-dd-ee-ff:x", "zz-bb-cc-dd-ee-ff:x", ""),
    ],
)
def test_called_station_and_ssid(called: str, station: str, ssid: str) -> None:
    request = access(("Called-Station-Id", called))
    assert (request.called_station, request.ssid) == (station, ssid)


def test_a_device_without_mac_is_its_line_or_its_port_never_a_mac() -> None:
    line = access(("Calling-Station-Id", "DSL 4/1/7 "))
    again = access(("Calling-Station-Id", "dsl 4/1/7"), ("NAS-Port-Id", "other"))
    port = access(without=("Calling-Station-Id",))
    other = access(("NAS-Port-Id", "ether9"), without=("Calling-Station-Id",))
    assert line.mac is None
    assert line.device == again.device
    assert len({line.device, port.device, other.device}) == 3
    for request in (line, port, other):
        assert request.device.startswith("x")
        assert len(request.device) == 13


def test_access_and_accounting_name_a_device_alike() -> None:
    for pairs in ((), (("Calling-Station-Id", "10.1.1.1"),)):
        assert access(*pairs).device == accounting(*pairs).device


def test_a_mac_login_needs_the_mac_of_the_caller() -> None:
    assert access(("User-Name", "AABBCCDDEEFF")).username.kind is NameKind.MAC
    assert access(("User-Name", "254712345678")).username.kind is NameKind.PHONE


def test_marks_of_unlang() -> None:
    request = access(
        ("Tmp-String-4", "rejected"), ("Tmp-String-5", "escaped"), ("Tmp-String-3", "inner"), ("Tmp-String-2", "B")
    )
    assert (request.escaped, request.tunnel, request.pair) == (True, Tunnel.INNER, PortPair.B)


def test_a_source_over_ipv6() -> None:
    request = access(("Packet-Src-IPv6-Address", "2001:db8::9"), without=("Packet-Src-IP-Address",))
    assert request.source == "2001:db8::9"


@pytest.mark.parametrize(
    ("field", "pairs"),
    [
        ("User-Name", (("User-Name", ""),)),
        ("User-Name", (("User-Name", "x" * 254),)),
        ("User-Name", (("User-Name", "a\ud800"),)),
        ("CHAP-Password", (("CHAP-Password", "0x" + "ab" * 16), ("User-Password", ""))),
        ("CHAP-Password", (("CHAP-Password", "secret"),)),
        ("CHAP-Password", (("CHAP-Password", "0x" + "zz" * 17),)),
        ("CHAP-Challenge", (("CHAP-Password", "0x" + "ab" * 17), ("CHAP-Challenge", "zz"))),
        ("NAS-IP-Address", (("NAS-IP-Address", "10.0.0"),)),
        ("Framed-IP-Address", (("Framed-IP-Address", "10.0.0.256"),)),
        ("Tmp-String-2", (("Tmp-String-2", "C"),)),
        ("Tmp-String-3", (("Tmp-String-3", "middle"),)),
    ],
)
def test_a_bad_access_value_names_its_attribute(field: str, pairs: Pairs) -> None:
    with pytest.raises(Malformed) as caught:
        access(*pairs)
    assert caught.value.field == field


def test_a_missing_user_name_is_malformed() -> None:
    with pytest.raises(Malformed, match="User-Name"):
        parse_access(index(()))


@pytest.mark.parametrize("shape", [None, 7, ("User-Name",), (("a", "b", "c"),), ((),)])
def test_what_is_no_pairs_is_malformed(shape: object) -> None:
    with pytest.raises(Malformed, match="pairs"):
        index(shape)  # type: ignore[arg-type]


# --- Accounting-Request


def test_an_interim_update() -> None:
    request = accounting()
    assert request.status is Status.INTERIM
    assert (request.in_bytes, request.out_bytes) == (5, (2 << 32) + 7)
    assert (request.time_s, request.delay_s, request.event_timestamp) == (3600, 3, 1_700_000_000)
    assert request.class_of == ("abcdefghijklmnop", "0123456789")
    assert (request.mac, request.device, request.user_name) == ("aabbccddeeff", "aabbccddeeff", "0712345678")
    assert (request.router, request.source, request.acct_session_id) == ("kibera-1", "100.64.0.9", "80800001")
    assert (request.framed_ip, request.nas_ip, request.nas_identifier) == ("10.5.50.2", "10.0.0.1", "MikroTik")
    assert (request.cause, request.original_at) == ("", None)
    name = request.username()
    assert name is not None
    assert name.alias == "p:254712345678"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Start", Status.START),
        ("Interim-Update", Status.INTERIM),
        ("Alive", Status.INTERIM),
        ("Stop", Status.STOP),
        ("Accounting-On", Status.ON),
        ("Accounting-Off", Status.OFF),
        ("Tunnel-Start", Status.IGNORED),
        ("Failed", Status.IGNORED),
        ("99", Status.IGNORED),
    ],
)
def test_statuses(text: str, status: Status) -> None:
    assert accounting(("Acct-Status-Type", text)).status is status


def test_statuses_of_a_session_are_the_domains_kinds() -> None:
    assert {kind.value for kind in Kind} == {Status.START.value, Status.INTERIM.value, Status.STOP.value}


@pytest.mark.parametrize("text", ["Accounting-On", "Accounting-Off"])
def test_a_boot_needs_neither_name_nor_session(text: str) -> None:
    request = parse_accounting(index((("Acct-Status-Type", text), *ORIGIN)), OctetView.NAS)
    assert (request.user_name, request.username(), request.acct_session_id) == ("", None, "")
    assert (request.in_bytes, request.out_bytes, request.time_s) == (None, None, None)


@pytest.mark.parametrize("text", ["Start", "Interim-Update", "Alive", "Stop"])
def test_a_session_needs_its_id(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        accounting(("Acct-Status-Type", text), without=("Acct-Session-Id",))
    assert caught.value.field == "Acct-Session-Id"


def test_a_stop_without_counters_says_none_not_zero() -> None:
    counters = ("Acct-Input-Octets", "Acct-Output-Octets", "Acct-Input-Gigawords", "Acct-Output-Gigawords")
    request = accounting(("Acct-Status-Type", "Stop"), ("Acct-Terminate-Cause", "Lost-Carrier"), without=counters)
    assert (request.in_bytes, request.out_bytes, request.cause) == (None, None, "Lost-Carrier")


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ((("Acct-Input-Octets", "0"),), 0),
        ((("Acct-Input-Octets", "4294967295"), ("Acct-Input-Gigawords", "4294967295")), (1 << 64) - 1),
        ((("Acct-Input-Gigawords", "1"),), 1 << 32),
        ((("Acct-Input-Gigawords", "0"),), None),
    ],
)
def test_octets_and_gigawords_become_one_number(pairs: Pairs, expected: int | None) -> None:
    assert accounting(*pairs, without=("Acct-Input-Octets", "Acct-Input-Gigawords")).in_bytes == expected


def test_a_packet_shows_whether_its_router_knows_gigawords() -> None:
    assert accounting(("Acct-Output-Gigawords", "0"), without=("Acct-Input-Gigawords",)).gigawords
    assert not accounting(without=("Acct-Input-Gigawords", "Acct-Output-Gigawords")).gigawords


VIEW_1 = ("ChilliSpot-Acct-View-Point", "ChilliSpot-NAS-View-Point")
VIEW_2 = ("ChilliSpot-Acct-View-Point", "ChilliSpot-Client-View-Point")


@pytest.mark.parametrize(
    ("said", "view", "turned"),
    [
        ((), OctetView.NAS, False),
        ((), OctetView.CLIENT, True),
        ((VIEW_1,), OctetView.CLIENT, False),
        ((VIEW_2,), OctetView.NAS, True),
        ((("CoovaChilli-Acct-View-Point", "2"),), OctetView.NAS, True),
        ((("Attr-26.14559.10", "0x00000001"),), OctetView.CLIENT, False),
        ((("ChilliSpot-Acct-View-Point", "3"),), OctetView.CLIENT, True),
    ],
)
def test_direction_is_normalised_to_the_nas_view(said: Pairs, view: OctetView, turned: bool) -> None:
    upload, download = 5, (2 << 32) + 7
    request = accounting(*said, view=view)
    assert (request.in_bytes, request.out_bytes) == ((download, upload) if turned else (upload, download))


def test_our_class_is_found_among_others() -> None:
    foreign = ("Class", "0xdeadbeef")
    assert accounting(foreign, ("Class", OURS), without=("Class",)).class_of == ("abcdefghijklmnop", "0123456789")
    assert accounting(foreign, without=("Class",)).class_of is None
    assert accounting(foreign, ("Class", "0x00"), without=("Class",)).class_of is None
    assert accounting(without=("Class",)).class_of is None


def test_when_it_happened() -> None:
    assert accounting().happened(1_700_000_003) == Moment(1_700_000_000, stamped=True)
    assert accounting(without=("Event-Timestamp",)).happened(1_700_000_050) == Moment(1_700_000_047, stamped=False)


def test_a_spooled_packet_was_received_when_it_was_received() -> None:
    spooled = accounting(("Packet-Original-Timestamp", "Nov 14 2023 22:13:24 UTC"))
    assert spooled.original_at == 1_700_000_004
    assert spooled.happened(1_700_090_000) == Moment(1_700_000_000, stamped=True)
    lying = accounting(("Packet-Original-Timestamp", "1700000004"), ("Event-Timestamp", "Jan  1 1970 00:01:00 UTC"))
    assert lying.happened(1_700_090_000) == Moment(1_700_000_001, stamped=False)


@pytest.mark.parametrize("bad", ["-1", "4294967296", "", "1.5", "0x10", " 7", "\u0667", "99999999999999", "seven"])
@pytest.mark.parametrize(
    "field",
    [
        "Acct-Input-Octets",
        "Acct-Output-Octets",
        "Acct-Input-Gigawords",
        "Acct-Output-Gigawords",
        "Acct-Session-Time",
        "Acct-Delay-Time",
    ],
)
def test_a_bad_number_names_its_attribute(field: str, bad: str) -> None:
    with pytest.raises(Malformed) as caught:
        accounting((field, bad))
    assert caught.value.field == field


@pytest.mark.parametrize("field", ["Event-Timestamp", "Packet-Original-Timestamp"])
def test_a_bad_date_names_its_attribute(field: str) -> None:
    with pytest.raises(Malformed) as caught:
        accounting((field, "yesterday"))
    assert caught.value.field == field


def test_a_missing_status_is_malformed() -> None:
    with pytest.raises(Malformed, match="Acct-Status-Type"):
        parse_accounting(index(ORIGIN), OctetView.NAS)


# --- anything

NAMES = sorted({name for name, _ in (*HOTSPOT_PAP, *INTERIM)} | {"CHAP-Password", "CHAP-Challenge", "EAP-Message"})
VALUES = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(codec=None, categories=["Cs", "Ll", "Nd"]), max_size=8),
    st.integers(-(1 << 33), 1 << 65).map(str),
    st.sampled_from([value for _, value in (*HOTSPOT_PAP, *INTERIM)]),
    st.sampled_from(["Start", "Stop", "Accounting-On", "A", "inner", "PPP", "Framed-User", "0x", OURS]),
    st.binary(max_size=20).map(lambda raw: "0x" + raw.hex()),
)
ANY_PAIRS = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=12), VALUES), max_size=25).map(tuple)


@given(ANY_PAIRS)
def test_any_access_request_is_a_value_or_malformed(pairs: Pairs) -> None:
    try:
        request = parse_access(index(pairs))
    except Malformed as malformed:
        assert malformed.field  # noqa: PT017 - either answer is right
        return
    assert request.username.normal
    assert request.device
    assert request.method is not Method.CHAP or request.chap is not None


@given(ANY_PAIRS, st.sampled_from(list(OctetView)), st.integers(0, 1 << 33))
def test_any_accounting_request_is_a_value_or_malformed(pairs: Pairs, view: OctetView, received_at: int) -> None:
    try:
        request = parse_accounting(index(pairs), view)
        request.username()
    except Malformed as malformed:
        assert malformed.field  # noqa: PT017 - either answer is right
        return
    assert request.happened(received_at).at <= received_at
    for counter in (request.in_bytes, request.out_bytes):
        assert counter is None or 0 <= counter < 1 << 64


@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1), st.sampled_from(list(OctetView)))
def test_counters_arrive_whole_and_in_one_view(upload: int, download: int, view: OctetView) -> None:
    received, sent = (upload, download) if view is OctetView.NAS else (download, upload)
    request = accounting(
        ("Acct-Input-Octets", str(received & 0xFFFFFFFF)),
        ("Acct-Input-Gigawords", str(received >> 32)),
        ("Acct-Output-Octets", str(sent & 0xFFFFFFFF)),
        ("Acct-Output-Gigawords", str(sent >> 32)),
        view=view,
    )
    assert (request.in_bytes, request.out_bytes) == (upload, download)
