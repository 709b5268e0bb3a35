"""How paying by M-Pesa went. Pure: no store, no clock."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from billing.domain.daraja import ErrorClass
from billing.domain.payment import BY_HAND, PAID_STATES, Payment, PaymentState
from billing.provider import fault
from billing.reports.arithmetic import HALF, NINE_OF_TEN, rank, share

_FAILED = frozenset({PaymentState.FAILED, PaymentState.EXPIRED})


class Family(StrEnum):
    """What a failed payment's code is one of: they have other vocabularies."""

    RESULT = "result"  # a ResultCode: what became of the prompt
    PUSH = "push"  # an errorCode: the prompt was never sent
    SILENCE = "silence"  # no code: nothing was heard, or nobody paid by hand


class Failed(NamedTuple):
    """Payments that failed by one code. `share`: of all that failed."""

    family: str
    code: str
    error_class: str
    payments: int
    share: int | None


class Paying(NamedTuple):
    """M-Pesa payments by the day on which they were begun.

    `success`: of those that are decided; `system`: without those that failed by the customer; `conversion`: of all.
    `open`: not decided yet. `wait_*`: from the prompt to M-Pesa's own time of the money.
    """

    begun: int
    paid: int
    failed: int
    open: int
    success: int | None
    system: int | None
    conversion: int | None
    by_class: Mapping[str, int]  # of those that failed
    by_code: tuple[Failed, ...]
    wait_median_s: int
    wait_p90_s: int


def paying(payments: Iterable[Payment]) -> Paying:
    """Of these payments."""
    found = list(payments)
    paid = [each for each in found if each.state in PAID_STATES]
    failed = [each for each in found if each.state in _FAILED]
    classes = Counter(fault(each).value for each in failed)
    ours = len(failed) - classes[ErrorClass.CUSTOMER.value]
    codes = Counter((_family(each), _code(each), fault(each).value) for each in failed)
    waits = sorted(each.paid_at - each.created_at for each in paid if each.paid_at >= each.created_at)
    return Paying(
        len(found),
        len(paid),
        len(failed),
        len(found) - len(paid) - len(failed),
        share(len(paid), len(paid) + len(failed)),
        share(len(paid), len(paid) + ours),
        share(len(paid), len(found)),
        {each.value: classes[each.value] for each in ErrorClass},
        tuple(
            Failed(*what, count, share(count, len(failed)))
            for what, count in sorted(codes.items(), key=lambda entry: (-entry[1], entry[0]))
        ),
        rank(waits, HALF),
        rank(waits, NINE_OF_TEN),
    )


def _family(payment: Payment) -> str:
    if payment.state is PaymentState.EXPIRED or not payment.code:
        return Family.SILENCE.value
    return (Family.RESULT if payment.checkout_id else Family.PUSH).value


def _code(payment: Payment) -> str:
    """An expired payment may have a code that decided nothing: it is not why."""
    if payment.state is PaymentState.EXPIRED:
        return BY_HAND if payment.code == BY_HAND else payment.state.value
    return payment.code or payment.state.value
