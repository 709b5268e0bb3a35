"""From the list of packages to being online, as a page asks for it."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec
import pytest

from billing.provider import Refused as PushRefused
from billing.provider import Unknown as PushUnknown
from radius.domain import subscriber as aggregate
from radius.domain.identity import MacAddress, NameKind, SubscriberId, Username
from radius.domain.intent import IntentReason
from radius.domain.subscriber import Subscriber
from radius.services.desk import Decided
from tests.contract.billing.values import PACKAGE
from tests.contract.values import soon
from tests.fakes.portal import DEVICE, SITE, Stand
from tests.unit.billing.values import T0

MAC = "aabbccddeeff"


def customer(stand: Stand) -> Subscriber:
    alias = stand.core.names.alias(Username(MAC, NameKind.MAC, MAC))
    found = stand.core.store.names.resolve(alias, soon())
    stored = stand.core.store.subscribers.read(SubscriberId(found or ""), soon())
    assert stored
    return aggregate.decode(stored.body)


def test_packages_of_a_place_say_what_one_gets(stand: Stand) -> None:
    answer = stand.get(f"/sites/{SITE}/packages")
    assert answer.status_code == 200
    (package,) = answer.json()["packages"]
    assert (package["id"], package["name_sw"], package["price_cents"]) == ("standard.1", "Kawaida", 5_000)
    assert (package["lasts"], package["unit"], package["devices"]) == (1, "d", 1)
    assert stand.get("/sites/elsewhere/packages").json()["code"] == "no_site"


def test_a_sale_from_checkout_to_the_right(stand: Stand) -> None:
    begun = stand.buy()
    assert begun.status_code == 202
    token = begun.json()["token"]
    assert (begun.json()["stage"], begun.json()["price_cents"]) == ("waiting", 5_000)
    assert stand.get(f"/payments/{token}/usage").json()["code"] == "no_right"
    assert stand.callback().json() == {"ResultCode": 0, "ResultDesc": "Accepted"}
    assert stand.get(f"/payments/{token}").json()["stage"] == "paid"
    assert [(each.session, each.reason) for each in customer(stand).intents] == [(MAC, IntentReason.REAUTHORIZE)]
    usage = stand.get(f"/payments/{token}/usage").json()
    assert usage == {
        "package": "standard.1", "state": "live", "starts_at": T0, "ends_at": T0 + 86_400,
        "used_bytes": 0, "left_bytes": None, "left_s": None, "devices": 1,
    }  # fmt: skip
    assert stand.metrics.total("NewUsers") == 1
    assert stand.metrics.total("Revenue", Package="standard") == 50
    assert stand.metrics.total("PaymentSuccess") == 1


def test_a_key_that_comes_again_finds_its_payment_and_never_pushes(stand: Stand) -> None:
    first, second = stand.buy(), stand.buy()
    assert second.json() == first.json()
    assert len(stand.provider.pushes) == 1
    stand.callback()
    assert stand.buy().json()["stage"] == "paid"
    assert len(customer(stand).rights) == 1


def test_a_key_belongs_to_one_purchase(stand: Stand) -> None:
    stand.buy()
    terms = msgspec.structs.replace(PACKAGE.terms, id="other.1")
    stand.core.provision.terms(terms)
    stand.billing.store.ports.add(msgspec.structs.replace(PACKAGE, code="other", terms=terms), soon())
    answer = stand.buy(package="other.1")
    assert (answer.status_code, answer.json()["code"]) == (409, "key_reused")


def test_one_prompt_a_phone_and_not_whose(stand: Stand) -> None:
    begun = stand.buy()
    answer = stand.buy("another-key-of-a-page", device="11:22:33:44:55:66")
    assert (answer.status_code, answer.json()["code"]) == (409, "phone_busy")
    assert begun.json()["token"] not in answer.text
    assert int(answer.headers["Retry-After"]) > 0


def test_a_refused_push_is_said_and_a_lost_one_waits(stand: Stand) -> None:
    stand.provider.answer = PushRefused("500.003.02", again=True)
    answer = stand.buy()
    assert (answer.status_code, answer.json()["code"]) == (502, "not_sent")
    stand.provider.answer = PushUnknown("cut")
    again = stand.buy("another-key-of-a-page")
    assert (again.status_code, again.json()["stage"]) == (202, "waiting")


def test_what_failed_says_why_and_a_later_proof_revives_it(stand: Stand) -> None:
    token = stand.buy().json()["token"]
    for code, reason in (("1032", "cancelled"), ("2001", "wrong_pin")):
        stand.callback(code=code)
        shown = stand.get(f"/payments/{token}").json()
        assert (shown["stage"], shown["reason"]) == ("failed", reason)
    stand.callback()
    assert stand.get(f"/payments/{token}").json()["stage"] == "paid"


def test_nobody_takes_money_of_who_is_blocked(stand: Stand) -> None:
    stand.buy()
    stand.core.provision.block(customer(stand).id, "chargeback", T0)
    answer = stand.buy("another-key-of-a-page", phone="0712 345 679")
    assert (answer.status_code, answer.json()["code"]) == (403, "blocked")
    assert len(stand.provider.pushes) == 1


def test_a_phone_does_not_ring_all_day(stand: Stand) -> None:
    answers = []
    for number in range(8):
        answers.append(stand.buy(f"key-number-{number:08}", device=f"AA:BB:CC:DD:EE:0{number}"))
        stand.now += 100
    assert [answer.status_code for answer in answers] == [202] * 6 + [429] * 2
    assert len(stand.provider.pushes) == 6
    stand.monotonic += int(answers[-1].headers["Retry-After"])
    assert stand.buy("a-key-of-the-evening").status_code == 202


def test_a_new_device_is_one_customer_however_it_is_written(stand: Stand) -> None:
    for number, text in enumerate((DEVICE, "aa-bb-cc-dd-ee-ff", "aabb.ccdd.eeff")):
        stand.buy(f"key-number-{number:08}", device=text, phone=f"071234567{number}")
    assert stand.metrics.total("NewUsers") == 1


def test_an_event_is_the_status_and_a_gateway_gets_one(stand: Stand) -> None:
    token = stand.buy().json()["token"]
    answer = stand.get(f"/payments/{token}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith("retry: 3000\nevent: status\ndata: {")
    assert answer.text.count("data:") == 1
    assert '"stage":"waiting"' in answer.text


def test_a_device_that_was_forgotten_buys_for_who_has_it_now(stand: Stand) -> None:
    """Its old customer lists it no more, and the process ended before its name was free: no right may go there."""
    stand.buy()
    before = customer(stand)

    def unlist(present: Subscriber) -> Decided[None]:
        present.aliases = []
        return Decided(None, changed=True)

    stand.core.desk.change(before.id, unlist, soon())
    stand.buy("another-key-of-a-page", phone="0712345679")
    stand.callback(2)
    after = customer(stand)
    assert after.id != before.id
    assert after.aliases == [f"m:{MAC}"]
    assert len(after.rights) == 1
    assert stand.metrics.total("NewUsers") == 2


def test_two_pages_of_a_new_device_are_one_customer(stand: Stand) -> None:
    with ThreadPoolExecutor(8) as pool:
        whose = partial(stand.deps.customers.whose, MacAddress(MAC), SITE, T0)
        found = {each.result() for each in [pool.submit(whose) for _ in range(32)]}
    assert len(found) == 1
    assert stand.metrics.total("NewUsers") == 1


def test_a_name_that_is_being_given_is_waited_for(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its new owner's list comes a moment after the name."""
    owner = stand.core.provision.device("11:22:33:44:55:66", T0)
    stand.core.store.names.bind(f"m:{MAC}", owner, soon())

    def listed(_: float) -> None:
        stand.core.provision.name(owner, DEVICE)

    monkeypatch.setattr(stand.deps.customers, "_pause", listed)
    assert stand.deps.customers.whose(MacAddress(MAC), SITE, T0) == owner
    assert stand.metrics.total("NewUsers") == 0
