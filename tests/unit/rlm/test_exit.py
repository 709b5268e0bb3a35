"""Only what the C code takes leaves; everything else is a broken contract."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius.rlm.exit import (
    CHECKS,
    PACKET_BYTES_KEPT,
    PACKET_BYTES_MAX,
    VALUE_BYTES_MAX,
    VSA_VALUE_BYTES_MAX,
    ContractBroken,
    Rcode,
    leave,
    packet_bytes,
)

HEX_CLASS = "0x776231"


def test_a_bare_answer() -> None:
    answer = leave(Rcode.NOOP)
    assert answer == (7, {})
    assert type(answer[0]) is int
    assert type(answer) is tuple


def test_lists_go_under_the_names_that_the_c_code_reads() -> None:
    code, lists = leave(
        Rcode.UPDATED,
        reply=[("Session-Timeout", ":=", "60")],
        config=[("Cleartext-Password", ":=", "x")],
        request=[("Tmp-String-1", ":=", "token")],
    )
    assert (code, type(code)) == (8, int)
    assert lists == {
        "reply": (("Session-Timeout", ":=", "60"),),
        "config": (("Cleartext-Password", ":=", "x"),),
        "request": (("Tmp-String-1", ":=", "token"),),
    }


@pytest.mark.parametrize("rcode", [2, -1, True, None, "ok", 99])
def test_only_our_own_codes_leave(rcode: object) -> None:
    with pytest.raises(ContractBroken, match="rcode"):
        leave(rcode)  # type: ignore[arg-type]


def test_codes_are_those_of_the_installed_server() -> None:
    dictionary = Path("/usr/share/freeradius/dictionary.freeradius.internal")
    if not dictionary.exists():
        pytest.skip("FreeRADIUS is not installed")
    found = re.findall(r"^VALUE\s+Module-Return-Code\s+(\w+)\s+(\d+)", dictionary.read_text(), re.MULTILINE)
    assert {name.upper(): int(code) for name, code in found} == {rcode.name: rcode.value for rcode in Rcode}


def test_backslashes_are_doubled_because_the_server_unescapes_them() -> None:
    _, lists = leave(Rcode.OK, config=[("Cleartext-Password", ":=", "DOMAIN\\tom\\\\")])
    assert lists["config"] == (("Cleartext-Password", ":=", "DOMAIN\\\\tom\\\\\\\\"),)


@pytest.mark.parametrize(
    "pair",
    [
        ("Session-Timeout", ":=", 60),
        ("Session-Timeout", ":=", b"60"),
        ("Session-Timeout", "60"),
        ["Session-Timeout", ":=", "60"],
        ("Session-Timeout", "=", "60"),
        ("Session-Timeout", "==", "60"),
        ("Session-Timeout", ":=", "0"),
        ("Session-Timeout", ":=", "-5"),
        ("Session-Timeout", ":=", "60.5"),
        ("Session-Timeout", ":=", "060"),
        ("Session-Timeout", ":=", "4294967296"),
        ("Session-Timeout", ":=", "\u0661"),
        ("Session-Timeout", ":=", "60\n"),
        ("Session-Timeout", ":=", ""),
        ("Session-Timeou", ":=", "60"),
        ("reply:Session-Timeout", ":=", "60"),
        ("Framed-IP-Address", ":=", "10.0.0.256"),
        ("Framed-IP-Address", ":=", "10.0.0.1/32"),
        ("Class", ":=", "wb1.x"),
        ("Class", ":=", "0x"),
        ("Class", ":=", "0xabc"),
        ("Class", ":=", "0xzz"),
        ("Class", ":=", "0x" + "ab" * 254),
        ("Auth-Type", ":=", ""),
        ("Auth-Type", ":=", "a b"),
        ("FreeRADIUS-Client-IPv6-Address", ":=", "fe80::1%eth0"),
        ("FreeRADIUS-Client-IP-Prefix", ":=", "10.0.0.1/8"),
        ("Reply-Message", ":=", ""),
        ("Reply-Message", ":=", "a\0b"),
        ("Reply-Message", ":=", "\ud800" * 300),
        ("Framed-Pool", ":=", "x" * (VALUE_BYTES_MAX + 1)),
        ("Mikrotik-Rate-Limit", ":=", "x" * (VSA_VALUE_BYTES_MAX + 1)),
        (str, ":=", "60"),
        None,
    ],
)
@pytest.mark.parametrize("where", ["reply", "config", "request"])
def test_what_would_not_arrive_is_a_broken_contract(where: str, pair: object) -> None:
    with pytest.raises(ContractBroken):
        leave(Rcode.OK, **{where: [pair]})  # type: ignore[arg-type]


def test_a_secret_is_not_in_the_error() -> None:
    with pytest.raises(ContractBroken) as caught:
        leave(Rcode.OK, config=[("Cleartext-Password", ":=", "hunter2\0")])
    assert "hunter2" not in str(caught.value)
    assert "Cleartext-Password" in str(caught.value)


def test_addresses_leave_in_their_normal_form() -> None:
    _, lists = leave(Rcode.OK, config=[("FreeRADIUS-Client-IPv6-Address", ":=", "2001:DB8:0::1")])
    assert lists["config"] == (("FreeRADIUS-Client-IPv6-Address", ":=", "2001:db8::1"),)


def test_a_long_message_is_split_between_characters() -> None:
    message = "ä" * 200  # 400 bytes
    _, lists = leave(Rcode.REJECT, reply=[("Reply-Message", ":=", message)])
    assert [(name, operator, len(value)) for name, operator, value in lists["reply"]] == [
        ("Reply-Message", ":=", 126),
        ("Reply-Message", "+=", 74),
    ]


def test_what_does_not_fit_into_a_packet_does_not_leave() -> None:
    pool = ("Reply-Message", "+=", "x" * 253)
    room = (PACKET_BYTES_MAX - PACKET_BYTES_KEPT) // packet_bytes_of(pool)
    assert leave(Rcode.OK, reply=[pool] * room)[1]["reply"] == (pool,) * room
    with pytest.raises(ContractBroken, match="4096"):
        leave(Rcode.OK, reply=[pool] * (room + 1))
    leave(Rcode.OK, config=[pool] * (room + 1))  # config does not go out


def packet_bytes_of(pair: tuple[str, str, str]) -> int:
    return packet_bytes([pair]) - packet_bytes([])


TEXT = st.text(st.characters(codec=None), max_size=600)
VALUES = st.one_of(
    TEXT,
    st.integers(-(1 << 40), 1 << 40),
    st.integers(-(1 << 40), 1 << 40).map(str),
    st.binary(max_size=300).map(lambda raw: "0x" + raw.hex()),
    st.ip_addresses().map(str),
    st.none(),
)
ANY_PAIR = st.tuples(
    st.sampled_from([*CHECKS, "Reply-Message", "Other"]) | TEXT, st.sampled_from([":=", "+=", "="]), VALUES
)


@given(st.sampled_from(list(Rcode)), *(st.lists(ANY_PAIR, max_size=6) for _ in range(3)))
def test_any_answer_is_legal_or_does_not_leave(
    rcode: Rcode, reply: list[object], config: list[object], request: list[object]
) -> None:
    try:
        code, lists = leave(rcode, reply, config, request)  # type: ignore[arg-type]
    except ContractBroken:
        return
    legal(code, lists)


GOOD = st.one_of(
    st.tuples(st.just("Session-Timeout"), st.just(":="), st.integers(1, 0xFFFFFFFF).map(str)),
    st.tuples(
        st.sampled_from(["Reply-Message"]),
        st.sampled_from([":=", "+="]),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=600),
    ),
    st.tuples(st.just("Class"), st.just(":="), st.binary(min_size=1, max_size=253).map(lambda raw: "0x" + raw.hex())),
)


@given(st.lists(GOOD, max_size=2))
def test_a_good_answer_always_leaves_and_says_the_same(reply: list[tuple[str, str, str]]) -> None:
    code, lists = leave(Rcode.OK, reply=reply)
    legal(code, lists)
    sent = lists.get("reply", ())
    for name in {pair[0] for pair in reply}:
        meant = "".join(value for its, _, value in reply if its == name)
        told = "".join(value for its, _, value in sent if its == name)
        assert told.replace("\\\\", "\\") == meant


def legal(code: int, lists: dict[str, tuple[tuple[str, str, str], ...]]) -> None:
    """What mod_vptuple takes, restated independently."""
    assert type(code) is int
    assert 0 <= code <= 8
    assert set(lists) <= {"reply", "config", "request"}
    for pairs in lists.values():
        assert type(pairs) is tuple
        for pair in pairs:
            assert type(pair) is tuple
            assert [type(part) for part in pair] == [str, str, str]
            name, operator, value = pair
            assert operator in (":=", "+=")
            assert name in CHECKS
            assert "\0" not in value
            assert re.search(r"(?<!\\)(?:\\\\)*\\(?!\\)", value) is None, "an odd backslash would be an escape"
            wire = len(value) // 2 - 1 if CHECKS[name] is CHECKS["Class"] else len(value.replace("\\\\", "\\").encode())
            assert 0 < wire <= 253
