"""Every way to log in, through real FreeRADIUS with the real hooks and the real engine."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from radius.domain.identity import MacAddress
from radius.domain.nas import Language
from radius.domain.policy import Reason
from radius.domain.subscriber import Subscriber
from radius.domain.terms import DAYS_ALL, Hours, PeriodUnit, Service, Window, WindowStart
from radius.rlm import messages
from radius.services.access import HIDDEN
from tests.fakes.nas import FakeRouter, How, total_limit
from tests.integration.box import DAY, GIGABYTE, SITE_MAC_PASSWORD, Box, new_mac, new_phone
from tests.integration.freeradius_lab import EapResult, missing_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
WRONG = messages.text("bad_credentials", Language.ENGLISH)
PPPOE = {"Framed-Protocol": "PPP", "Service-Type": "Framed-User", "NAS-Port-Type": "Ethernet"}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "mikrotik": lambda mac: mac,
    "coova": lambda mac: mac.replace(":", "-"),
    "unifi": lambda mac: mac.replace(":", "").lower(),
    "lower": str.lower,
    "cisco": lambda mac: ".".join(mac.replace(":", "").lower()[at : at + 4] for at in (0, 4, 8)),
    "aruba": lambda mac: mac.replace(":", "").upper(),
    "halves": lambda mac: f"{mac.replace(':', '')[:6]}:{mac.replace(':', '')[6:]}",
    "spaces": lambda mac: mac.replace(":", " "),
    "huawei": lambda mac: "-".join(mac.replace(":", "").lower()[at : at + 4] for at in (0, 4, 8)),
}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with Box(tmp_path_factory.mktemp("methods") / "box", routers={"router-guess": "127.0.0.9"}) as one:
        one.terms("open.1", devices=5)
        one.terms("home.1", service=Service.PPPOE)
        one.terms("voucher.1", window=Window(WindowStart.FIRST_LOGIN, 1, PeriodUnit.DAY))
        yield one


@pytest.fixture
def router(box: Box) -> FakeRouter:
    return box.router()


# -- names with passwords ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", How)
def test_the_right_password_is_let_in_with_all_limits(box: Box, router: FakeRouter, how: How) -> None:
    good, reply = router.login(box.customer(DAY), "karibu", new_mac(), how=how)
    assert good
    assert 0 < reply["Session-Timeout"] <= 86_400
    assert total_limit(reply) == GIGABYTE
    assert (reply["Mikrotik-Rate-Limit"], reply["Port-Limit"]) == ("2M/5M", 1)
    assert reply["Class"].startswith(b"wb1.")
    assert "Message-Authenticator" in reply


@pytest.mark.parametrize("how", How)
def test_a_wrong_password_and_an_unknown_name_look_the_same(box: Box, router: FakeRouter, how: How) -> None:
    known = router.login(box.customer(DAY), "guessed", new_mac(), how=how)
    unknown = router.login("0799999999", "guessed", new_mac(), how=how)
    assert [good for good, _ in (known, unknown)] == [False, False]
    assert seen(known[1]) == seen(unknown[1]) == refusal(how)


def seen(reply: Mapping[str, Any]) -> dict[str, Any]:
    """What a refusal shows, without what is random in it: the MS-CHAP identifier and challenge."""
    shown = {**reply, "Message-Authenticator": ""}
    if "MS-CHAP-Error" in reply:
        error = reply["MS-CHAP-Error"]  # text, or bytes where the identifier is no ASCII
        text = error if isinstance(error, str) else error.decode("latin-1")
        shown["MS-CHAP-Error"] = re.sub(r"C=[0-9a-fA-F]{32}", "", text[1:])
    return shown


def refusal(how: How) -> dict[str, Any]:
    error = {"MS-CHAP-Error": "E=691 R=0  V=3 M=Authentication rejected"} if how is How.MSCHAP2 else {}
    return {"Reply-Message": WRONG, "Message-Authenticator": "", **error}


@pytest.mark.parametrize("how", How)
@pytest.mark.parametrize("kind", ["sealed", "hashed", "unknown"])
def test_fifteen_wrong_tries_from_one_device_look_the_same_for_every_name(
    box: Box, router: FakeRouter, how: How, kind: str
) -> None:
    """Limits are met at the 7th for a known name, at the 11th for an unknown one: only the log may know."""
    name = f"{kind}.{how.name.lower()}"
    if kind != "unknown":
        box.customer(DAY, name, hashed=kind == "hashed")
    device = new_mac()
    assert [seen(router.login(name, "guessed", device, how=how)[1]) for _ in range(15)] == [refusal(how)] * 15
    assert '"reason":"too_many_attempts"' in box.log().splitlines()[-1]


@pytest.mark.parametrize("how", How)
def test_a_wrong_secret_reserves_nothing(box: Box, router: FakeRouter, how: How) -> None:
    phone = box.customer(DAY)
    before = box.version(phone)
    assert not router.login(phone, "guessed", new_mac(), how=how)[0]
    assert (box.version(phone), box.aggregate(phone).sessions) == (before, [])


def test_a_hashed_password_serves_pap_only_and_says_so_to_nobody(box: Box, router: FakeRouter) -> None:
    box.customer(DAY, "hashed.one", hashed=True)
    assert router.login("hashed.one", "karibu", new_mac(), how=How.PAP)[0]
    refusals = [router.login("hashed.one", "wrong", new_mac(), how=How.PAP)]
    refusals += [router.login("hashed.one", "karibu", new_mac(), how=how) for how in (How.CHAP, How.MSCHAP2)]
    assert [(good, reply["Reply-Message"]) for good, reply in refusals] == [(False, WRONG)] * 3
    assert '"reason":"method_unsupported"' in box.log()


@pytest.mark.parametrize("spelling", ["0{}", "254{}", "+254{}", "+254 {}", "00254{}", "tel:+254{}"])
@pytest.mark.parametrize("series", ["7", "1"])
def test_one_phone_however_it_is_typed(box: Box, router: FakeRouter, spelling: str, series: str) -> None:
    digits = f"{series}{new_phone()[2:]}"
    box.customer(DAY, "0" + digits)
    for how in (How.PAP, How.CHAP, How.MSCHAP2):
        assert router.login(spelling.format(digits), "karibu", "02:00:00:00:FF:01", how=how)[0], how


@pytest.mark.parametrize("typed", ["mama.njeri", "MAMA.NJERI", "Mama. Njeri"])
@pytest.mark.parametrize("how", How)
def test_an_account_name_in_any_case(box: Box, router: FakeRouter, typed: str, how: How) -> None:
    if not box.core.names.resolve(box.alias("mama.njeri"), time.monotonic() + 5):
        box.customer("open.1", "Mama.Njeri")
    assert router.login(typed, "karibu", "02:00:00:00:FF:02", how=how)[0]


def test_a_name_that_is_not_utf8_or_as_long_as_can_be_is_refused_not_dropped(router: FakeRouter) -> None:
    for name in (b"caf\xe9", b"\xff" * 253, b"x" * 253, "jîna".encode()):
        for how in (How.PAP, How.CHAP):
            assert not router.login(name, "karibu", new_mac(), how=how)[0]


# -- EAP -----------------------------------------------------------------------------------------------------------


def eap(kind: str, name: str, password: str) -> dict[str, str]:
    outer, _, inner = kind.partition("/")
    network = {"eap": outer, "identity": f'"{name}"', "password": f'"{password}"'}
    if inner:
        network |= {"anonymous_identity": '"anonymous"', "phase2": f'"auth={inner}"'}
    return network


def verdict(result: EapResult) -> tuple[bool, int | None, int | None]:
    return result.success, result.radius_code, result.eap_code


METHODS = ["MD5", "PEAP/MSCHAPV2", "TTLS/PAP", "TTLS/MSCHAPV2"]


@pytest.mark.parametrize("kind", METHODS)
def test_eap_gets_its_limits_in_the_outer_accept(box: Box, kind: str) -> None:
    phone = box.customer(DAY)
    before = box.version(phone)
    result = box.lab.eapol(eap(kind, phone, "karibu"), mac=new_mac().lower())
    assert verdict(result) == (True, 2, 3), result.output[-2000:]
    for attribute in (25, 26, 27):  # Class, the vendor's limits, Session-Timeout
        assert result.has_attribute(attribute), attribute
    sessions = box.aggregate(phone).sessions
    assert len(sessions) == 1
    assert f"{sessions[0].reservation}".encode().hex() in result.output.lower()
    assert box.version(phone) == before + 1  # one write a login, however many rounds


@pytest.mark.parametrize("kind", METHODS)
def test_a_wrong_secret_and_an_unknown_name_end_in_eap_failure(box: Box, kind: str) -> None:
    for name in (box.customer(DAY), "0799999998"):
        result = box.lab.eapol(eap(kind, name, "guessed"), mac=new_mac().lower())
        assert verdict(result) == (False, 3, 4), result.output[-2000:]


@pytest.mark.parametrize("kind", METHODS)
def test_no_round_of_eap_tells_a_hashed_an_unknown_or_a_limited_name_apart(box: Box, kind: str) -> None:
    walks = []
    for name in (box.customer(DAY), box.customer(DAY, new_phone(), hashed=True), new_phone()):
        mac = new_mac().lower()
        walks.append([shape(box.lab.eapol(eap(kind, name, "guessed"), mac=mac)) for _ in range(12)])
    assert walks[0] == walks[1] == walks[2]
    assert len({tuple(rounds) for rounds in walks[0]}) == 1


def shape(result: EapResult) -> list[str]:
    """The kinds of packets and attributes that came back, round by round."""
    return re.findall(r"(?<=RADIUS message: )code=\d+|(?<=Attribute )\d+ \(\S+\) length=\d+", result.output)


@pytest.mark.parametrize("kind", METHODS)
def test_a_refusal_by_policy_after_eap_is_a_clean_failure(box: Box, kind: str) -> None:
    result = box.lab.eapol(eap(kind, box.customer(), "karibu"), mac=new_mac().lower())
    assert verdict(result) == (False, 3, 4), result.output[-2000:]
    assert not result.has_attribute(18)  # RFC 3579 §2.6.5: no Reply-Message beside EAP-Message
    assert not result.has_attribute(27)


def test_ttls_pap_serves_a_hashed_password_and_peap_does_not(box: Box) -> None:
    box.customer("open.1", "hashed.two", hashed=True)
    good = box.lab.eapol(eap("TTLS/PAP", "hashed.two", "karibu"), mac=new_mac().lower())
    bad = box.lab.eapol(eap("PEAP/MSCHAPV2", "hashed.two", "karibu"), mac=new_mac().lower())
    assert (verdict(good), verdict(bad)) == ((True, 2, 3), (False, 3, 4))


# -- devices -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def device(box: Box) -> str:
    mac = new_mac()
    box.grant(box.core.provision.device(mac, int(time.time())), DAY)
    return mac


@pytest.mark.parametrize("how", [How.PAP, How.CHAP, How.CHAP_BARE])
@pytest.mark.parametrize("family", SPELLINGS)
def test_a_device_logs_in_by_its_mac(box: Box, router: FakeRouter, device: str, family: str, how: How) -> None:
    name = SPELLINGS[family](device)
    for password in ("", name, SITE_MAC_PASSWORD):
        good, reply = router.login(name, password, device, how=how)
        assert good, (password, reply)
    good, reply = router.login(name, "guessed", device, how=how)
    assert (good, reply["Reply-Message"]) == (False, WRONG)


def test_a_mac_is_nobody_elses_name(router: FakeRouter, device: str) -> None:
    for password in ("", device, SITE_MAC_PASSWORD):
        good, reply = router.login(device, password, new_mac(), how=How.PAP)
        assert (good, reply["Reply-Message"]) == (False, WRONG)


# -- vouchers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "password"),
    [
        (How.PAP, ""),
        (How.PAP, "equal"),
        (How.CHAP, ""),
        (How.CHAP, "equal"),
        (How.CHAP_BARE, ""),
        (How.CHAP_BARE, "equal"),
        (How.MSCHAP2, "equal"),
    ],
)
def test_the_first_use_of_a_voucher_starts_it(box: Box, router: FakeRouter, how: How, password: str) -> None:
    code = f"kj{new_mac().replace(':', '').lower()}"
    box.core.provision.voucher(code, "voucher.1", int(time.time()))
    mac = new_mac()
    good, reply = router.login(code.upper(), "guessed", mac, how=how)
    assert (good, reply["Reply-Message"]) == (False, WRONG)
    assert box.aggregate(code).rights[0].starts_at == 0
    typed = f"{code[:4]} {code[4:]}"  # by PAP the same code in another spelling is the same code
    equal = code.upper() if how is not How.PAP else f"{code[:3]}-{code[3:]}".upper()
    good, reply = router.login(code.upper() if how is not How.PAP else typed, equal if password else "", mac, how=how)
    assert good, reply
    right = box.aggregate(code).rights[0]
    assert abs(right.starts_at - time.time()) < 60
    assert right.ends_at == right.starts_at + 86_400


# -- PPPoE ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [How.PAP, How.CHAP, How.MSCHAP2])
def test_a_home_line_gets_its_address_and_is_bound_to_its_caller(box: Box, router: FakeRouter, how: How) -> None:
    home, mac = box.customer("home.1", f"home.{new_mac()[-5:]}.{how.name}"), new_mac()
    bound = MacAddress(mac.replace(":", "").lower())
    assert box.core.provision.bind_caller(box.find(home), bound, fixed_ip="100.64.7.7")
    good, reply = router.login(home, "karibu", mac, how=how, more=PPPOE)
    assert (good, reply.get("Framed-IP-Address")) == (True, "100.64.7.7")
    assert box.core.provision.bind_caller(box.find(home), None, pool="homes")
    good, reply = router.login(home, "karibu", new_mac(), how=how, more=PPPOE)
    assert not good  # one device, and the first holds the slot
    good, reply = router.login(home, "karibu", mac, how=how, more=PPPOE)
    assert (good, reply.get("Framed-Pool"), reply.get("Framed-IP-Address")) == (True, "homes", None)


# -- every refusal in both languages ---------------------------------------------------------------------------------

UNREACHED = HIDDEN  # told as a wrong secret: see the hashed password above and the guessing below


def _closed_now(box: Box) -> tuple[Hours, ...]:
    local = datetime.now(ZoneInfo("Africa/Nairobi"))
    minute = local.hour * 60 + local.minute
    return (Hours(DAYS_ALL, (minute + 120) % 1440, (minute + 180) % 1440 or 1440),)


def _ended(present: Subscriber) -> None:
    present.rights[0].ends_at = int(time.time()) - 10


def _used(present: Subscriber) -> None:
    present.rights[0].used_bytes = GIGABYTE


def _used_time(present: Subscriber) -> None:
    present.rights[0].used_s = 3600


class Refusal:
    """How to come to each refusal: the name to try, and with what."""

    def __init__(self, box: Box, router: FakeRouter) -> None:
        self.box, self.router = box, router
        self.password, self.mac = "karibu", new_mac()
        self.more: dict[str, Any] = {}

    def prepare(self, reason: Reason) -> str:
        return str(getattr(self, f"_{reason.value}")())

    def _with(self, code: str, change: Callable[[Subscriber], None] | None = None, **fields: Any) -> str:
        phone = self.box.customer(self.box.terms(f"{code}.1", **fields))
        if change is not None:
            self.box.edit(phone, change)
        return phone

    def _bad_credentials(self) -> str:
        self.password = "guessed"
        return self.box.customer(DAY)

    def _blocked(self) -> str:
        phone = self.box.customer(DAY)
        assert self.box.core.provision.block(self.box.find(phone), "unpaid", int(time.time()))
        return phone

    def _no_package(self) -> str:
        return self.box.customer()

    def _expired(self) -> str:
        return self._with("day", _ended)

    def _quota_used(self) -> str:
        return self._with("day", _used)

    def _time_used(self) -> str:
        return self._with("hour", _used_time, quota_bytes=None, quota_s=3600)

    def _quota_leased(self) -> str:
        phone = self._with("small", quota_bytes=10 << 20, devices=2)
        assert self.router.login(phone, "karibu", new_mac())[0]
        return phone

    def _outside_hours(self) -> str:
        return self._with(f"night-{new_mac().replace(':', '')}.1", hours=_closed_now(self.box))

    def _wrong_site(self) -> str:
        return self._with("kisumu", sites=("kisumu",))

    def _wrong_service(self) -> str:
        return self.box.customer("home.1")

    def _device_limit(self) -> str:
        phone = self.box.customer(DAY)
        assert self.router.login(phone, "karibu", new_mac())[0]
        return phone

    def _caller_mismatch(self) -> str:
        self.more = PPPOE
        home = self.box.customer("home.1")
        assert self.box.core.provision.bind_caller(self.box.find(home), MacAddress("0a0000000001"))
        return home

    def _malformed(self) -> str:
        return "---"


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("reason", sorted(set(Reason) - UNREACHED))
def test_every_refusal_says_why_in_the_language_of_the_site(box: Box, reason: Reason, language: Language) -> None:
    router = box.router() if language is Language.ENGLISH else box.router("router-two", "127.0.0.2")
    case = Refusal(box, router)
    name = case.prepare(reason)
    good, reply = router.login(name, case.password, case.mac, more=case.more)
    assert (good, reply["Reply-Message"]) == (False, messages.text(reason.value, language))
    assert set(reply) == {"Reply-Message", "Message-Authenticator"}
    last = [line for line in box.log().splitlines() if "Access rejected" in line][-1]
    assert f'"reason":"{reason.value}"' in last


# -- guessing --------------------------------------------------------------------------------------------------------


def test_guessing_slows_down_the_guesser_and_not_the_customer(box: Box) -> None:
    router = box.router("router-guess", "127.0.0.9")
    phone, own = box.customer("open.1"), new_mac()
    router_knows(router, phone, own)

    def tried(name: str, password: str, mac: str) -> str:
        """The reason that the log gives; the customer is told the same whatever it is."""
        good, reply = router.login(name, password, mac, how=How.PAP)
        assert (good, reply["Reply-Message"]) == (False, WRONG)
        return str(json.loads(box.log().splitlines()[-1])["details"]["reason"])

    assert [tried(phone, "guessed", new_mac()) for _ in range(20)] == ["bad_credentials"] * 20
    assert tried(phone, "karibu", new_mac()) == "too_many_attempts"  # the right secret, a stranger
    assert router.login(phone, "karibu", own)[0]  # the device that proved it before

    guesser = new_mac()
    told = [tried(f"code{number}", "", guesser) for number in range(12)]
    assert told == ["bad_credentials"] * 10 + ["too_many_attempts"] * 2
    assert router.login(box.customer(DAY), "karibu", new_mac())[0]  # others at this router

    told = [tried(f"card{number}", "", new_mac()) for number in range(60)]
    assert (told[0], told[-1]) == ("bad_credentials", "too_many_attempts")  # one guess a MAC: the router's own limit
    assert router.login(phone, "karibu", own)[0]  # a name this node knows is never refused for that


def router_knows(router: FakeRouter, phone: str, mac: str) -> None:
    assert router.login(phone, "karibu", mac)[0]
