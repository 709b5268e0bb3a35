"""Names in every spelling that people and routers use."""

import pytest

from radius.domain.errors import Malformed
from radius.domain.identity import (
    MacAddress,
    NameKind,
    NasId,
    ReservationId,
    SubscriberId,
    class_value,
    normal_name,
    parse_class,
    parse_mac,
    parse_phone,
    parse_username,
    parse_written,
    session_uid,
)

DEVICE = MacAddress("aabbccddeeff")
NUMERIC = MacAddress("254712345678")


@pytest.mark.parametrize(
    "text",
    [
        "aabbccddeeff",
        "AABBCCDDEEFF",
        "aa:bb:cc:dd:ee:ff",
        "AA:BB:CC:DD:EE:FF",
        "AA-BB-CC-DD-EE-FF",
        "aa-bb-cc-dd-ee-ff",
        "aabb.ccdd.eeff",
        "AABB.CCDD.EEFF",
        "aabb-ccdd-eeff",
        "aabb:ccdd:eeff",
        "aabbcc-ddeeff",
        "aabbcc:ddeeff",
        "aa bb cc dd ee ff",
        " aa:bb:cc:dd:ee:ff ",
        "AA-BB-CC-DD-EE-FF:guest",
        "aa:bb:cc:dd:ee:ff:Cafe WiFi",
    ],
)
def test_every_spelling_of_a_mac_is_one_mac(text: str) -> None:
    assert parse_mac(text) == "aabbccddeeff"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "aabbccddeef",
        "aabbccddeefff",
        "aa:bb-cc:dd:ee:ff",
        "aa:bb:cc:dd:ee",
        "aa:bb:cc:dd:ee:ff0",
        "aabb.ccdd-eeff",
        "ga:bb:cc:dd:ee:ff",
        "0712345678",
        "aa bb cc-dd ee ff",
        "aabbcc ddeeff",
        "aa bb cc dd ee ff gg",
    ],
)
def test_what_is_no_mac(text: str) -> None:
    assert parse_mac(text) is None


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("0712345678", "254712345678"),
        ("0112345678", "254112345678"),
        ("254712345678", "254712345678"),
        ("+254712345678", "254712345678"),
        ("254112345678", "254112345678"),
        ("+254 712 345-678", "254712345678"),
        ("0712 345 678", "254712345678"),
        ("00254712345678", "254712345678"),
        ("00254 112 345 678", "254112345678"),
        ("tel:+254712345678", "254712345678"),
        ("TEL:+254-712-345-678", "254712345678"),
        ("tel:0712345678", "254712345678"),
        ("000254712345678", None),
        ("0254712345678", None),
        ("+00254712345678", None),
        ("+0712345678", None),
        ("tel:", None),
        ("0812345678", None),
        ("071234567", None),
        ("07123456789", None),
        ("712345678", None),
        ("+255712345678", None),
        ("07\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", None),
        ("", None),
    ],
)
def test_phones(text: str, normal: str | None) -> None:
    assert parse_phone(text) == normal


@pytest.mark.parametrize(
    ("raw", "calling", "kind", "normal"),
    [
        ("0712345678", DEVICE, NameKind.PHONE, "254712345678"),
        (" 0712345678 ", DEVICE, NameKind.PHONE, "254712345678"),
        ("254712345678", DEVICE, NameKind.PHONE, "254712345678"),
        ("254712345678", None, NameKind.PHONE, "254712345678"),
        ("254712345678", NUMERIC, NameKind.MAC, "254712345678"),
        ("2547-1234-5678", DEVICE, NameKind.PHONE, "254712345678"),
        ("25:47:12:34:56:78", DEVICE, NameKind.MAC, "254712345678"),
        ("aabbccddeeff", DEVICE, NameKind.MAC, "aabbccddeeff"),
        ("AABB-CCDD-EEFF", DEVICE, NameKind.MAC, "aabbccddeeff"),
        ("AABBCC-DDEEFF", DEVICE, NameKind.MAC, "aabbccddeeff"),
        ("AA:BB:CC:DD:EE:00", DEVICE, NameKind.MAC, "aabbccddee00"),
        ("aabb.ccdd.ee00", DEVICE, NameKind.MAC, "aabbccddee00"),
        ("aabbccddeeff", None, NameKind.NAME, "aabbccddeeff"),
        ("aabbccddee00", DEVICE, NameKind.NAME, "aabbccddee00"),
        ("AABBCC:DDEE00", DEVICE, NameKind.MAC, "aabbccddee00"),
        ("aa bb cc dd ee ff", DEVICE, NameKind.MAC, "aabbccddeeff"),
        ("aa bb cc dd ee ff", None, NameKind.NAME, "aabbccddeeff"),
        ("AA:BB:CC:DD:EE:FF", None, NameKind.MAC, "aabbccddeeff"),
        ("123456789012", None, NameKind.NAME, "123456789012"),
        ("aa bb cc dd ee 00", DEVICE, NameKind.NAME, "aabbccddee00"),
        ("25 47 12 34 56 78", DEVICE, NameKind.PHONE, "254712345678"),
        ("12 34 56 78 90 12", DEVICE, NameKind.NAME, "123456789012"),
        ("00254712345678", DEVICE, NameKind.PHONE, "254712345678"),
        ("tel:+254712345678", None, NameKind.PHONE, "254712345678"),
        ("mama.njeri@realm", DEVICE, NameKind.NAME, "mama.njeri@realm"),
        ("1234-5678-9012", DEVICE, NameKind.NAME, "123456789012"),
        ("123456789012", DEVICE, NameKind.NAME, "123456789012"),
        ("123456-789012", DEVICE, NameKind.NAME, "123456789012"),
        ("ABCD-2345", DEVICE, NameKind.NAME, "abcd2345"),
        ("Jo Ann", None, NameKind.NAME, "joann"),
        ("STRASSE", None, NameKind.NAME, "strasse"),
        ("Straße", None, NameKind.NAME, "strasse"),
        ("aa:bb:cc:dd:ee:ff:guest", None, NameKind.NAME, "aa:bb:cc:dd:ee:ff:guest"),
    ],
)
def test_what_a_user_name_is(raw: str, calling: MacAddress | None, kind: NameKind, normal: str) -> None:
    name = parse_username(raw, calling)
    assert (name.raw, name.kind, name.normal) == (raw, kind, normal)
    assert name.alias == f"{kind.value}:{normal}"


@pytest.mark.parametrize(
    ("text", "alias"),
    [
        ("aabbccddeeff", "m:aabbccddeeff"),
        ("AA-BB-CC-DD-EE-FF", "m:aabbccddeeff"),
        ("254712345678", "p:254712345678"),
        ("0712 345 678", "p:254712345678"),
        ("mama.njeri", "n:mama.njeri"),
    ],
)
def test_what_an_operator_writes(text: str, alias: str) -> None:
    assert parse_written(text).alias == alias


def test_a_code_is_found_however_its_groups_are_typed() -> None:
    spellings = ("123456789012", "1234-5678-9012", "123456-789012", "1234 5678 9012", "12 34 56 78 90 12")
    assert {parse_username(text, DEVICE).alias for text in spellings} == {"n:123456789012"}


@pytest.mark.parametrize("raw", ["", "   ", " - - ", "x" * 254, "é" * 127, "\ud800abc"])
def test_impossible_user_names(raw: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_username(raw, None)
    assert caught.value.field == "User-Name"


def test_the_longest_possible_user_name() -> None:
    assert parse_username("x" * 253, None).normal == "x" * 253


def test_normal_names_are_stable() -> None:
    assert normal_name(normal_name("Ab-C 1")) == "abc1"


def test_class_there_and_back() -> None:
    subscriber, reservation = SubscriberId("abcdefghijklmnop"), ReservationId("0123456789")
    text = class_value(subscriber, reservation)
    assert text == "wb1.abcdefghijklmnop.0123456789"
    assert parse_class(text) == (subscriber, reservation)
    assert parse_class("0x" + text.encode().hex()) == (subscriber, reservation)


@pytest.mark.parametrize(
    "text",
    ["", "0x", "0xzz", "0x77", "0xff", "wb1.", "wb1.abc", "wb1..abc", "wb1.abc.", "wb1.a.b.c", "wb2.a.b", "wb1.a b.c"],
)
def test_a_class_that_is_not_ours(text: str) -> None:
    assert parse_class(text) is None


def test_a_session_has_one_name_and_different_ones_differ() -> None:
    base = (NasId("kilimani-03"), "81c00001", "aabbccddeeff", "0123456789")
    uid = session_uid(*base)
    assert uid == session_uid(*base)
    assert len(uid) == 20
    others = {
        session_uid(NasId("kilimani-04"), *base[1:]),
        session_uid(base[0], "81c00002", *base[2:]),
        session_uid(*base[:2], "aabbccddee00", base[3]),
        session_uid(*base[:3], ""),
        session_uid(base[0], "", "81c00001aabbccddeeff", base[3]),
    }
    assert uid not in others
    assert len(others) == 5
