"""A batch of vouchers: made at once, exported once, sold and used one by one, void as a whole if its paper is lost."""

import re
from enum import StrEnum
from typing import ClassVar

import msgspec

from billing.domain.money import SHILLING_CENTS
from billing.domain.thing import Thing
from billing.domain.voucher import CodeRules, Voucher, VoucherState, check_rules
from radius.domain.errors import Malformed

BATCH_COUNT_MAX = 9_999  # four digits of a serial number; more is another batch
REDEEM_YEARS_MAX = 5
YEAR_S = 366 * 86_400

_ID = re.compile(r"[A-Z][A-Z0-9]{0,11}", re.ASCII)


class BatchState(StrEnum):
    """What a batch is."""

    MADE = "made"  # the codes exist, nobody has seen them
    EXPORTED = "exported"  # they were handed out once; at rest there are hashes only
    VOID = "void"


class BatchEvent(StrEnum):
    """What is asked of it."""

    EXPORT = "export"
    SELL = "sell"
    VOID = "void"


class BatchRefusal(StrEnum):
    """Why not."""

    SEEN = "seen"  # an export cannot be repeated; replace what was lost, or void the batch
    NOT_EXPORTED = "not_exported"
    VOID = "void"


TABLE: dict[tuple[BatchState, BatchEvent], BatchState | BatchRefusal] = {
    (BatchState.MADE, BatchEvent.EXPORT): BatchState.EXPORTED,
    (BatchState.MADE, BatchEvent.SELL): BatchRefusal.NOT_EXPORTED,
    (BatchState.MADE, BatchEvent.VOID): BatchState.VOID,
    (BatchState.EXPORTED, BatchEvent.EXPORT): BatchRefusal.SEEN,
    (BatchState.EXPORTED, BatchEvent.SELL): BatchState.EXPORTED,
    (BatchState.EXPORTED, BatchEvent.VOID): BatchState.VOID,
    (BatchState.VOID, BatchEvent.EXPORT): BatchRefusal.VOID,
    (BatchState.VOID, BatchEvent.SELL): BatchRefusal.VOID,
    (BatchState.VOID, BatchEvent.VOID): BatchRefusal.VOID,
}


class Batch(Thing, frozen=True, omit_defaults=True):
    """A batch. `site` empty: usable everywhere; `holder`: who has the paper, and the money of what is used unsold.

    `made`: serial numbers up to this one exist. `seed`: sealed, what the codes are drawn from; gone with the export.
    """

    KIND: ClassVar[str] = "G"

    id: str
    package: str
    price_cents: int
    count: int
    made_at: int
    holder: str
    redeem_by: int = 0
    site: str = ""
    rules: CodeRules = CodeRules()
    state: BatchState = BatchState.MADE
    made: int = 0
    seed: str = ""

    @property
    def name(self) -> str:
        """The id."""
        return self.id


def check_batch(batch: Batch, live_codes: int, nas_count: int, node_count: int = 1) -> Batch:
    """Return a batch that may be made; raises Malformed naming field and fix.

    `live_codes`: those that are good already where these will be; the new ones are added here.
    """
    if not _ID.fullmatch(batch.id):
        raise Malformed("batch", "must be 1 to 12 capital letters and digits, such as B12")
    if not 1 <= batch.count <= BATCH_COUNT_MAX:
        raise Malformed("count", f"must be 1 to {BATCH_COUNT_MAX}")
    if batch.price_cents < SHILLING_CENTS or batch.price_cents % SHILLING_CENTS:
        raise Malformed("price_cents", "must be whole shillings, at least 1")
    if not batch.holder:
        raise Malformed("holder", "must name who answers for the money of what is used")
    if batch.redeem_by and not batch.made_at < batch.redeem_by <= batch.made_at + REDEEM_YEARS_MAX * YEAR_S:
        raise Malformed("redeem_by", f"must be in the future, within {REDEEM_YEARS_MAX} years")
    check_rules(batch.rules, live_codes + batch.count, nas_count, node_count)
    return batch


def vouchers(batch: Batch) -> list[Voucher]:
    """The vouchers of a new batch, in the order of their serial numbers."""
    return [Voucher(batch.id, number, redeem_by=batch.redeem_by) for number in range(1, batch.count + 1)]


def decide(batch: Batch, event: BatchEvent) -> Batch | BatchRefusal:
    """The batch after `event`, or why not."""
    after = TABLE[batch.state, event]
    return after if isinstance(after, BatchRefusal) else msgspec.structs.replace(batch, state=after)


def usable(batch: Batch, voucher: Voucher) -> bool:
    """True if nothing but time stands against using it: what was used before its batch was voided stays used."""
    return batch.state is BatchState.EXPORTED and voucher.state in {VoucherState.STOCK, VoucherState.SOLD}
