"""The access patterns of selling: every request, its key, index, consistency and price; and the keys themselves.

One table, BillingTable (hash `pk`, range `sk`), beside `radius`' four. Items are a few attributes that conditions and
indexes need, and one body of JSON text: v version · w the posting that wrote it · b body.

    P#<payment>       -         a payment; y, a: the day it began and when; k, d: when the reconciler asks next
    T#<phone hash>    -         its prompt
    PL#@<site>#<day>  <at>#<id> a row of the list of a site's payments of a day; PL#<subscriber>: of a customer's
    <kind>#<key>      claim     a name that one thing has: o owner
    J#<journal>       -         a journal; y, a: its business day and when
    R#<series>        <number>  a numbered receipt: the next is the highest + 1, so a series needs no counter
    C#<subscriber>    -         a customer's account number and balance
    M#<receipt>       -         money that names nobody; k, d: when it is looked at again
    V#<serial>        -         a voucher
    B#<body>          -         a raw callback; k, d until it is settled; `expires_at`
    <kind>#<name>     -         a thing (`billing.domain.thing`); k, d: when a sweep looks at it; `expires_at`
    package           <id>      a version of a package

No key is hot. Index keys are sharded: `k` is a kind and a shard, `y` a kind, a day and a shard. A payment's day never
changes and the index is KEYS_ONLY, so a settlement touches only the due index. Walks read keys from the index and then
the items themselves, strongly consistent.
"""

from radius.store.keys import Access, shard_of

BILLING = "BillingTable"
DUE_INDEX = "due"
DAY_INDEX = "by_day"

# An index partition takes 1,000 writes a second. A number may grow only after the entries of old keys are gone.
DUE_SHARDS = 8
DAY_SHARDS = 8

NONE = "-"  # range key of items that are alone under their hash key
NUMBER_DIGITS = 12

PAYMENT, PROMPT, JOURNAL, RECEIPT, CUSTOMER, UNMATCHED, VOUCHER, BODY = "P", "T", "J", "R", "C", "M", "V", "B"
PAYMENT_LIST = "PL"
PACKAGES = "package"

_TRANSACTION = "TransactWriteItems"
ACCESS = (
    Access("Postings.post", _TRANSACTION, BILLING, "all parts", "", "v = version - 1, each", "2 WU an item + indexes"),
    Access("Postings.owner", "GetItem", BILLING, "kind#key, claim", "", "strong", "1 RU"),
    Access("Postings.release", "DeleteItem", BILLING, "kind#key, claim", "", "o = owner", "1 WU"),
    Access("Payments.payment", "GetItem", BILLING, "P#id", "", "strong", "1 RU"),
    Access("Payments.prompt", "GetItem", BILLING, "T#phone hash", "", "strong", "1 RU"),
    Access("Payments.due", "Query", BILLING, "P#shard, due_at <=", DUE_INDEX, "eventual", "0.5 RU a shard"),
    Access("Payments.begun_on", "Query", BILLING, "P#day#shard", DAY_INDEX, "eventual", "0.5 RU per 4 KB"),
    Access("Payments.latest_on", "Query", BILLING, "P#day#shard, last", DAY_INDEX, "eventual", "0.5 RU a shard"),
    Access("Payments.latest_at", "Query", BILLING, "PL#@site#day, last", "", "strong", "1 RU per 4 KB"),
    Access("Payments.latest_by", "Query", BILLING, "PL#subscriber, last", "", "strong", "1 RU per 4 KB"),
    Access("Payments.payments", "BatchGetItem", BILLING, "P#id, up to 100", "", "strong", "1 RU an item"),
    Access("Bodies.keep", "PutItem", BILLING, "B#id", "", "absent", "1 WU per KB + index"),
    Access("Bodies.looked_at", "UpdateItem", BILLING, "B#id", "", "there", "1 WU per KB + index"),
    Access("Bodies.waiting", "Query", BILLING, "B#shard, due_at <=", DUE_INDEX, "eventual", "0.5 RU a shard"),
    Access("Bodies.body", "GetItem", BILLING, "B#id", "", "strong", "1 RU per 4 KB"),
    Access("Ledger.entry", "GetItem", BILLING, "J#id", "", "strong", "1 RU"),
    Access("Ledger.last_number", "Query", BILLING, "R#series, highest", "", "strong", "1 RU"),
    Access("Ledger.booked_on", "Query", BILLING, "J#day#shard", DAY_INDEX, "eventual", "0.5 RU per 4 KB"),
    Access("Ledger.entries", "BatchGetItem", BILLING, "J#id, up to 100", "", "strong", "1 RU an item"),
    Access("Ledger.numbered", "Query", BILLING, "R#series, from", "", "strong", "1 RU per 4 KB"),
    Access("Customers.customer", "GetItem", BILLING, "C#subscriber", "", "strong", "1 RU"),
    Access("Customers.unmatched", "GetItem", BILLING, "M#receipt", "", "strong", "1 RU"),
    Access("Customers.waiting_money", "Query", BILLING, "M#shard, due_at <=", DUE_INDEX, "eventual", "0.5 RU a shard"),
    Access("Customers.voucher", "GetItem", BILLING, "V#serial", "", "strong", "1 RU"),
    Access("Customers.vouchers", "BatchGetItem", BILLING, "V#serial, up to 100", "", "strong", "1 RU an item"),
    Access("Customers.thing", "GetItem", BILLING, "kind#name", "", "strong", "1 RU per 4 KB"),
    Access("Customers.things", "BatchGetItem", BILLING, "kind#name, up to 100", "", "strong", "1 RU an item"),
    Access("Customers.due_things", "Query", BILLING, "kind#shard, due_at <=", DUE_INDEX, "eventual", "0.5 RU a shard"),
    Access("Packages.packages", "Query", BILLING, "package", "", "strong", "1 RU per 4 KB"),
    Access("Packages.package", "GetItem", BILLING, "package, id", "", "strong", "1 RU"),
    Access("Packages.add", "PutItem", BILLING, "package, id", "", "absent", "1 WU"),
)


def key(kind: str, name: str) -> str:
    """Hash key of an item."""
    return f"{kind}#{name}"


def name_of(pk: str) -> str:
    """What an item is called, from its hash key."""
    return pk.partition("#")[2]


def number_key(number: int) -> str:
    """Range key of a numbered receipt: sorts by number."""
    return f"{number:0{NUMBER_DIGITS}}"


def site_list(site: str, day: str) -> str:
    """Hash key of the list of a site's payments of an ISO day: a subscriber has no such name."""
    return key(PAYMENT_LIST, f"@{site}#{day}")


def customer_list(subscriber: str) -> str:
    """Hash key of the list of a customer's payments."""
    return key(PAYMENT_LIST, subscriber)


def list_place(at: int, payment: str) -> str:
    """Range key in both lists: sorts by time."""
    return f"{at:0{NUMBER_DIGITS}}#{payment}"


def due_key(kind: str, name: str) -> str:
    """Hash key in the due index."""
    return f"{kind}#{shard_of(name, DUE_SHARDS)}"


def due_keys(kind: str) -> list[str]:
    """All hash keys of a kind in the due index."""
    return [f"{kind}#{shard}" for shard in range(DUE_SHARDS)]


def day_key(kind: str, day: str, name: str) -> str:
    """Hash key in the index of days."""
    return f"{kind}#{day}#{shard_of(name, DAY_SHARDS)}"


def day_keys(kind: str, day: str) -> list[str]:
    """All hash keys of a kind on an ISO day."""
    return [f"{kind}#{day}#{shard}" for shard in range(DAY_SHARDS)]
