"""Vouchers at the portal: used once, and guessing is slowed as at the routers."""

from billing.domain.voucher import Voucher, VoucherState
from billing.ports import Claim, ClaimKind, KeptVoucher, Posting
from radius.domain.guessing import CODES_BURST
from radius.domain.identity import SubscriberId
from tests.contract.values import soon
from tests.fakes.portal import SITE, Stand
from tests.unit.billing.values import T0

CODE = "739182645017"


def printed(stand: Stand, number: int = 7, code: str = CODE, redeem_by: int = 0) -> None:
    paper = stand.core.provision.voucher(code, "standard.1", T0)
    voucher = Voucher("B1", number, VoucherState.SOLD, redeem_by)
    kept = KeptVoucher(voucher, 1, "code", "standard.1", 5_000, SubscriberId(paper), f"b1-{number:04}")
    claim = Claim(ClaimKind.CODE, stand.core.keys.alias_key(code), voucher.serial)
    stand.billing.store.ports.post(Posting(f"made{number}", claims=(claim,), voucher=kept), soon())


def test_a_code_becomes_time_online_once(stand: Stand) -> None:
    printed(stand)
    assert stand.redeem("7391 8264 5017").json() == {"package": "standard.1", "again": False}
    assert stand.redeem(CODE).json() == {"package": "standard.1", "again": True}
    other = stand.redeem(CODE, device="11:22:33:44:55:66")
    assert (other.status_code, other.json()["code"]) == (410, "code_over")


def test_a_code_that_is_too_old_says_so(stand: Stand) -> None:
    printed(stand, redeem_by=T0)
    assert stand.redeem(CODE).json()["code"] == "code_over"


def test_a_phone_number_is_no_code(stand: Stand) -> None:
    assert stand.redeem("0712345678").json()["code"] == "no_code"


def test_who_guesses_makes_no_customer_and_waits(stand: Stand) -> None:
    answers = [stand.redeem(f"{number:012}") for number in range(15)]
    assert {answer.json()["code"] for answer in answers} == {"no_code", "too_many"}
    assert stand.metrics.total("NewUsers") == 0
    printed(stand)
    waiting = stand.redeem(CODE)
    assert waiting.status_code == 429
    stand.monotonic += int(waiting.headers["Retry-After"])
    assert stand.redeem(CODE).status_code == 200


def test_who_changes_devices_meets_the_limit_of_the_place(stand: Stand) -> None:
    answers = [
        stand.redeem(f"{number:012}", device=f"AA:BB:CC:DD:EE:{number:02X}").status_code
        for number in range(CODES_BURST + 5)
    ]
    assert answers == [404] * CODES_BURST + [429] * 5


def test_places_are_asked_for_before_codes(stand: Stand) -> None:
    printed(stand)
    assert stand.redeem(CODE, site="elsewhere").json()["code"] == "no_site"
    assert stand.redeem(CODE, site=SITE).status_code == 200
