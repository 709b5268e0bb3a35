"""The ledger's check, second half: receipts, payments and rights against the journals, both ways round."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from billing.domain.books import Books, Finding, Rule
from billing.domain.journal import AccountKind, Cause, Journal

RECEIPTED = frozenset({
    Cause.SALE_MPESA, Cause.SALE_CASH, Cause.SALE_AGENT, Cause.TOP_UP, Cause.PURCHASE, Cause.UNMATCHED_CLAIMED,
    Cause.VOUCHERS_SOLD, Cause.FLOAT_IN, Cause.REFUND,
})  # fmt: skip
CREDITS = frozenset({Cause.SALE_MPESA, Cause.TOP_UP, Cause.FLOAT_IN})  # what a payment can have bought
GIVES_RIGHT = frozenset({
    Cause.SALE_MPESA, Cause.SALE_CASH, Cause.SALE_AGENT, Cause.PURCHASE, Cause.VOUCHER_REDEEMED, Cause.TRIAL,
})  # fmt: skip


def check_links(books: Books) -> Iterator[Finding]:
    """What does not fit together."""
    yield from _mpesa_receipts(books)
    yield from _receipts(books)
    yield from _numbers(books)
    yield from _payments(books)
    yield from _rights(books)


def _mpesa_receipts(books: Books) -> Iterator[Finding]:
    """One M-Pesa receipt, one journal; where it was attached later, the payment says so.

    A sale out of money that was booked before took nothing from M-Pesa: that account cannot be overdrawn.
    """
    attached = {row.id: row.mpesa_receipt for row in books.payments}
    used: defaultdict[str, set[str]] = defaultdict(set)
    for entry in books.journals:
        took = any(leg.account.kind is AccountKind.MPESA for leg in entry.legs)
        later = attached.get(entry.payment, "") if took and entry.cause in CREDITS else ""
        for receipt in {entry.mpesa_receipt, later} - {""}:
            used[receipt].add(entry.id)
        if entry.mpesa_receipt and not took:
            yield Finding(Rule.MPESA_RECEIPT, entry.id, f"names {entry.mpesa_receipt} and takes nothing from M-Pesa")
    for receipt, names in used.items():
        if len(names) > 1:
            yield Finding(Rule.MPESA_RECEIPT, receipt, f"was credited by {', '.join(sorted(names))}")
    for entry in books.journals:
        other = attached.get(entry.payment, "")
        if entry.cause in CREDITS and entry.mpesa_receipt and other != entry.mpesa_receipt and entry.payment:
            yield Finding(Rule.MPESA_RECEIPT, entry.id, f"names {entry.mpesa_receipt}, its payment {other or 'none'}")


def _receipts(books: Books) -> Iterator[Finding]:
    journals = {entry.id: entry for entry in books.journals}
    printed = Counter(receipt.journal for receipt in books.receipts)
    for receipt in books.receipts:
        entry = journals.get(receipt.journal)
        if entry is None:
            yield Finding(Rule.RECEIPT, receipt.text, f"is for {receipt.journal}, which is not there")
        elif (entry.receipt, entry.cents) != (receipt.text, receipt.cents):
            yield Finding(Rule.RECEIPT, receipt.text, f"does not say what {entry.id} says")
    for entry in journals.values():
        wanted = 1 if entry.cause in RECEIPTED else 0
        if printed[entry.id] != wanted:
            yield Finding(Rule.RECEIPT, entry.id, f"has {printed[entry.id]} numbered receipts, not {wanted}")


def _numbers(books: Books) -> Iterator[Finding]:
    series: defaultdict[str, list[int]] = defaultdict(list)
    for receipt in books.receipts:
        series[receipt.series].append(receipt.number)
    for name, numbers in sorted(series.items()):
        for number, count in Counter(numbers).items():
            if count > 1:
                yield Finding(Rule.RECEIPT, f"{name}-{number:06}", f"was given {count} times")
        for number in sorted(set(range(1, max(numbers) + 1)) - set(numbers)):
            yield Finding(Rule.RECEIPT_GAP, f"{name}-{number:06}", "is missing")


def _payments(books: Books) -> Iterator[Finding]:
    credited: defaultdict[str, list[Journal]] = defaultdict(list)
    for entry in books.journals:
        if entry.payment and entry.cause in CREDITS:
            credited[entry.payment].append(entry)
        elif entry.cause is Cause.SALE_MPESA:
            yield Finding(Rule.PAYMENT, entry.id, "names no payment")
    for row in books.payments:
        entries = credited.pop(row.id, [])
        if len(entries) != int(row.paid):
            state = "paid" if row.paid else "not paid"
            yield Finding(Rule.PAYMENT, row.id, f"is {state} and was credited {len(entries)} times")
        elif entries and entries[0].cents != row.cents:
            yield Finding(Rule.PAYMENT, row.id, f"is of {row.cents} cents and credited {entries[0].cents}")
    for payment, entries in credited.items():
        yield Finding(Rule.PAYMENT, payment, f"is not there, but {entries[0].id} credits it")


def _rights(books: Books) -> Iterator[Finding]:
    given: defaultdict[str, list[Journal]] = defaultdict(list)
    for entry in books.journals:
        if entry.cause in GIVES_RIGHT or (entry.cause is Cause.GRANT and not entry.legs):
            given[entry.right].append(entry)
    back: Counter[str] = Counter()
    for entry in books.journals:
        back[entry.reverses] += entry.cents
    for row in books.rights:
        entries = given.pop(row.id, [])
        if len(entries) != 1:
            yield Finding(Rule.RIGHT, row.id, f"was given by {len(entries)} journals")
        for entry in entries:
            if entry.cents and back[entry.id] >= entry.cents and not row.revoked:
                yield Finding(Rule.RIGHT_KEPT, row.id, f"lives on, though {entry.id} was given back")
    for right, entries in given.items():
        yield Finding(Rule.RIGHT, entries[0].id, f"gave the right {right or 'of no name'}, which is not there")
