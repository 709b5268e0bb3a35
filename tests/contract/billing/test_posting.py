"""One posting is all or nothing, says which part was overtaken, and knows itself again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from billing.domain.agent import Agent
from billing.ports import Claim, ClaimKind, Entry, Kept, Part, Posted, Posting
from billing.store import keys, records
from billing.store.ports import BillingStore
from radius.ports import Outcome
from radius.store.keys import item_bytes, write_units
from radius.store.open import Store
from tests.contract.billing.values import entry, kept, taken, whole
from tests.contract.values import change, name, soon
from tests.unit.billing.values import T0

DONE = Posted(Outcome.COMMITTED)
FRESH: dict[Part, Callable[[Posting], Posting]] = {
    Part.PAYMENT: lambda p: p._replace(payment=kept(id_="pay00002")),
    Part.CUSTOMER: lambda p: p._replace(customer=p.customer and p.customer._replace(subscriber=name(9))),
    Part.PROMPT: lambda p: p._replace(prompt=p.prompt and p.prompt._replace(phone="other")),
    Part.UNMATCHED: lambda p: p._replace(unmatched=p.unmatched and p.unmatched._replace(receipt="TKP0000008")),
    Part.SUBSCRIBER: lambda p: p._replace(changes=(change(name(9), 1, "post0002"),)),
    Part.JOURNAL: lambda p: p._replace(entries=(Entry(entry("pay00002").journal, p.entries[0].receipt),)),
    Part.THING: lambda p: p._replace(things=(Kept(Agent("duka-2", {})),)),
    Part.NUMBER: lambda p: p._replace(entries=(entry("pay00001", 2),)),
}


def test_everything_is_there_afterwards(billing: BillingStore, store: Store) -> None:
    posting = whole()
    assert billing.post(posting, soon()) == DONE
    assert billing.payment("pay00001", soon()) == posting.payment
    assert billing.payments(["pay00001", "nobody"], soon()) == [posting.payment]
    assert billing.entry("sale_mpesa:pay00001", soon()) == entry()
    assert billing.entries(["sale_mpesa:pay00001"], soon()) == [entry()]
    assert billing.customer(name(1), soon()) == posting.customer
    assert billing.voucher("B1-0007", soon()) == posting.voucher
    found = billing.vouchers(["B1-0007", "B1-0008", "B1-0009"], soon())
    assert sorted(found, key=lambda each: each.code) == [posting.voucher, *posting.vouchers]
    assert (billing.thing(Agent, "duka-1", soon()),) == posting.things
    assert tuple(billing.things(Agent, ["duka-1", "duka-9"], soon())) == posting.things
    assert billing.due_things(Agent, T0 - 1, 9, soon()) == []
    assert billing.due_things(Agent, T0, 9, soon()) == ["duka-1"]
    assert billing.unmatched("TKP0000009", soon()) == posting.unmatched
    assert billing.prompt("phonehash", soon()) == posting.prompt
    assert [billing.owner(kind, f"{kind.value}-1", soon()) for kind in ClaimKind] == ["pay00001"] * len(ClaimKind)
    stored = store.subscribers.read(name(1), soon())
    assert stored
    assert stored.version == 1


def test_the_same_posting_again_is_committed(billing: BillingStore) -> None:
    assert billing.post(whole(), soon()) == DONE
    assert billing.post(whole(), soon()) == DONE
    assert billing.last_number("K1", soon()) == 1


def test_it_knows_itself_after_others_wrote_on(billing: BillingStore) -> None:
    """The reply was lost, and accounting has changed the subscriber since: the journal still proves it."""
    billing.post(whole(), soon())
    later = Posting("post0002", kept(2), changes=(change(name(1), 2, "accounting"),))
    assert billing.post(later, soon()) == DONE
    assert billing.post(whole(), soon()) == DONE


def test_another_posting_hears_of_every_part_that_it_lost(billing: BillingStore) -> None:
    billing.post(whole(), soon())
    assert billing.post(whole("post0002"), soon()) == Posted(Outcome.STALE, frozenset(Part))


@pytest.mark.parametrize("part", list(Part), ids=lambda part: part.value)
def test_one_lost_part_keeps_all_others_out(billing: BillingStore, store: Store, part: Part) -> None:
    """Everything of the second posting is new but one part."""
    billing.post(whole(), soon())
    posting = fresh_but(part)
    assert billing.post(posting, soon()) == Posted(Outcome.STALE, frozenset({part}))
    if part is not Part.SUBSCRIBER:
        assert store.subscribers.read(name(9), soon()) is None
    if part != Part.PAYMENT:
        assert billing.payment("pay00002", soon()) is None


def fresh_but(part: Part) -> Posting:
    posting = whole("post0002")
    posting = posting._replace(
        claims=tuple(
            claim if claim.kind.value == part.value else taken(claim.kind, f"{claim.key}-2") for claim in posting.claims
        ),
        voucher=posting.voucher if part is Part.VOUCHER else None,
        vouchers=posting.vouchers if part is Part.VOUCHER else (),
    )
    for other, renew in FRESH.items():
        if other not in {part, Part.JOURNAL, Part.NUMBER}:
            posting = renew(posting)
    if part is Part.JOURNAL:
        return FRESH[Part.NUMBER](posting)
    if part is Part.NUMBER:
        return FRESH[Part.JOURNAL](posting)
    return posting._replace(entries=(entry("pay00002", 2),))


def test_a_version_that_never_was_is_stale(billing: BillingStore) -> None:
    assert billing.post(Posting("p", kept(2)), soon()) == Posted(Outcome.STALE, frozenset({Part.PAYMENT}))


def test_nothing_is_in_a_posting_twice(billing: BillingStore) -> None:
    claim = Claim(ClaimKind.MPESA, "TKP0000001", "a")
    with pytest.raises(ValueError, match="each once"):
        billing.post(Posting("p", claims=(claim, claim)), soon())
    with pytest.raises(ValueError, match="at most 99"):  # the fence's check is the hundredth
        billing.post(Posting("p", claims=tuple(claim._replace(key=str(n)) for n in range(100))), soon())


def test_of_those_who_race_one_has_the_receipt_and_the_number(billing: BillingStore) -> None:
    def race(number: int) -> Posted:
        claim = Claim(ClaimKind.MPESA, "TKP0000001", f"pay{number}")
        return billing.post(Posting(f"post{number}", claims=(claim,), entries=(entry(f"pay{number}"),)), soon())

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(race, range(16)))
    assert answers.count(DONE) == 1
    won = answers.index(DONE)
    assert billing.owner(ClaimKind.MPESA, "TKP0000001", soon()) == f"pay{won}"
    assert [receipt.journal for receipt in billing.numbered("K1", 0, 9, soon())] == [f"sale_mpesa:pay{won}"]


def test_a_settlement_costs_at_most_sixteen_units_and_no_item_a_second_one() -> None:
    """Payment, M-Pesa receipt, journal, number, subscriber of 1,000 bytes; indexes: two due entries, one day."""
    body = b'"' + b"x" * 900 + b'"'
    settled = Posting(
        "post0001",
        kept(2, checkout_id="ws_CO_25112026130000000708374149", mpesa_receipt="TKP0000001", paid_at=1_795_600_800),
        (taken(ClaimKind.MPESA, "TKP0000001"),),
        (entry(),),
        (change(name(1), 2, "post0001", body, due_at=1_795_600_800),),
    )
    sizes = [item_bytes(write.item) for write in records.writes(settled)]
    assert max(sizes) < 1024
    indexes = 1 + 1 + 1  # the payment leaves the due index, the subscriber enters it, the journal enters its day
    units = sum(write_units(size, transaction=True) for size in sizes) + indexes
    assert units == 13


def test_every_port_method_has_its_pattern() -> None:
    asked = {access.port.partition(".")[2] for access in keys.ACCESS}
    assert asked == {name for name in vars(BillingStore) if not name.startswith("_")}
