"""What a router says of a device, and what the browser is to bring back to it."""

from hashlib import md5
from urllib.parse import urlencode

import msgspec
import pytest

from billing.portal.handover import back, read, signed, waiting
from radius.domain.errors import Malformed
from radius.domain.identity import NasId
from radius.domain.intent import Waiting
from radius.domain.nas import Family, Router

MIKROTIK = Router(
    NasId("kilifi-1"), "kilifi", Family.MIKROTIK, ("10.8.0.2",), login_hosts=("10.5.50.1", "wifi.example")
)
COOVA = msgspec.structs.replace(MIKROTIK, family=Family.COOVA, login_hosts=("10.1.0.1:3990",))
DEVICE = "AA:BB:CC:DD:EE:FF"
ONLINE = "https://portal.example/online"
SAID = {
    "mac": DEVICE, "ip": "10.5.50.9", "link-login-only": "http://10.5.50.1/login", "chap-id": "\\371",
    "chap-challenge": "\\001a\\377\\\\134",
}  # fmt: skip
UAM = {"res": "notyet", "uamip": "10.1.0.1", "uamport": "3990", "challenge": "00ff10", "mac": "AA-BB-CC-DD-EE-FF"}


def hexmd5(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


def test_mikrotik_gets_the_chap_response_that_its_own_page_would_compute() -> None:
    arrival = read(MIKROTIK, SAID)
    assert (arrival.chap_id, arrival.challenge) == (b"\xf9", b"\x01a\xff\\\\")
    found = back(arrival, Family.MIKROTIK, "", ONLINE)
    assert found is not None
    assert found.action == "http://10.5.50.1/login"
    right = hexmd5(b"\xf9" + DEVICE.encode() + b"\x01a\xff\\\\")
    assert found.fields == {"username": DEVICE, "password": right, "dst": ONLINE}


def test_mikrotik_without_chap_gets_the_name_as_its_password() -> None:
    found = back(read(MIKROTIK, {**SAID, "chap-id": "", "chap-challenge": ""}), Family.MIKROTIK, "", ONLINE)
    assert found is not None
    assert found.fields["password"] == DEVICE


@pytest.mark.parametrize(
    "login",
    [
        "http://evil.example/login", "http://10.5.50.1@evil.example/login", "http://10.5.50.1.evil.example/login",
        "http://10.5.50.1:8080/login", "javascript://10.5.50.1/login", "//10.5.50.1/login", "http://10.5.50.1/logout",
        "http://10.5.50.1\\@evil.example/login", "http://[10.5.50.1/login", "",
        "http://10.5.50.1" + "/" * 600 + "login",
    ],
)  # fmt: skip
def test_nobody_is_sent_to_a_page_that_is_not_the_routers(login: str) -> None:
    arrival = read(MIKROTIK, {**SAID, "link-login-only": login})
    assert arrival.login == ""
    assert back(arrival, Family.MIKROTIK, "", ONLINE) is None


def test_what_a_page_adds_to_its_address_is_dropped() -> None:
    arrival = read(MIKROTIK, {**SAID, "link-login-only": "https://WIFI.example/login?dst=http://evil.example#x"})
    assert arrival.login == "https://wifi.example/login"


def test_a_status_page_says_that_the_device_is_online() -> None:
    arrival = read(MIKROTIK, {"mac": DEVICE, "logged-in": "yes", "link-logout": "http://10.5.50.1/logout"})
    assert (arrival.online, arrival.logout, arrival.login) == (True, "http://10.5.50.1/logout", "")


def test_coova_gets_a_response_with_and_without_its_secret() -> None:
    arrival = read(COOVA, UAM)
    bare = back(arrival, Family.COOVA, "", ONLINE)
    keyed = back(arrival, Family.COOVA, "uam-secret", ONLINE)
    assert bare is not None
    assert keyed is not None
    assert bare.action == keyed.action == "http://10.1.0.1:3990/logon"
    challenge = bytes.fromhex("00ff10")
    assert bare.fields["response"] == hexmd5(b"\0" + DEVICE.encode() + challenge)
    mixed = md5(challenge + b"uam-secret", usedforsecurity=False).digest()
    assert keyed.fields["response"] == hexmd5(b"\0" + DEVICE.encode() + mixed)
    assert "password" not in keyed.fields


def test_coova_that_gives_no_challenge_gets_the_name() -> None:
    found = back(read(COOVA, {**UAM, "challenge": ""}), Family.COOVA, "", ONLINE)
    assert found is not None
    assert found.fields["password"] == DEVICE


@pytest.mark.parametrize("change", [{"uamip": "10.9.9.9"}, {"uamport": "80"}, {"uamport": "3990/x@evil.example:1"}])
def test_coova_elsewhere_is_not_believed(change: dict[str, str]) -> None:
    assert read(COOVA, {**UAM, **change}).login == ""


def test_coovas_own_address_proves_that_nobody_changed_it() -> None:
    said = "https://portal.example/w/kilifi-1?" + urlencode(UAM)
    url = f"{said}&md={hexmd5((said + 'uam-secret').encode()).upper()}"
    assert signed(url, "uam-secret")
    assert not signed(url.replace("EE-FF", "EE-FE"), "uam-secret")
    assert not signed(url, "another")
    assert not signed(said, "uam-secret")


def test_coova_tells_how_it_went() -> None:
    assert read(COOVA, {**UAM, "res": "success"}).online
    assert read(COOVA, {**UAM, "res": "failed", "reply": "No data left"}).error == "No data left"
    assert read(COOVA, {**UAM, "res": "failed"}).error == "failed"


def test_coova_names_the_entry_that_waits() -> None:
    found = waiting(read(COOVA, {**UAM, "sessionid": "65a1", "ip": "10.1.0.7"}))
    assert found == Waiting("kilifi-1", "65a1", "AA-BB-CC-DD-EE-FF", "10.1.0.7")
    assert waiting(read(MIKROTIK, SAID)) is None


def test_any_other_router_names_the_device_in_its_own_word() -> None:
    other = msgspec.structs.replace(MIKROTIK, family=Family.CISCO)
    said = {"client_mac": "aabb.ccdd.eeff", "switch_url": "http://10.5.50.1/login", "session": "0000A1"}
    arrival = read(other, said)
    assert arrival.mac == "aabbccddeeff"
    assert waiting(arrival) == Waiting("kilifi-1", "0000A1", "AA-BB-CC-DD-EE-FF")
    assert back(arrival, Family.CISCO, "", ONLINE) is None


@pytest.mark.parametrize("mac", ["$(mac)", "", "00:00:00:00:00:00", "FF:FF:FF:FF:FF:FF", "01:00:5E:00:00:01"])
def test_an_arrival_without_a_device_is_none(mac: str) -> None:
    with pytest.raises(Malformed):
        read(MIKROTIK, {"mac": mac})
