"""What is found again: by day, by number, by what is due; packages and raw callbacks."""

import msgspec

from billing.domain.journal import business_day
from billing.ports import PAGE_MAX, Body, Page, Posting
from billing.store.ports import BillingStore
from radius.ports import Outcome
from tests.contract.billing.values import PACKAGE, entry, kept
from tests.contract.values import soon
from tests.unit.billing.values import DAY, T0


def walk(page: Page, more: "object") -> list[str]:
    found = list(page.ids)
    while page.more is not None:
        page = more(page.more)  # type: ignore[operator]
        assert len(page.ids) <= PAGE_MAX
        found += page.ids
    return found


def test_a_day_is_walked_whole_over_all_pages(billing: BillingStore) -> None:
    """More than one page in a shard, many at the same instant, other days besides."""
    days = {T0: 900, T0 - 86_400: 3}
    for at, count in days.items():
        for first in range(0, count, 50):
            ids = [f"p{at}-{number}" for number in range(first, min(first + 50, count))]
            entries = tuple(entry(id_, 1_000 + number)._replace(receipt=None) for number, id_ in enumerate(ids))
            assert billing.post(Posting(ids[0], entries=entries), soon()).outcome is Outcome.COMMITTED
    found = walk(billing.booked_on(DAY, None, soon()), lambda more: billing.booked_on(DAY, more, soon()))
    assert sorted(found) == sorted(f"sale_mpesa:p{at}-{n}" for at, count in days.items() for n in range(count))
    for at in days:
        posting = Posting(f"pay{at}", kept(id_=f"pay{at}", created_at=at))
        billing.post(posting, soon())
    for at in days:
        day = business_day(at)
        ids = walk(billing.begun_on(day, None, soon()), lambda more, day=day: billing.begun_on(day, more, soon()))
        assert ids == [f"pay{at}"]


def test_the_last_payments_of_a_day_come_first(billing: BillingStore) -> None:
    for number in range(30):
        billing.post(Posting(f"w{number}", kept(id_=f"pay{number:02}", created_at=T0 + number)), soon())
    billing.post(Posting("before", kept(id_="before", created_at=T0 - 86_400)), soon())
    latest = [f"pay{number:02}" for number in reversed(range(30))]
    assert billing.latest_on(DAY, 100, soon()) == latest
    assert billing.latest_on(DAY, 4, soon()) == latest[:4]
    assert billing.latest_on("2026-11-26", 4, soon()) == []


def test_payments_of_a_site_and_of_a_customer_the_latest_first(billing: BillingStore) -> None:
    for number in range(7):
        new = kept(id_=f"pay{number}", created_at=T0 + number // 2, subscriber=f"c{number % 2}")
        posting = Posting(f"w{number}", new, listed="lodge" if number < 5 else "annex")
        assert billing.post(posting, soon()).outcome is Outcome.COMMITTED
        assert billing.post(posting, soon()).outcome is Outcome.COMMITTED
    first = billing.latest_at("lodge", DAY, None, 3, soon())
    assert first.ids == ("pay4", "pay3", "pay2")
    assert billing.latest_at("lodge", DAY, first.more, 3, soon()) == Page(("pay1", "pay0"), None)
    assert billing.latest_at("lodge", "2026-11-26", None, 3, soon()) == Page((), None)
    assert billing.latest_by("c1", None, 9, soon()) == Page(("pay5", "pay3", "pay1"), None)
    settled = kept(2, id_="pay5", created_at=T0 + 2, subscriber="c1", mpesa_receipt="TKP0000001")
    assert billing.post(Posting("later", settled), soon()).outcome is Outcome.COMMITTED
    assert billing.latest_at("annex", DAY, None, 9, soon()).ids == ("pay6", "pay5")


def test_numbers_of_a_series_are_in_order(billing: BillingStore) -> None:
    assert billing.last_number("K1", soon()) == 0
    for number in range(1, 12):
        billing.post(Posting(f"p{number}", entries=(entry(f"p{number}", number),)), soon())
    assert billing.last_number("K1", soon()) == 11
    assert [receipt.number for receipt in billing.numbered("K1", 3, 4, soon())] == [4, 5, 6, 7]
    assert billing.numbered("K1", 11, 4, soon()) == []
    assert billing.last_number("K2", soon()) == 0


def test_the_oldest_due_comes_first_until_it_is_no_longer_due(billing: BillingStore) -> None:
    for number in range(12):
        billing.post(Posting(f"w{number}", kept(1, 1_000 - number, f"p{number}")), soon())
    assert billing.due(995, 3, soon()) == [("p11", 989), ("p10", 990), ("p9", 991)]
    billing.post(Posting("w", kept(2, 0, "p11")), soon())
    billing.post(Posting("x", kept(2, 2_000, "p10")), soon())
    assert billing.due(995, 2, soon()) == [("p9", 991), ("p8", 992)]
    assert billing.due(900, 2, soon()) == []


def test_a_callback_is_kept_once_and_due_until_it_was_looked_at(billing: BillingStore) -> None:
    body = Body("b1", "pay00001", T0, '{"Body":"ü"}', "sealed", T0, T0 + 9)
    assert billing.keep(body, soon()) is Outcome.COMMITTED
    assert billing.keep(body, soon()) is Outcome.ALREADY_DONE
    assert billing.body("b1", soon()) == body
    assert billing.waiting(T0, 9, soon()) == ["b1"]
    billing.looked_at("b1", soon())
    assert billing.waiting(T0, 9, soon()) == []
    assert billing.keep(body, soon()) is Outcome.ALREADY_DONE
    assert billing.waiting(T0, 9, soon()) == []


def test_a_version_of_a_package_means_one_thing_for_ever(billing: BillingStore) -> None:
    assert billing.package("standard.1", soon()) is None
    assert billing.add(PACKAGE, soon()) is Outcome.COMMITTED
    assert billing.add(PACKAGE, soon()) is Outcome.ALREADY_DONE
    assert billing.add(msgspec.structs.replace(PACKAGE, price_cents=6_000), soon()) is Outcome.CONFLICT
    assert billing.package("standard.1", soon()) == PACKAGE
    assert billing.packages(soon()) == [PACKAGE]
