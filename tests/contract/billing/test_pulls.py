"""The provider's own list of what came: read a page at a time, in any state of it, and never booked twice."""

import contextlib
from itertools import pairwise

import pytest

from billing.domain.payment import PaymentState
from billing.domain.statement import Page, Row
from billing.provider import Refused, TooMany, Unknown
from billing.services.pulls import AGAIN_S, BACK_S, BEHIND_S, PERIOD_S, PulledRound, Pulls
from billing.services.refunds import Refunds
from billing.services.statements import Statements
from billing.services.strays import Strays
from radius.domain.errors import Malformed
from tests.contract.billing.test_refunds import Bank
from tests.contract.billing.town import DyingRows, Killed, Town
from tests.contract.values import soon
from tests.unit.billing.values import T0, TILL

Answer = Page | TooMany | Refused | Unknown


class List:
    """What came, `page` of it at a time. `odd` answers instead, once each."""

    def __init__(self, *rows: Row, page: int = 2) -> None:
        self.rows, self.page = rows, page
        self.odd: list[Answer] = []
        self.asked: list[tuple[int, int, int]] = []
        self.deaf = False  # to offsets

    def pull(self, since: int, until: int, offset: int, now: int) -> Answer:
        assert 0 < until - since <= PERIOD_S
        self.asked.append((since, until, offset))
        if self.odd:
            return self.odd.pop(0)
        inside = [row for row in self.rows if since <= row.completed_at < until]
        return Page(tuple(inside[0 if self.deaf else offset :][: self.page]))


def came(receipt: str, at: int = T0 + 15, cents: int = 5_000, account: str = "") -> Row:
    return Row(1, receipt, at, done=True, paid_in_cents=cents, account=account)


def pulls(town: Town, listed: List) -> Pulls:
    statements = Statements(town.book, town.settle, Strays(town.book), Refunds(town.book, Bank(), 0), (TILL,))
    return Pulls(town.book, statements, listed, TILL)


def until_quiet(service: Pulls, now: int, most: int = 200) -> list[PulledRound]:
    """Rounds until there is nothing more to read."""
    done = []
    listed = service._puller
    assert isinstance(listed, List)
    for _ in range(most):
        before = len(listed.asked)
        done.append(service.round(now))
        if len(listed.asked) == before:
            return done
    raise AssertionError("it reads for ever")


def found(rounds: list[PulledRound]) -> list[str]:
    return [receipt for each in rounds for receipt in each.found]


def test_what_no_callback_told_of_is_found_once(town: Town) -> None:
    begun, proven = town.buy(), town.buy("page2", now=T0 + 200)
    town.query(proven.payment.id, now=T0 + 230)
    listed = List(
        came("TKP0000001", account=begun.payment.reference),
        came("TKP0000002", T0 + 215, account=proven.payment.reference),
        came("TKP0000003", account=town.account, cents=700),
        came("TKP0000004", account="jirani"),
    )
    service, now = pulls(town, listed), T0 + 2 * PERIOD_S
    assert sorted(found(until_quiet(service, now))) == [row.mpesa_receipt for row in listed.rows]
    assert town.payment(begun.payment.id).mpesa_receipt == "TKP0000001"
    assert town.payment(proven.payment.id).mpesa_receipt == "TKP0000002"
    assert (town.balance(), town.mpesa_cents()) == (700, 15_700)
    spans = [(since, until) for since, until, _ in listed.asked]
    assert spans[0][0] == now - BACK_S
    assert now - BEHIND_S - AGAIN_S <= spans[-1][1] <= now - BEHIND_S
    assert all(later[0] <= earlier[1] for earlier, later in pairwise(spans)), "no gap"
    assert until_quiet(service, now) == [PulledRound()]
    assert found(until_quiet(service, now + 2 * AGAIN_S)) == []
    assert listed.asked[-1][1] == now + 2 * AGAIN_S - BEHIND_S
    assert town.findings() == []


def test_nothing_is_told_from_what_the_list_does_not_have(town: Town) -> None:
    """At a till the only row of that amount is no proof: another may not be listed yet."""
    begun = town.buy()
    town.query(begun.payment.id)
    until_quiet(pulls(town, List(came(town.receipt))), T0 + PERIOD_S)
    assert town.payment(begun.payment.id).state is PaymentState.PROVEN
    assert town.billing.unmatched(town.receipt, soon())


def test_a_list_that_is_deaf_to_where_it_should_go_on_ends(town: Town) -> None:
    listed = List(*(came(f"TKP000000{number}", account="x") for number in range(5)))
    listed.deaf = True
    assert len(found(until_quiet(pulls(town, listed), T0 + PERIOD_S))) == 2


@pytest.mark.parametrize("odd", [Refused("401", "not active"), Unknown("ReadTimeout")])
def test_trouble_is_told_and_asked_about_again_later(town: Town, odd: Answer) -> None:
    listed = List(came(town.receipt, account=town.account))
    listed.odd = [odd]
    service, now = pulls(town, listed), T0 + PERIOD_S
    assert service.round(now).trouble == ("401 not active" if isinstance(odd, Refused) else "ReadTimeout",)
    assert service.round(now + AGAIN_S - 1) == PulledRound()
    assert len(listed.asked) == 1
    assert found(until_quiet(service, now + AGAIN_S)) == [town.receipt]


def test_too_often_is_no_trouble_and_bad_rows_cost_no_other(town: Town) -> None:
    listed = List(came(town.receipt, account=town.account))
    bad, twice = Malformed("transaction 1, amount", "must be shillings"), came("TKP0000009")
    listed.odd = [TooMany(12), Page((), (bad,)), Page((twice, twice._replace(paid_in_cents=1)))]
    service, now = pulls(town, listed), T0 + PERIOD_S
    assert service.round(now) == PulledRound()
    assert service.round(now).trouble == (str(bad),)
    (contradiction,) = service.round(now + AGAIN_S).trouble
    assert "one receipt" in contradiction
    assert found(until_quiet(service, now + 2 * AGAIN_S)) == [town.receipt]


@pytest.mark.parametrize("after", [True, False])
def test_reading_may_end_at_any_step(town: Town, after: bool) -> None:
    begun = town.buy()
    rows = (came("TKP0000001", account=begun.payment.reference), came("TKP0000003", account=town.account, cents=700))
    for at in range(1, 200, 11):
        dying = DyingRows(town.rows, at, after=after)
        with contextlib.suppress(Killed):
            until_quiet(pulls(Town(town.core, dying, town.provider, seed=at + 2), List(*rows)), T0 + PERIOD_S)
        if dying.count < at:
            break
    until_quiet(pulls(town, List(*rows)), T0 + 3 * PERIOD_S)
    assert (town.rights(), town.balance(), town.mpesa_cents()) == ([begun.payment.id], 700, 5_700)
    assert town.findings() == []
