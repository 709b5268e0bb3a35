"""Pull Transactions: what came to a shortcode in a period, as the provider lists it. Pure.

As several transcriptions of the portal's page have it; never seen from the real one. It is a list of lists with small
letters in its names, ``OffSetValue`` counts rows, and ``trxDate`` ends in Z without saying whose time it is. So the
period that is asked for is shorter than Nairobi is ahead of UTC: a time can lie in it in one way only.
"""

from datetime import UTC, datetime
from typing import Any

from billing.domain.money import parse
from billing.domain.statement import Page, Row
from billing.mpesa import fields
from billing.mpesa.fields import EAT
from billing.mpesa.wire import THROTTLED_S, Account, Body, not_taken, read_reply
from billing.provider import Refused, TooMany, Unknown
from radius.domain.errors import Malformed

PULL = "/pulltransactions/v1/query"
PERIOD_S_MAX = 2 * 3_600
_SUCCESS, _NOTHING = "1000", "1001"
_FORM = "%Y-%m-%d %H:%M:%S"


def pull_body(account: Account, since: int, until: int, offset: int) -> Body:
    """The body that asks for [since, until), UTC seconds; raises ValueError for too long a period."""
    if not 0 < until - since <= PERIOD_S_MAX:
        raise ValueError(f"a period has 1 to {PERIOD_S_MAX} seconds")
    return {
        "ShortCode": account.till or account.shortcode,
        "StartDate": (datetime.fromtimestamp(since, UTC) + EAT).strftime(_FORM),
        "EndDate": (datetime.fromtimestamp(until - 1, UTC) + EAT).strftime(_FORM),
        "OffSetValue": str(offset),
    }


def parse_pull(status: int, raw: bytes, since: int, until: int) -> Page | TooMany | Refused | Unknown:
    """What was listed. A transaction that cannot be read is a problem, named by its place in the list."""
    told = read_reply(status, raw)
    if told.throttled:
        return TooMany(THROTTLED_S)
    code = fields.optional(told.body.get("ResponseCode"))
    if told.code or status != 200 or code not in {_SUCCESS, _NOTHING}:
        return not_taken(status, told)
    listed = [item for part in _parts(told.body.get("Response")) for item in fields.items(part)]
    rows: list[Row] = []
    problems: list[Malformed] = []
    for number, item in enumerate(listed if code == _SUCCESS else [], 1):
        try:
            rows.append(_row(number, item, since, until))
        except Malformed as bad:
            problems.append(bad)
    return Page(tuple(rows), tuple(problems))


def _parts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _row(number: int, item: dict[str, Any], since: int, until: int) -> Row:
    where = f"transaction {number}"
    amount = item.get("amount")
    if not isinstance(amount, str):
        raise Malformed(f"{where}, amount", "must be shillings such as 50 or 5.00")
    return Row(
        number,
        fields.identifier(item, "transactionId", where).upper(),
        _instant(item.get("trxDate"), f"{where}, trxDate", since, until),
        done=True,
        paid_in_cents=parse(amount, f"{where}, amount"),
        account=fields.shown(item.get("billreference")).strip(),
    )


def _instant(value: Any, field: str, since: int, until: int) -> int:
    """The instant that lies in the period, whether the time is that of Nairobi or UTC."""
    text = value if isinstance(value, str) else ""
    try:
        as_utc = datetime.strptime(text.strip().removesuffix("Z").replace("T", " "), _FORM).replace(tzinfo=UTC)
    except ValueError:
        raise Malformed(field, "must be a time such as 2026-11-25T08:30:00Z") from None
    for at in (as_utc - EAT, as_utc):
        if since <= at.timestamp() < until:
            return int(at.timestamp())
    raise Malformed(field, "must be in the period that was asked for")
