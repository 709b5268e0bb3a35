"""People: a phone proven once, a balance that renews, trials that are one, and being forgotten; memory and engine."""

import random
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import msgspec
import pytest

from billing.domain.journal import Cause
from billing.domain.ledger import Missing
from billing.domain.one_time import TRIES_MAX, WAITS_S, OneTimeRefusal
from billing.domain.package import Package, Trial, TrialRefusal
from billing.domain.person import Person, days_left, look_again_at, reminder
from billing.mail.port import Mail
from billing.ports import ClaimKind
from billing.services.people import People, Secrets, Verified
from billing.services.renew import AHEAD_S, Bought, NotBought, Renew
from billing.services.trials import Trials, Trying
from billing.sms.port import Message
from billing.store.ports import BillingStore
from radius.domain import subscriber as aggregate
from radius.domain.errors import Malformed
from radius.domain.identity import MacAddress, SubscriberId
from radius.domain.nas import Language
from radius.domain.subscriber import Credential, SecretKind, Subscriber
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart
from radius.secrets import KeyRing
from radius.store.open import Store
from tests.contract.billing.town import DEVICE, DyingRows, Killed, Town
from tests.contract.values import change, name, soon
from tests.unit.billing.values import T0

KEYS = KeyRing(bytes(range(32)))
MAC, OTHER_MAC = MacAddress(DEVICE), MacAddress("aabbccddee02")
WEEK = Package(
    "week", 1, "Week", "Wiki", 20_000, Terms("week.1", Window(WindowStart.PURCHASE, 1, PeriodUnit.WEEK)), order=1
)
TASTE = Package(
    "taste", 1, "Taste", "Onja", 0, Terms("taste.1", Window(WindowStart.PURCHASE, 900, PeriodUnit.SECOND)),
    trial=Trial(30, 3),
)  # fmt: skip
WEEK_S, DAY_S = 7 * 86_400, 86_400
WORDS = {"brand": "Plaza WiFi", "paybill": "600999"}


def payer_hash(phone: str) -> str:
    return sha256(phone.encode()).hexdigest()


class Home:
    """The services of one process around a town."""

    def __init__(self, town: Town, seed: int = 1) -> None:
        self.town = town
        self.sent: list[Message] = []
        secrets = Secrets(KEYS.subkey("one-time"), KEYS.alias_key, KEYS, payer_hash)
        self.people = People(town.book, town.core.names, secrets, random.Random(seed).randbytes)
        self.written: list[Mail] = []
        self.renewals = Renew(town.book, self.people, self.sent.append, WORDS, self.written.append)
        self.trials = Trials(town.book, self.people, KEYS.alias_key)

    def found(self) -> "Home":
        for package in (WEEK, TASTE):
            self.town.core.catalogue.add(package.terms, soon())
            self.town.billing.add(package, soon())
        return self

    def verify(self, code: str, now: int, mac: MacAddress = MAC) -> Verified | OneTimeRefusal:
        return self.people.verify(self.town.phone, mac, code, self.town.customer, Language.ENGLISH, now)

    def registered(self, now: int = T0, mac: MacAddress = MAC) -> Verified:
        code = self.people.ask(self.town.phone, mac, now).code
        verified = self.verify(code, now + 5, mac)
        assert isinstance(verified, Verified)
        return verified

    def person(self) -> Person:
        return self.people.person(self.town.customer).thing


@pytest.fixture
def home(town: Town) -> Home:
    return Home(town).found()


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


# -- registration ------------------------------------------------------------------------------------------------------


def test_a_phone_is_proven_and_the_customer_of_the_device_has_it(home: Home) -> None:
    town, phone = home.town, "254" + home.town.phone[1:]
    assert home.registered() == Verified(town.customer, new=True)
    assert town.core.names.resolve(f"p:{phone}", soon()) == town.customer
    assert town.aggregate().aliases == [f"p:{phone}"]
    assert town.billing.owner(ClaimKind.PAYER, payer_hash(phone), soon()) == town.customer
    assert home.people.phone_of(home.person()) == phone
    assert phone not in home.person().phone
    assert town.billing.due_things(Person, T0 + DAY_S, 9, soon()) == [town.customer]
    assert home.registered(T0 + 900) == Verified(town.customer, new=False)
    assert town.findings() == []


def test_a_phone_that_somebody_has_leads_to_them_from_any_device(store: Store, billing: BillingStore) -> None:
    home = Home(Town(store, billing.rows))
    home.town.found()
    home.registered()
    stranger = Town(store, billing.rows, who=2)
    stranger.found()
    asked = home.people.ask(home.town.phone, OTHER_MAC, T0 + 900)
    found = home.people.verify(home.town.phone, OTHER_MAC, asked.code, stranger.customer, Language.SWAHILI, T0 + 905)
    assert found == Verified(home.town.customer, new=False)


def test_a_new_customer_gets_an_account_number_of_eight_digits(home: Home) -> None:
    fresh = SubscriberId("fresh00000000001")
    body = aggregate.encode(Subscriber(fresh, Credential(SecretKind.DEVICE), T0))
    home.town.core.subscribers.create(change(fresh, 1, body=body), [f"m:{OTHER_MAC}"], soon())
    code = home.people.ask("0722000001", OTHER_MAC, T0).code
    assert home.people.verify("0722000001", OTHER_MAC, code, fresh, Language.ENGLISH, T0) == Verified(fresh, new=True)
    customer = home.town.billing.customer(fresh, soon())
    assert customer
    assert home.town.billing.owner(ClaimKind.ACCOUNT, customer.number, soon()) == fresh


def test_wrong_codes_are_counted_and_the_right_one_comes_too_late(home: Home) -> None:
    code = home.people.ask(home.town.phone, MAC, T0).code
    assert home.verify("12345", T0) is OneTimeRefusal.SHAPE
    assert home.verify(code, T0, OTHER_MAC) is OneTimeRefusal.NONE
    for _ in range(TRIES_MAX):
        assert home.verify(wrong(code), T0) is OneTimeRefusal.WRONG
    assert home.verify(code, T0) is OneTimeRefusal.SPENT
    assert home.town.billing.thing(Person, home.town.customer, soon()) is None


def test_guesses_at_once_count_each(home: Home) -> None:
    code = home.people.ask(home.town.phone, MAC, T0).code
    with ThreadPoolExecutor(4) as pool:
        guesses = [pool.submit(home.verify, f"{(int(code) + n) % 10**6:06}", T0) for n in range(1, 5)]
        assert {guess.result() for guess in guesses} == {OneTimeRefusal.WRONG}
    assert home.verify(wrong(code), T0) is OneTimeRefusal.WRONG
    assert home.verify(code, T0) is OneTimeRefusal.SPENT


def test_a_code_serves_once(home: Home) -> None:
    code = home.people.ask(home.town.phone, MAC, T0).code
    assert isinstance(home.verify(code, T0), Verified)
    assert home.verify(code, T0 + 1) is OneTimeRefusal.VERIFIED


def test_who_asks_too_often_waits_and_another_device_is_told_nothing(home: Home) -> None:
    first = home.people.ask(home.town.phone, MAC, T0)
    assert (first.sent, first.wait_s, len(first.code)) == (True, WAITS_S[0], 6)
    assert home.people.ask(home.town.phone, MAC, T0 + 10).wait_s == WAITS_S[0] - 10
    silent = home.people.ask(home.town.phone, OTHER_MAC, T0 + 10)
    assert (silent.sent, silent.wait_s, silent.code) == (True, WAITS_S[0], "")
    assert len(home.people.ask(home.town.phone, MAC, T0 + WAITS_S[0]).code) == 6


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_registering_may_end_at_any_step(store: Store, billing: BillingStore, after: bool) -> None:
    home = Home(Town(store, billing.rows))
    home.town.found()
    for n in range(1, 30):
        victim = Home(Town(store, DyingRows(billing.rows, n, after=after), seed=10 + n))  # type: ignore[arg-type]
        try:
            verified = victim.registered(T0 + 20_000 * n)
        except Killed:
            continue
        break
    assert verified.subscriber == home.town.customer
    assert home.people.phone_of(home.person()).endswith(home.town.phone[1:])
    customer = home.town.billing.customer(home.town.customer, soon())
    assert customer
    assert customer.number == home.town.account


# -- what they tell us -------------------------------------------------------------------------------------------------


def test_devices_that_log_in_by_themselves_have_a_name(home: Home) -> None:
    home.registered()
    customer, names = home.town.customer, home.town.core.names
    home.people.name_device(customer, MAC, "Amina's phone", T0)
    assert names.resolve(f"m:{MAC}", soon()) is None
    home.people.by_itself(customer, T0, wanted=True)
    home.people.name_device(customer, OTHER_MAC, "tablet", T0)
    assert [names.resolve(f"m:{mac}", soon()) for mac in (MAC, OTHER_MAC)] == [customer, customer]
    assert f"m:{OTHER_MAC}" in home.town.aggregate().aliases
    home.people.forget_device(customer, OTHER_MAC)
    assert names.resolve(f"m:{OTHER_MAC}", soon()) is None
    home.people.by_itself(customer, T0, wanted=False)
    assert names.resolve(f"m:{MAC}", soon()) is None
    assert home.person().devices == {MAC: "Amina's phone"}


def test_a_device_of_another_customer_with_something_left_stays_theirs(store: Store, billing: BillingStore) -> None:
    home = Home(Town(store, billing.rows))
    home.town.found()
    home.registered()
    other = Town(store, billing.rows, who=2)
    other.found()
    other.buy(key="p2")
    other.callback()
    store.names.bind(f"m:{OTHER_MAC}", other.customer, soon())
    home.people.by_itself(home.town.customer, T0, wanted=True)
    with pytest.raises(Malformed):
        home.people.name_device(home.town.customer, OTHER_MAC, "tablet", T0 + 60)
    home.people.name_device(home.town.customer, OTHER_MAC, "tablet", T0 + 2 * DAY_S)
    assert store.names.resolve(f"m:{OTHER_MAC}", soon()) == home.town.customer


@pytest.mark.parametrize("address", ["amina", "amina@", "a b@example.com", "a@b", "x@example.com\nBcc: y@z.com"])
def test_no_address_that_is_none(home: Home, address: str) -> None:
    home.registered()
    with pytest.raises(Malformed):
        home.people.email(home.town.customer, address)


def test_export_shows_and_erase_forgets(home: Home) -> None:
    home.registered()
    town, phone = home.town, "254" + home.town.phone[1:]
    home.people.email(town.customer, "amina@example.co.ke")
    home.people.name_device(town.customer, MAC, "phone", T0)
    home.people.by_itself(town.customer, T0, wanted=True)
    town.notice(town.account)
    shown = home.people.export(town.customer)
    assert (shown["phone"], shown["email"], shown["balance_cents"]) == (phone, "amina@example.co.ke", 5_000)
    assert shown["devices"] == {MAC: "phone"}
    home.people.erase(town.customer, T0 + 60)
    home.people.erase(town.customer, T0 + 61)
    stored = town.core.subscribers.read(town.customer, soon())
    kept = town.billing.thing(Person, town.customer, soon())
    assert stored
    assert kept
    text = msgspec.json.encode(kept.thing) + stored.body
    assert not any(each.encode() in text for each in (phone, MAC, "amina"))
    assert [town.core.names.resolve(each, soon()) for each in (f"p:{phone}", f"m:{MAC}")] == [None, None]
    assert town.billing.owner(ClaimKind.PAYER, payer_hash(phone), soon()) is None
    with pytest.raises(Malformed):
        home.people.export(town.customer)
    assert town.balance() == 5_000
    assert town.findings() == []


def test_the_name_of_a_payer_is_released_by_its_owner_only(billing: BillingStore, town: Town) -> None:
    billing.release(ClaimKind.ACCOUNT, town.account, "somebody", soon())
    assert billing.owner(ClaimKind.ACCOUNT, town.account, soon()) == town.customer
    billing.release(ClaimKind.ACCOUNT, town.account, town.customer, soon())
    billing.release(ClaimKind.ACCOUNT, town.account, town.customer, soon())
    assert billing.owner(ClaimKind.ACCOUNT, town.account, soon()) is None


# -- the balance -------------------------------------------------------------------------------------------------------


def test_the_balance_buys_what_was_chosen_and_renews_from_its_end(home: Home) -> None:
    home.registered()
    town, renewals = home.town, home.renewals
    assert renewals.renew(town.customer, T0) is NotBought.NOTHING_CHOSEN
    assert renewals.choose(town.customer, "week", T0) == Missing(20_000)
    town.notice(town.account, "TKP0000051", 45_000)
    first = renewals.renew(town.customer, T0 + 20)
    assert isinstance(first, Bought)
    assert renewals.renew(town.customer, T0 + 21) is NotBought.NOT_YET
    assert town.balance() == 25_000
    end = town.aggregate().rights[0].ends_at
    assert renewals.renew(town.customer, end - AHEAD_S - 1) is NotBought.NOT_YET
    assert isinstance(renewals.renew(town.customer, end - AHEAD_S), Bought)
    second = town.aggregate().rights[1]
    assert (second.starts_at, second.ends_at, town.balance()) == (end, end + WEEK_S, 5_000)
    assert renewals.renew(town.customer, second.ends_at) == Missing(15_000)


def test_two_who_renew_at_once_spend_the_balance_once(store: Store, billing: BillingStore) -> None:
    with ThreadPoolExecutor(2) as pool:
        for who in range(1, 16):
            town = Town(store, billing.rows, who=who)
            town.found()
            home = Home(town).found()
            home.registered(mac=MacAddress(f"aabbccddee{who:02}"))
            home.renewals.choose(town.customer, "week", T0)
            town.notice(town.account, cents=40_000)
            other = Home(Town(store, billing.rows, who=who, seed=2))
            jobs = [pool.submit(each.renewals.renew, town.customer, T0 + 20) for each in (home, other)]
            assert {type(job.result()) for job in jobs} == {Bought, NotBought}
            assert (town.balance(), len(town.rights())) == (20_000, 1)
    assert town.findings() == []


def test_the_morning_finds_money_that_bought_nothing_yet(home: Home) -> None:
    """Whoever took the notice died before the renewal."""
    home.registered()
    home.renewals.choose(home.town.customer, "week", T0)
    home.town.notice(home.town.account, cents=20_000)
    assert home.renewals.round(T0 + 3_600) == 0
    assert home.renewals.round(T0 + DAY_S) == 1
    assert home.town.balance() == 0
    assert len(home.town.rights()) == 1


def test_each_end_is_told_of_three_days_one_day_and_that_day_before(home: Home) -> None:
    home.registered()
    home.renewals.choose(home.town.customer, "week", T0)
    home.town.notice(home.town.account, cents=20_000)
    home.renewals.renew(home.town.customer, T0 + 20)
    now = T0
    for _ in range(9):
        now = look_again_at(now)
        home.renewals.round(now)
        home.renewals.round(now + 60)
    kinds = [next(day for day in ("3 days", "tomorrow", "today") if day in each.text) for each in home.sent]
    assert kinds == ["3 days", "tomorrow", "today"]
    assert all(home.town.account in each.text and "Week" in each.text for each in home.sent)
    assert {each.to for each in home.sent} == {"254" + home.town.phone[1:]}
    assert home.written == []


@pytest.mark.parametrize("phone", [True, False])
def test_who_gave_an_address_is_told_by_letter_too(home: Home, phone: bool) -> None:
    customer = home.registered().subscriber
    home.people.email(customer, "amina@example.co.ke")
    if not phone:
        home.people.change(customer, lambda person: msgspec.structs.replace(person, phone=""))
    home.renewals.choose(home.town.customer, "week", T0)
    home.town.notice(home.town.account, cents=20_000)
    home.renewals.renew(home.town.customer, T0 + 20)
    now = T0
    for _ in range(9):
        now = look_again_at(now)
        home.renewals.round(now)
    assert [letter.subject for letter in home.written] == [
        "Plaza WiFi: Week ends in 3 days", "Plaza WiFi: Week ends tomorrow", "Plaza WiFi: Week ends today",
    ]  # fmt: skip
    assert {letter.to for letter in home.written} == {"amina@example.co.ke"}
    assert all(home.town.account in letter.text for letter in home.written)
    assert len(home.sent) == (3 if phone else 0)


def test_a_package_that_is_no_longer_sold_is_not_renewed(home: Home) -> None:
    home.registered()
    with pytest.raises(Malformed):
        home.renewals.choose(home.town.customer, "month", T0)
    home.renewals.choose(home.town.customer, "week", T0)
    over = msgspec.structs.replace(
        WEEK, version=2, terms=msgspec.structs.replace(WEEK.terms, id="week.2"), sale_ends_at=T0
    )
    home.town.billing.add(over, soon())
    assert home.renewals.renew(home.town.customer, T0) is NotBought.NOT_SOLD


@pytest.mark.parametrize(
    ("ends_at", "length_s", "reminded", "days"),
    [
        (T0 + 3 * DAY_S, WEEK_S, (0, 0), 3),
        (T0 + 3 * DAY_S, WEEK_S, (T0 + 3 * DAY_S, 3), None),
        (T0 + 3 * DAY_S, WEEK_S, (T0, 0), 3),  # of another end
        (T0 + 2 * DAY_S, WEEK_S, (0, 0), None),
        (T0 + DAY_S, WEEK_S, (T0 + DAY_S, 3), 1),
        (T0 + 60, WEEK_S, (0, 0), 0),
        (T0, WEEK_S, (0, 0), None),
        (T0 + 60, DAY_S, (0, 0), None),
    ],
)
def test_when_to_remind(ends_at: int, length_s: int, reminded: tuple[int, int], days: int | None) -> None:
    assert reminder(ends_at, length_s, reminded, T0) == days


def test_days_are_those_of_the_calendar_in_nairobi() -> None:
    midnight = T0 + 11 * 3_600  # 24:00
    assert [days_left(midnight + s, T0) for s in (-1, 0)] == [0, 1]
    assert [look_again_at(T0) - T0, look_again_at(midnight) - midnight] == [20 * 3_600, 9 * 3_600]


# -- trials ------------------------------------------------------------------------------------------------------------


def test_a_trial_is_for_a_proven_phone_once_for_it_and_the_device(home: Home) -> None:
    town, give = home.town, home.trials.give
    assert give(town.customer, "taste.1", MAC, "plaza", T0) is TrialRefusal.NO_PHONE
    home.registered()
    given = give(town.customer, "taste.1", MAC, "plaza", T0 + 10)
    assert isinstance(given, Trying)
    assert give(town.customer, "taste.1", MAC, "plaza", T0 + 11) == given._replace(again=True)
    assert give(town.customer, "taste.1", MAC, "plaza", T0 + 2 * DAY_S) is TrialRefusal.DEVICE
    assert give(town.customer, "taste.1", OTHER_MAC, "plaza", T0 + 2 * DAY_S) is TrialRefusal.PHONE
    assert isinstance(give(town.customer, "taste.1", MAC, "plaza", T0 + 31 * DAY_S), Trying)
    assert town.billing.entry(f"{Cause.TRIAL.value}:{given.right}", soon())
    assert len(town.rights()) == 2
    with pytest.raises(Malformed):
        give(town.customer, "week.1", MAC, "plaza", T0)


def test_a_site_gives_so_many_a_day_though_all_ask_at_once(store: Store, billing: BillingStore) -> None:
    homes = []
    for who in range(1, 7):
        town = Town(store, billing.rows, who=who, seed=who)
        town.found()
        homes.append(Home(town, seed=who).found())
        homes[-1].registered(mac=MacAddress(f"aabbccddee{who:02}"))
    with ThreadPoolExecutor(6) as pool:
        jobs = [
            pool.submit(home.trials.give, home.town.customer, "taste.1", MacAddress(f"aabbccddee{n:02}"), "plaza", T0)
            for n, home in enumerate(homes, 1)
        ]
        found = [job.result() for job in jobs]
    assert sum(isinstance(each, Trying) for each in found) == 3
    assert found.count(TrialRefusal.SITE) == 3
    assert isinstance(homes[0].trials.give(name(1), "taste.1", OTHER_MAC, "lodge", T0), Trying | TrialRefusal)
    assert homes[0].town.findings() == []
