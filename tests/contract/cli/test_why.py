"""`customers why` names the first broken link: one way of not being online after the other, through the command."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import NamedTuple

import msgspec
import pytest

from billing.cli.exits import Exit
from billing.domain.batch import Batch
from billing.domain.payment import PaymentEvent
from billing.domain.settle import Proof
from billing.provider import Refused
from billing.services.word import Word
from radius.domain import policy
from radius.domain import subscriber as aggregate
from radius.domain.attempt import Attempt
from radius.domain.identity import MacAddress, NasId, ReservationId, SessionUid, SubscriberId
from radius.domain.intent import IntentState, Waiting
from radius.domain.nas import Family, Router
from radius.domain.policy import Ask, Reject
from radius.domain.request import Status
from radius.domain.subscriber import Subscriber
from radius.domain.terms import Hours, PeriodUnit, Service, Terms, Window, WindowStart
from radius.log import Pseudonyms
from radius.ports import Node
from radius.services.desk import Decided
from radius.wiring import build_accounting
from tests.contract.billing.town import checkout_of
from tests.contract.cli.isp import GATE, LAPTOP, PHONE, SECRET, World
from tests.contract.values import soon
from tests.unit.services.wired import accounting_request

DAY = Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY)
PLAIN = Terms("plain.1", DAY)
NUMBERS = count(1)
MONDAY_NIGHT = (Hours(0b1, 0, 60),)


class Said(NamedTuple):
    """What the command says."""

    broken: str
    text: str
    code: int


class Story:
    """One customer of the town, with a phone of their own."""

    def __init__(self, town: World) -> None:
        self.town = town
        self.number = next(NUMBERS)
        self.phone = f"07{self.number:08}"
        self.who = self.phone
        self.router = str(GATE)
        self.more: tuple[str, ...] = ()
        self.payment = ""

    @property
    def now(self) -> int:
        return self.town.clock.now

    def has(self, terms: Terms | None = PLAIN, site: str = "kilimani") -> SubscriberId:
        if terms is not None:
            self.town.core.provision.terms(terms)
        return self.town.customer(self.phone, terms, site)

    def registered(self) -> SubscriberId:
        return self.town.registered(self.phone)

    def pays(self, who: SubscriberId, *, paid: bool = False) -> str:
        receipt = f"TKW{len(self.town.provider.pushes):07}"
        self.payment = self.town.buys(who, "daily.1", receipt, paid=paid, phone=self.phone)
        return self.payment

    def hears(self, event: PaymentEvent, **fields: object) -> None:
        """What M-Pesa says of the last push."""
        push = self.town.provider.pushes[-1]
        proof = msgspec.structs.replace(Proof(event, push.token, checkout_of(push)), **fields)
        self.town.billing().settle.prove(self.payment, proof, self.now)

    def logged(self, who: SubscriberId, reason: str = "", device: MacAddress | None = None) -> None:
        """A line of the RADIUS node's log."""
        pseudonyms = Pseudonyms(self.town.core.keys.subkey("pseudonym"))
        user, asking = str(pseudonyms.of("user", who)), str(pseudonyms.of("device", device or ""))
        at = datetime.fromtimestamp(self.now - 10, UTC).isoformat()
        line = {
            "timestamp": at, "level": "INFO", "requestId": "1", "userId": user,
            "message": "Access rejected" if reason else "Access accepted",
            "details": {
                "nas": self.router, **({"reason": reason} if reason else {}), **({"device": asking} if device else {}),
            },
        }  # fmt: skip
        folder = self.town.folder / "log"
        folder.mkdir(exist_ok=True)
        with (folder / "freeradius.log").open("a") as file:
            file.write("Ready to process requests\n" + json.dumps(line) + "\n")

    def at(self, name: str, *, known: bool = True, heard: bool = True, **fields: object) -> None:
        """They are at a router of their own."""
        self.router = f"{name}-{self.number}"
        if known:
            address = f"10.9.{self.number // 200}.{self.number % 200 + 1}"
            router = Router(NasId(self.router), "kilimani", Family.MIKROTIK, (address,))
            made = self.town.core.provision.router(router, SECRET)
            if fields:
                changed = msgspec.structs.replace(made, version=made.version + 1, **fields)
                self.town.core.store.routers.put_router(changed, soon())
        if heard:
            self.node(self.router)

    def node(self, *routers: str, at: int = 0) -> None:
        names = tuple(NasId(each) for each in (GATE, *routers))
        self.town.core.store.nodes.publish(Node("box", at or self.now, 0, names), soon())

    def asked(self) -> Said:
        ran = self.town("customers", "why", self.who, "--router", self.router, *self.more, "--json")
        said = ran.json()
        broken = next((link for link in said["links"] if link["link"] == said["broken"]), {"text": ""})
        return Said(said["broken"], broken["text"], ran.code)


Way = Callable[[Story], None]
WAYS: dict[str, tuple[Way, str, str]] = {}


def way(link: str, text: str) -> Callable[[Way], Way]:
    def register(function: Way) -> Way:
        WAYS[function.__name__] = (function, link, text)
        return function

    return register


@way("known here", "nobody has that name")
def never_was_here(story: Story) -> None:
    story.who = "0799999999"


@way("voucher", "was cancelled")
def code_was_cancelled(story: Story) -> None:
    story.who, serial = code(story)
    story.town.billing().desk.paper_care.void(serial, Word("mary", "torn"), story.now)


@way("voucher", "was not used in time")
def code_is_too_old(story: Story) -> None:
    story.who, _ = code(story, redeem_by=story.now + 10)
    story.town.clock.now += 20


@way("voucher", "of a batch that was cancelled")
def code_of_a_cancelled_batch(story: Story) -> None:
    story.who, serial = code(story, sold=True)
    story.town.billing().desk.paper_care.void_batch(serial.partition("-")[0], Word("mary", "stolen"), story.now)


def code(story: Story, *, redeem_by: int = 0, sold: bool = False) -> tuple[str, str]:
    name, desk = f"W{story.number}", story.town.billing().desk
    desk.batches.make(Batch(name, "daily.1", 5_000, 1, story.now, "mary", redeem_by), "mary", story.now)
    exported = desk.batches.export(name)
    if sold:
        story.town("vouchers", "sell", name, f"{name}-0001", yes=True)
    return exported.codes[0], f"{name}-0001"  # type: ignore[union-attr]  # a batch that was just made


@way("payment", "waits for the PIN")
def pin_not_typed_yet(story: Story) -> None:
    story.pays(story.registered())


@way("payment", "nothing was heard of it")
def m_pesa_says_nothing(story: Story) -> None:
    story.pays(story.registered())
    story.town.clock.now += 300
    story.node()


@way("payment", "failed: cancelled")
def cancelled_on_the_phone(story: Story) -> None:
    story.pays(story.registered())
    story.hears(PaymentEvent.CALLBACK_FAILED, code="1032")


@way("payment", "failed: not enough money")
def not_enough_money(story: Story) -> None:
    story.pays(story.registered())
    story.hears(PaymentEvent.CALLBACK_FAILED, code="1")


@way("payment", "not answered by the customer")
def payment_expired(story: Story) -> None:
    story.pays(story.registered())
    story.town.clock.now += 1_000
    story.town.billing().reconciler.round(story.now)
    story.node()


@way("payment", "another amount came")
def another_amount_was_paid(story: Story) -> None:
    story.pays(story.registered())
    receipt = f"TKX{story.number:07}"
    story.hears(PaymentEvent.CALLBACK_PAID, cents=4_000, mpesa_receipt=receipt, paid_at=story.now)


@way("payment", "failed: ")
def m_pesa_refused_the_push(story: Story) -> None:
    story.town.provider.answer = Refused("500.001.1001", "busy")
    try:
        story.pays(story.registered())
    finally:
        story.town.provider.answer = None


@way("account", "is blocked: chargeback")
def blocked(story: Story) -> None:
    story.town.core.provision.block(story.has(), "chargeback", story.now)


@way("account", "tied to the device")
def tied_to_another_device(story: Story) -> None:
    story.town.core.provision.bind_caller(story.has(Terms("home.1", DAY, service=Service.PPPOE)), PHONE)
    story.more = ("--device", LAPTOP)


@way("package", "nothing was bought")
def never_bought(story: Story) -> None:
    story.has(None)


@way("package", "is over")
def package_is_over(story: Story) -> None:
    story.has(Terms("short.1", Window(WindowStart.PURCHASE, 60, PeriodUnit.SECOND)))
    story.town.clock.now += 120
    story.node()


@way("package", "its data is used up")
def data_used_up(story: Story) -> None:
    story.has(Terms("small.1", DAY, quota_bytes=20_000_000))
    online(story, used=(10_000_000, 20_000_000))
    stop(story)


@way("package", "its time online is used up")
def time_used_up(story: Story) -> None:
    story.has(Terms("hour.9", DAY, quota_s=600))
    online(story, seconds=900)
    stop(story)


@way("package", "nothing was bought or given, or it was taken back")
def money_was_given_back(story: Story) -> None:
    who = story.registered()
    payment = story.pays(who, paid=True)
    story.town("payments", "refund", payment, "--way", "balance", "--reason", "x", "--approved-by", "otieno", yes=True)


@way("package", "does not hold at this hour")
def outside_its_hours(story: Story) -> None:
    story.has(Terms("night.9", DAY, hours=MONDAY_NIGHT))


@way("package", "is not for this site")
def bought_for_another_site(story: Story) -> None:
    story.has(Terms("lodge.9", DAY, sites=("lodge",)))


@way("package", "is for another kind of line")
def home_package_on_the_hotspot(story: Story) -> None:
    story.has(Terms("home.1", DAY, service=Service.PPPOE))


@way("router", "is not registered")
def router_is_not_registered(story: Story) -> None:
    story.has()
    story.at("ghost", known=False)


@way("router", "is switched off here")
def router_is_switched_off(story: Story) -> None:
    story.has()
    story.at("off", disabled=True)


@way("router", "has a record that cannot be used")
def router_record_is_broken(story: Story) -> None:
    story.has()
    story.at("odd", overrides={"coa": "sometimes"})


@way("router", "was not heard")
def router_is_silent(story: Story) -> None:
    story.has()
    story.at("mute", heard=False)
    story.node()


@way("router", "none says that it lives")
def freeradius_is_down(story: Story) -> None:
    story.has()
    story.at("alone")
    story.node(story.router, at=story.now - 600)


@way("router", "packets that are not heard: no Message-Authenticator")
def router_does_not_sign(story: Story) -> None:
    story.has()
    story.at("plain")
    why = "no Message-Authenticator"
    story.town.core.store.routers.note_unknown([(story.router, 9, story.now - 60, why)], soon())


@way("log-in", "wrong name, code or password")
def wrong_password(story: Story) -> None:
    story.logged(story.has(), "bad_credentials")


@way("log-in", "too many wrong tries")
def too_many_tries(story: Story) -> None:
    story.logged(story.has(), "too_many_attempts")


@way("log-in", "cannot serve")
def method_that_a_hash_cannot_serve(story: Story) -> None:
    story.logged(story.has(), "method_unsupported")


@way("devices", "as many are online")
def another_device_has_the_place(story: Story) -> None:
    story.has()
    online(story)
    story.more = ("--device", LAPTOP)


@way("devices", "in use on others")
def rest_is_in_use_on_another_device(story: Story) -> None:
    story.has(Terms("pair.1", DAY, quota_bytes=1_000_000, devices=2))
    online(story, used=(1_000, 1_000))
    story.more = ("--device", LAPTOP)


@way("what its router was told", "a device waits to be let in: given up")
def paid_and_cannot_be_let_in(story: Story) -> None:
    who = story.has()
    waits = Waiting(story.router, "81c0", story.phone, "10.5.0.9")
    story.town.core.provision.let_in(who, MacAddress(PHONE), waits, story.now)

    def given_up(present: Subscriber) -> Decided[None]:
        present.intents[0].state = IntentState.ABANDONED
        return Decided(None, changed=True)

    story.town.core.desk.change(who, given_up, soon())


@way("what its router was told", "a device waits to be let in: to be sent")
def paid_and_nobody_lets_in(story: Story) -> None:
    waits = Waiting(story.router, "81c0", story.phone, "10.5.0.9")
    story.town.core.provision.let_in(story.has(), MacAddress(PHONE), waits, story.now)


@way("session", "its router reported no start")
def let_in_and_no_accounting(story: Story) -> None:
    story.logged(story.has())


@way("session", "its router restarted")
def router_restarted(story: Story) -> None:
    story.has()
    story.at("boot")
    story.town.core.directory.refresh(story.now, soon())
    online(story)
    story.town.core.store.routers.boot(NasId(story.router), story.now + 1, soon())
    story.town.clock.now += 10


@way("session", "the last ended at")
def paid_came_and_left(story: Story) -> None:
    waits = Waiting(story.router, "81c0", story.phone, "10.5.0.9")
    story.town.core.provision.let_in(story.has(), MacAddress(PHONE), waits, story.now - 60)
    online(story, seconds=30)
    stop(story)


@way("session", "no device has logged in")
def has_all_and_never_came(story: Story) -> None:
    story.has()


@way("session", "the last ended at")
def code_came_and_left(story: Story) -> None:
    used_code(story)


def used_code(story: Story) -> tuple[str, SubscriberId]:
    """A code that was online on a phone for a minute and left; then a friend tried it in vain. Its serial, its user."""
    story.who, serial = code(story, sold=True)
    kept = story.town.billing().store.ports.voucher(serial, soon())
    assert kept is not None
    who, session = kept.subscriber, f"w{story.number}"

    def logs_in(present: Subscriber) -> Decided[Reject | None]:
        asked = Ask(PHONE, PHONE, Service.HOTSPOT, session, ReservationId(session))
        nas = story.town.core.directory.nas(GATE)
        assert nas is not None
        answer = policy.reserve(present, asked, nas, story.town.core.world(story.now))
        return Decided(answer if isinstance(answer, Reject) else None, changed=True)

    assert story.town.core.desk.change(who, logs_in, soon()) is None
    fields = {"router": GATE, "acct_session_id": session, "user_name": story.who, "mac": PHONE, "device": PHONE}
    accounting = build_accounting(story.town.core)
    for status, seconds in ((Status.START, 0), (Status.STOP, 60)):
        story.town.clock.now += seconds
        packet = accounting_request(status, story.now, (0, 0), seconds, **fields)
        accounting.account(packet, story.now, soon())
    story.logged(who, device=PHONE)
    story.logged(who, "device_limit", LAPTOP)
    story.node()
    return serial, who


def online(story: Story, used: tuple[int, int] = (1_000, 9_000), seconds: int = 60) -> None:
    story.town.online(story.phone, router=NasId(story.router), session=f"w{story.number}", used=used, seconds=seconds)


def stop(story: Story) -> None:
    story.town.stops(story.phone, NasId(story.router), f"w{story.number}")


@pytest.fixture(scope="module", autouse=True)
def on_sale(town: World) -> None:
    assert town("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d").code == Exit.DONE


@pytest.mark.parametrize("name", WAYS)
def test_the_first_broken_link(town: World, name: str) -> None:
    happens, link, text = WAYS[name]
    story = Story(town)
    story.node()
    happens(story)
    said = story.asked()
    assert (said.broken, said.code) == (link, Exit.NOBODY if link == "known here" else Exit.NOT), said.text
    assert text in said.text


def test_there_are_enough_ways() -> None:
    assert len(WAYS) >= 20


def test_whoever_is_online_has_no_broken_link(town: World) -> None:
    story = Story(town)
    story.node()
    story.has()
    online(story)
    assert story.asked()[::2] == ("", Exit.DONE)
    text = town("customers", "why", story.phone).out
    assert text.splitlines()[-1] == "They are online."


def links(town: World, *words: str) -> dict[str, str]:
    said = town("customers", "why", *words, "--json").json()
    return {link["link"]: link["text"] for link in said["links"]}


def test_a_code_of_twelve_digits_is_no_device_and_a_friends_refusal_is_not_its_own(town: World) -> None:
    story = Story(town)
    used_code(story)
    assert story.who.isdecimal()
    assert len(story.who) == 12
    said = links(town, story.who)
    assert f"of {PHONE} on {GATE}" in said["session"]
    own, _, other = said["log-in"].partition("; another device since")
    assert own.startswith("let in at ")
    assert "device_limit" not in own
    assert other.endswith(": device_limit")
    assert said["voucher"].endswith(" is used")
    assert "device_limit" in links(town, story.who, "--device", LAPTOP)["log-in"]
    assert links(town, story.who, "--device", LAPTOP)["session"] == "that device has not been online of late"


def test_a_phone_in_the_form_of_m_pesa_is_no_device_either(town: World) -> None:
    story = Story(town)
    story.node()
    story.has()
    online(story)
    assert town("customers", "why", f"254{story.phone[1:]}").code == Exit.DONE


def test_a_refusal_of_a_device_that_was_never_here_is_said_to_be_of_another(town: World) -> None:
    story = Story(town)
    story.node()
    who = story.has()
    online(story)
    stop(story)
    story.logged(who, "bad_credentials", LAPTOP)
    said = story.asked()
    assert said.broken == "session"
    assert links(town, story.phone)["log-in"].startswith("another device, never let in under this name, was refused")
    story.more = ("--device", LAPTOP)
    assert story.asked().broken == "log-in"


def test_a_code_whose_package_is_over_says_so_and_when_its_session_ended(town: World) -> None:
    story = Story(town)
    used_code(story)
    story.town.clock.now += 3 * 86_400
    story.node()
    assert story.asked().broken == "package"
    said = links(town, story.who)
    assert "is over" in said["package"]
    assert said["session"].startswith("the last ended at ")


def test_a_serial_number_is_as_good_as_its_code(town: World) -> None:
    story = Story(town)
    serial, who = used_code(story)
    assert links(town, serial) == links(town, story.who)
    assert links(town, serial.lower())["known here"] == f"customer {who}"
    found = town("customers", "search", serial, "--json").json()
    assert [(each["customer"], each["named"]) for each in found] == [(who, "serial number")]
    assert town("customers", "search", serial[:-1] + "9").code == Exit.NOBODY
    assert town("customers", "why", serial[:-1] + "9").code == Exit.NOBODY


def test_whoever_is_blocked_and_still_online_is_said_to_be_both(town: World) -> None:
    story = Story(town)
    story.node()
    who = story.has()
    online(story)
    town.core.provision.block(who, "chargeback", story.now)
    (intent,) = live_of(story, who).intents
    words = "The router is there, but nothing listens on that port."
    step = Attempt(
        SessionUid(intent.session), story.now * 1_000, "w", who, GATE, "blocked", IntentState.SILENT.value, words=words
    )  # fmt: skip
    town.core.store.attempts.record(step, soon())
    said = story.asked()
    assert (said.broken, said.code) == ("what its router was told", Exit.NOT)
    assert words in said.text
    assert town("customers", "why", story.phone, "--json").json()["online"]
    last = town("customers", "why", story.phone).out.splitlines()[-1]
    assert last.startswith("Online, although blocked: the cut has not arrived. The first broken link: what its router")
    assert f"routers health {GATE}" in last


def live_of(story: Story, who: SubscriberId) -> Subscriber:
    stored = story.town.core.store.subscribers.read(who, soon())
    assert stored is not None
    return aggregate.decode(stored.body)


def test_a_router_that_is_not_registered_is_wrong_even_for_whoever_is_online_elsewhere(town: World) -> None:
    story = Story(town)
    story.node()
    story.has()
    online(story)
    story.router = "r9"
    said = story.asked()
    assert said == Said("router", "r9 is not registered", Exit.NOT)
    assert "Online. The first broken link: router: r9" in town("customers", "why", story.phone, "--router", "r9").out


@pytest.mark.parametrize("command", ["why", "search"])
def test_an_empty_name_is_an_error_about_who(town: World, command: str) -> None:
    ran = town("customers", command, " ")
    assert ran.code == Exit.USAGE
    assert "WHO: is empty: say a phone number" in " ".join(ran.err.split())


def test_a_payment_that_failed_is_no_reason_for_somebody_with_a_package(town: World) -> None:
    story = Story(town)
    story.node()
    who = story.registered()
    story.pays(who, paid=True)
    story.pays(who)
    story.hears(PaymentEvent.CALLBACK_FAILED, code="1032")
    story.logged(who, "bad_credentials")
    assert story.asked().broken == "log-in"


def test_what_the_table_says(town: World) -> None:
    story = Story(town)
    story.node()
    story.town.core.provision.block(story.has(), "chargeback", story.now)
    lines = town("customers", "why", story.phone, "--router", story.router).out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines[1:-1]] == ["ok", "-->", "ok", "ok", "?", "ok", "no"]
    assert lines[-1].startswith("The first broken link: account: is blocked: chargeback. wifibilling customers ")
