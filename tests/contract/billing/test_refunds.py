"""Money that goes back, over memory and the engine: once, with its right, and on two persons' word above a limit."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from billing.domain.agent import Agent
from billing.domain.give_back import Refund, TakenBack, Way
from billing.domain.journal import Account, AccountKind, Cause, Journal
from billing.domain.ledger import Reason, cash_of
from billing.domain.reversal import ReversalEvent, ReversalState
from billing.provider import Refused, Requested, Result, Taken, Unknown
from billing.services.agents import Agents
from billing.services.check import LedgerCheck
from billing.services.grants import Credited, Grants, Outage
from billing.services.refunds import UNUSED, Ask, Heard, Refunds
from billing.services.sell import Order, Sell
from billing.services.word import Word
from billing.store.ports import BillingStore
from radius.domain import subscriber as aggregate
from radius.domain.errors import Malformed
from radius.domain.identity import NasId, ReservationId
from radius.domain.intent import IntentReason
from radius.domain.subscriber import Session, SessionState
from radius.store.open import Store
from tests.contract.billing.town import DAY_BEFORE, DEVICE, DyingRows, Killed, Town
from tests.contract.billing.values import PACKAGE, TERMS
from tests.contract.values import change, name, soon
from tests.unit.billing.values import DAY, T0

LIMIT = 4_000
DEVICE_ONLY = aggregate.Credential(aggregate.SecretKind.DEVICE)
ALONE = Word("achieng", "the router was down")
BOTH = Word("achieng", "the router was down", "otieno")


class Bank:
    """A provider that reverses; `answer` None: taken."""

    gives_back = True

    def __init__(self) -> None:
        self.reversed: list[tuple[str, int]] = []
        self.asked: list[str] = []
        self.answer: Requested | type[BaseException] | None = None

    def reverse(self, mpesa_receipt: str, cents: int, now: int) -> Requested:
        self.reversed.append((mpesa_receipt, cents))
        if isinstance(self.answer, type):
            raise self.answer
        return self.answer or Taken(f"AG_{len(self.reversed)}")

    def transaction_status(self, mpesa_receipt: str, now: int) -> Requested:
        self.asked.append(mpesa_receipt)
        return Taken(f"TS_{len(self.asked)}")


class Desk:
    """The services of one process over a town that has sold one package by M-Pesa."""

    def __init__(self, town: Town, bank: Bank) -> None:
        self.town, self.bank = town, bank
        self.troubled: list[Heard] = []
        self.refunds = Refunds(town.book, bank, LIMIT, self.troubled.append)
        self.grants = Grants(town.book, LIMIT)

    def sold(self) -> str:
        begun = self.town.buy()
        self.town.callback()
        return f"{Cause.SALE_MPESA.value}:{begun.payment.id}"

    def online(self) -> None:
        """A session on the right that was bought."""
        right = self.town.rights()[0]

        def connect(present: aggregate.Subscriber) -> None:
            present.intents = []
            session = Session(ReservationId("r" * 10), NasId("gate"), DEVICE, SessionState.OPEN, T0, T0, T0 + 9, right)
            present.sessions = [session]

        change = self.town.book.alter(self.town.customer, connect, self.town.book.new_id(), T0)
        assert change
        self.town.core.subscribers.commit(change, soon())

    def findings(self) -> list[object]:
        return list(LedgerCheck(self.town.book, LIMIT).check(DAY_BEFORE, DAY, T0 + 900))

    def revoked(self) -> list[bool]:
        return [bool(right.revoked_at) for right in self.town.aggregate().rights]


@pytest.fixture
def desk(town: Town) -> Desk:
    return Desk(town, Bank())


def live_at(site: str, present: aggregate.Subscriber) -> None:
    present.site = site


def asked(found: Refund | Reason) -> Refund:
    assert isinstance(found, Refund), found
    return found


def result(conversation: str = "AG_1", **fields: object) -> Result:
    return Result(**{"conversation_id": conversation, "code": "0", "done": True, **fields})  # type: ignore[arg-type]


# -- by M-Pesa ---------------------------------------------------------------------------------------------------------


def test_above_the_limit_a_second_person_decides_and_the_right_ends_with_it(desk: Desk) -> None:
    town, sale = desk.town, desk.sold()
    desk.online()
    found = asked(desk.refunds.ask(Ask("r1", sale, Way.MPESA), ALONE, T0 + 60))
    assert found.state is ReversalState.ASKED
    assert desk.refunds.send(found.id, T0 + 61).state is ReversalState.ASKED
    assert desk.revoked() == [False]
    assert isinstance(desk.refunds.approve(found.id, "achieng", T0 + 62), Reason)
    town.rung.clear()
    approved = asked(desk.refunds.approve(found.id, "otieno", T0 + 62))
    assert (approved.state, approved.approved_by, desk.revoked()) == (ReversalState.APPROVED, "otieno", [True])
    assert [i.reason for i in town.aggregate().intents] == [IntentReason.BLOCKED]
    assert town.rung == [town.customer]
    assert desk.refunds.round(T0 + 63) == 1
    assert desk.bank.reversed == [(town.receipt, 5_000)]
    assert town.mpesa_cents() == 5_000
    heard = desk.refunds.result(result(), T0 + 90)
    assert heard
    assert heard.refund.state is ReversalState.DONE
    assert desk.refunds.result(result(), T0 + 91) == heard
    assert town.mpesa_cents() == 0
    assert desk.findings() == []


@pytest.mark.parametrize(
    ("answer", "state"), [(Refused("500.001.1001"), ReversalState.FAILED), (Unknown("x"), ReversalState.UNKNOWN)]
)
def test_what_was_refused_failed_and_what_was_lost_is_asked_about(
    desk: Desk, answer: Requested, state: ReversalState
) -> None:
    desk.bank.answer = answer
    found = asked(desk.refunds.ask(Ask("r1", desk.sold(), Way.MPESA), BOTH, T0 + 60))
    assert desk.refunds.send(found.id, T0 + 61).state is state
    assert desk.refunds.send(found.id, T0 + 62).state is state
    assert len(desk.bank.reversed) == 1
    desk.refunds.round(T0 + 5_000)
    assert desk.bank.asked == ([] if state is ReversalState.FAILED else [desk.town.receipt])
    assert [heard.refund.state for heard in desk.troubled] == ([state] if state is ReversalState.FAILED else [])
    assert len(desk.bank.reversed) == 1
    assert desk.findings() == []


@pytest.mark.parametrize(
    ("said", "state", "cents"),
    [("Reversed", ReversalState.DONE, 0), ("Completed", ReversalState.FAILED, 5_000)],
)
def test_the_state_of_the_transaction_tells_what_a_lost_reply_did(
    desk: Desk, said: str, state: ReversalState, cents: int
) -> None:
    desk.bank.answer = Unknown("time-out")
    found = asked(desk.refunds.ask(Ask("r1", desk.sold(), Way.MPESA), BOTH, T0 + 60))
    desk.refunds.send(found.id, T0 + 61)
    desk.refunds.round(T0 + 5_000)
    assert desk.refunds.result(result("TS_1", done=False, code="1"), T0 + 5_001) is not None
    heard = desk.refunds.result(result("TS_1", status=said), T0 + 5_002)
    assert heard
    assert (heard.refund.state, desk.town.mpesa_cents()) == (state, cents)
    assert desk.findings() == []


def test_what_failed_and_was_done_after_all_is_booked(desk: Desk) -> None:
    found = asked(desk.refunds.ask(Ask("r1", desk.sold(), Way.MPESA), BOTH, T0 + 60))
    desk.refunds.send(found.id, T0 + 61)
    failed = desk.refunds.result(result(done=False, code="21"), T0 + 70)
    assert failed
    assert failed.refund.state is ReversalState.FAILED
    again = asked(desk.refunds.ask(Ask("r2", found.journal, Way.MPESA), BOTH, T0 + 80))
    desk.refunds.send(again.id, T0 + 81)
    done = desk.refunds.result(result("AG_2", done=False, code="R000001"), T0 + 90)
    assert done
    assert done.refund.state is ReversalState.DONE
    assert desk.refunds.result(result(done=False, code="21"), T0 + 91) == failed, "again, and old news"
    assert desk.troubled == [failed]
    late = desk.refunds.result(result("AG_1"), T0 + 95)
    assert late == Heard(failed.refund, alarm=True)
    assert desk.troubled == [failed, late]
    assert desk.town.mpesa_cents() == 0
    assert desk.findings() == []


def test_a_result_before_its_reply_is_kept_by_the_caller(desk: Desk) -> None:
    assert desk.refunds.result(result("AG_9"), T0) is None
    assert desk.refunds.timed_out("AG_9", T0) is None


def test_the_provider_that_gives_up_waiting_is_asked(desk: Desk) -> None:
    found = asked(desk.refunds.ask(Ask("r1", desk.sold(), Way.MPESA), BOTH, T0 + 60))
    desk.refunds.send(found.id, T0 + 61)
    heard = desk.refunds.timed_out("AG_1", T0 + 90)
    assert heard
    assert heard.refund.state is ReversalState.UNKNOWN


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_reversal_is_sent_once_wherever_the_process_dies(store: Store, billing: BillingStore, after: bool) -> None:
    town, bank = Town(store, billing.rows), Bank()
    town.found()
    sale = Desk(town, bank).sold()
    for n in range(1, 60):
        victim = Desk(Town(store, DyingRows(billing.rows, n, after=after), seed=10 + n), bank)  # type: ignore[arg-type]
        try:
            found = asked(victim.refunds.ask(Ask("r1", sale, Way.MPESA), BOTH, T0 + 60))
            victim.refunds.send(found.id, T0 + 61)
        except Killed:
            continue
        break
    other = Desk(town, bank)
    other.refunds.round(T0 + 10_000)
    assert len(bank.reversed) <= 1
    heard = other.refunds.result(result("AG_1"), T0 + 10_001)  # None: it died before it had kept that name
    heard = heard or other.refunds.result(result("TS_1", status="Reversed"), T0 + 10_002)
    assert heard
    assert heard.refund.state is ReversalState.DONE
    assert other.revoked() == [True]
    assert other.findings() == []


# -- by hand -----------------------------------------------------------------------------------------------------------


def test_cash_and_balance_go_back_at_once(desk: Desk) -> None:
    town = desk.town
    sale = desk.sold()
    part = asked(desk.refunds.ask(Ask("r1", sale, Way.CASH, 1_000, "achieng"), ALONE, T0 + 60))
    assert part.state is ReversalState.DONE
    assert asked(desk.refunds.ask(Ask("r1", sale, Way.CASH, 1_000, "achieng"), ALONE, T0 + 61)) == part
    rest = asked(desk.refunds.ask(Ask("r2", sale, Way.BALANCE), ALONE, T0 + 62))
    assert (rest.cents, rest.state, town.balance()) == (4_000, ReversalState.DONE, 4_000)
    assert isinstance(desk.refunds.ask(Ask("r3", sale, Way.CASH, 0, "achieng"), BOTH, T0 + 63), Reason)
    assert town.cents(cash_of("achieng")) == -1_000
    assert desk.findings() == []


def test_a_way_that_money_cannot_go_is_told_before_the_right_is_gone(desk: Desk) -> None:
    sale = desk.sold()
    desk.bank.gives_back = False
    assert isinstance(desk.refunds.ask(Ask("r1", sale, Way.MPESA), BOTH, T0 + 60), Reason)
    with pytest.raises(Malformed, match="seller"):
        desk.refunds.ask(Ask("r2", sale, Way.CASH), BOTH, T0 + 61)
    assert asked(desk.refunds.ask(Ask("r3", sale, Way.BALANCE), BOTH, T0 + 62)).state is ReversalState.DONE


def test_who_has_no_balance_gets_none(store: Store, billing: BillingStore) -> None:
    """A device that bought at the portal, and never gave a number."""
    town = Town(store, billing.rows)
    town.core.catalogue.add(TERMS, soon())
    billing.add(PACKAGE, soon())
    town.core.subscribers.create(
        change(town.customer, 1, body=aggregate.encode(aggregate.Subscriber(town.customer, DEVICE_ONLY, T0))),
        [],
        soon(),
    )
    desk = Desk(town, Bank())
    sale = desk.sold()
    with pytest.raises(Malformed, match="no balance"):
        desk.refunds.ask(Ask("r1", sale, Way.BALANCE), BOTH, T0 + 60)
    assert not town.aggregate().rights[0].revoked_at
    assert asked(desk.refunds.ask(Ask("r2", sale, Way.CASH, 0, "achieng"), BOTH, T0 + 61)).state is ReversalState.DONE


def test_the_unused_share_is_what_is_left_of_the_day(desk: Desk) -> None:
    sale = desk.sold()
    right = desk.town.aggregate().rights[0]
    half = (right.starts_at + right.ends_at) // 2
    found = asked(desk.refunds.ask(Ask("r1", sale, Way.MPESA, UNUSED), ALONE, half))
    assert (found.cents, found.state) == (2_500, ReversalState.APPROVED)


def test_two_who_refund_one_sale_at_once_pay_once(store: Store, billing: BillingStore) -> None:
    with ThreadPoolExecutor(2) as pool:
        for who in range(1, 16):
            town = Town(store, billing.rows, who=who)
            town.found()
            desk = Desk(town, Bank())
            sale = desk.sold()
            jobs = [
                pool.submit(desk.refunds.ask, Ask(f"{who}.{n}", sale, Way.CASH, 0, "achieng"), BOTH, T0 + 60)
                for n in (1, 2)
            ]
            assert {type(job.result()) for job in jobs} == {Refund, Reason}
    assert town.cents(cash_of("achieng")) == -15 * 5_000
    assert desk.findings() == []


def test_refunding_and_voiding_one_sale_at_once_gives_it_back_once(store: Store, billing: BillingStore) -> None:
    with ThreadPoolExecutor(2) as pool:
        for who in range(1, 16):
            town = Town(store, billing.rows, who=who)
            town.found()
            desk = Desk(town, Bank())
            Sell(town.book).sell(Order(f"k{who}", "achieng", "standard.1", town.customer), T0)
            sale = f"{Cause.SALE_CASH.value}:{town.rights()[0]}"
            jobs = [
                pool.submit(desk.refunds.ask, Ask(f"{who}", sale, Way.CASH, 0, "achieng"), BOTH, T0 + 60),
                pool.submit(desk.grants.void, sale, BOTH, T0 + 60),
            ]
            assert sum(isinstance(job.result(), Reason) for job in jobs) == 1
            assert desk.revoked() == [True]
    assert town.cents(cash_of("achieng")) == 0
    assert desk.findings() == []


@pytest.mark.parametrize("journal", ["sale_mpesa:nobody", "top_up:TKP0000001"])
def test_what_sold_nothing_is_not_refunded(desk: Desk, journal: str) -> None:
    desk.town.notice(desk.town.account)
    assert isinstance(desk.refunds.ask(Ask("r1", journal, Way.BALANCE), BOTH, T0), Reason)


def test_a_payment_whose_receipt_is_not_known_is_not_reversed(desk: Desk) -> None:
    begun = desk.town.buy()
    desk.town.query(begun.payment.id)
    sale = f"{Cause.SALE_MPESA.value}:{begun.payment.id}"
    assert isinstance(desk.refunds.ask(Ask("r1", sale, Way.MPESA), BOTH, T0), Reason)
    assert desk.town.billing.thing(TakenBack, sale, soon()) is None


def test_a_refund_that_is_refused_frees_the_sale(desk: Desk) -> None:
    found = asked(desk.refunds.ask(Ask("r1", desk.sold(), Way.MPESA), ALONE, T0))
    assert isinstance(desk.refunds.ask(Ask("r2", found.journal, Way.MPESA), BOTH, T0), Reason)
    assert desk.refunds.refuse(found.id, "otieno", T0 + 1).state is ReversalState.DROPPED
    assert asked(desk.refunds.ask(Ask("r3", found.journal, Way.MPESA), BOTH, T0 + 2)).state is ReversalState.APPROVED
    assert desk.refunds.heard(found.id, ReversalEvent.ACCEPTED, T0 + 3).alarm


# -- grants, gifts, voids ----------------------------------------------------------------------------------------------


def test_a_grant_is_no_sale_and_is_signed(desk: Desk) -> None:
    town = desk.town
    with pytest.raises(Malformed) as refused:
        desk.grants.give("g1", town.customer, "standard.1", ALONE, T0)
    assert refused.value.field == "approved-by"
    right = desk.grants.give("g1", town.customer, "standard.1", BOTH, T0, device=DEVICE)
    assert desk.grants.give("g1", town.customer, "standard.1", BOTH, T0 + 5) == right
    assert town.rights() == [right]
    entry = town.billing.entry(f"{Cause.GRANT.value}:{right}", soon())
    assert entry
    assert (entry.journal.fact.actor, entry.journal.fact.approved_by) == ("achieng", "otieno")
    assert town.cents(Account(AccountKind.REVENUE, "standard")) == 0
    assert desk.findings() == []


def test_a_gift_goes_to_the_balance_once(desk: Desk) -> None:
    town = desk.town
    assert desk.grants.gift("g1", town.customer, 4_000, ALONE, T0)
    assert not desk.grants.gift("g1", town.customer, 4_000, ALONE, T0)
    with pytest.raises(Malformed):
        desk.grants.gift("g2", town.customer, 4_001, ALONE, T0)
    assert town.balance() == 4_000
    assert desk.findings() == []


def test_an_outage_is_credited_from_the_end_dry_first_and_once(store: Store, billing: BillingStore) -> None:
    towns = [Town(store, billing.rows, who=who) for who in (1, 2, 3)]
    for town in towns:
        town.found()
    for town in towns[:2]:
        town.buy(key=f"page{town.account}")
        town.callback()
    desk = Desk(towns[0], Bank())
    people = [town.customer for town in towns] + [name(404)]
    outage = Outage("out-1", T0 + 60, T0 + 600, "standard.1")
    assert desk.grants.outage(outage, people, ALONE, T0 + 900) == Credited(2, 0, 2)
    assert desk.revoked() == [False]
    with pytest.raises(Malformed):
        desk.grants.outage(outage, people, ALONE, T0 + 900, apply=True)
    assert desk.grants.outage(outage, people[:1], BOTH, T0 + 900, apply=True) == Credited(1, 0, 0)
    assert desk.grants.outage(outage, people, BOTH, T0 + 901, apply=True) == Credited(1, 1, 2)
    assert desk.grants.outage(outage, people, BOTH, T0 + 902, apply=True) == Credited(0, 2, 2)
    for town in towns[:2]:
        bought, credit = town.aggregate().rights
        assert (credit.starts_at, credit.ends_at) == (bought.ends_at, bought.ends_at + 86_400)
    assert desk.findings() == []


def test_customers_of_a_site_are_those_who_bought_there_before_the_outage_ended(
    store: Store, billing: BillingStore
) -> None:
    found = []
    for who, site in ((1, "plaza"), (2, "lodge"), (3, "plaza"), (4, "plaza")):
        town = Town(store, billing.rows, who=who)
        town.found()
        change = town.book.alter(town.customer, partial(live_at, site), town.book.new_id(), T0)
        assert change
        store.subscribers.commit(change, soon())
        if who != 4:
            town.buy(key=f"page{who}")
            town.callback()
            found.append(town.customer)
    grants = Grants(town.book, LIMIT)
    assert grants.people_of("plaza", Outage("out-1", T0, T0 + 600, "standard.1")) == [found[0], found[2]]
    later = Outage("out-2", T0 + 40 * 86_400, T0 + 40 * 86_400 + 600, "standard.1")
    assert grants.people_of("plaza", later) == []
    assert grants.people_of("plaza", later, days_back=41) == [found[0], found[2]]


def test_a_void_unsays_money_and_right(desk: Desk) -> None:
    town, sell = desk.town, Sell(desk.town.book)
    sell.sell(Order("k1", "achieng", "standard.1", town.customer), T0)
    sale = f"{Cause.SALE_CASH.value}:{town.rights()[0]}"
    with pytest.raises(Malformed):
        desk.grants.void(sale, ALONE, T0 + 1)
    voided = desk.grants.void(sale, BOTH, T0 + 1)
    assert isinstance(voided, Journal)
    assert desk.grants.void(sale, BOTH, T0 + 2) == voided
    assert (town.cents(cash_of("achieng")), desk.revoked()) == (0, [True])
    assert desk.findings() == []


def test_money_that_is_spent_or_went_through_mpesa_is_not_voided(desk: Desk) -> None:
    town = desk.town
    assert isinstance(desk.grants.void(desk.sold(), BOTH, T0), Reason)
    agents, sell = Agents(town.book), Sell(town.book)
    agents.put(Agent("duka-1", {}))
    paid = agents.pay_in("duka-1", 5_000, cash_of("achieng"), "p1", "achieng", T0)
    sold = sell.sell(Order("k1", "achieng", "standard.1", town.customer, agent="duka-1"), T0)
    assert isinstance(desk.grants.void(paid.journal, BOTH, T0), Reason)  # type: ignore[union-attr]
    assert isinstance(desk.grants.void(f"{Cause.SALE_AGENT.value}:{sold.right}", BOTH, T0), Journal)  # type: ignore[union-attr]
    assert isinstance(desk.grants.void(paid.journal, BOTH, T0), Journal)  # type: ignore[union-attr]
    kept = town.billing.thing(Agent, "duka-1", soon())
    assert kept
    assert kept.thing.float_cents == 0
    assert desk.findings() == []
