"""What Daraja's codes mean to us, as data. The vocabulary is open: a code that is not here proves nothing.

Sources: the code lists and first-hand observations of the project's notes on M-Pesa (codes as they behave in 2025 and
2026). `ResultCode` is the contract, `ResultDesc` is not: no text is looked at.
"""

from enum import StrEnum
from typing import NamedTuple

PAID = "0"


class ErrorClass(StrEnum):
    """Whose fault: a dimension of metrics. Customers' are normal and warn, all others are errors."""

    CUSTOMER = "customer"
    NETWORK = "network"
    SYSTEM = "system"
    CONFIGURATION = "configuration"
    UNKNOWN = "unknown"


# A code that nobody has seen, or a configuration that will fail everybody: a person must look.
ALARMING = frozenset({ErrorClass.UNKNOWN, ErrorClass.CONFIGURATION})


class Code(NamedTuple):
    """`terminal`: the payment has failed. One that is not: it may still be paid; ask again, never push again."""

    error_class: ErrorClass
    terminal: bool
    meaning: str


_CUSTOMER, _NETWORK = ErrorClass.CUSTOMER, ErrorClass.NETWORK
_SYSTEM, _CONFIGURATION = ErrorClass.SYSTEM, ErrorClass.CONFIGURATION

RESULTS = {
    "1": Code(_CUSTOMER, terminal=True, meaning="not enough money"),
    "2": Code(_CUSTOMER, terminal=True, meaning="less than the least M-Pesa moves"),
    "3": Code(_CUSTOMER, terminal=True, meaning="more than M-Pesa moves at once"),
    "4": Code(_CUSTOMER, terminal=True, meaning="the payer's limit of the day"),
    "8": Code(_CUSTOMER, terminal=True, meaning="the limit of a balance"),
    "17": Code(_SYSTEM, terminal=False, meaning="internal, or the same amount to the same party within two minutes"),
    "26": Code(_SYSTEM, terminal=False, meaning="busy"),
    "1001": Code(_CUSTOMER, terminal=False, meaning="another prompt is open on that phone"),
    "1019": Code(_NETWORK, terminal=True, meaning="the transaction expired"),
    "1025": Code(_SYSTEM, terminal=False, meaning="the prompt could not be sent"),
    "1031": Code(_CUSTOMER, terminal=True, meaning="cancelled"),
    "1032": Code(_CUSTOMER, terminal=True, meaning="cancelled"),
    # Out of reach or not answered: the same code. A phone in a pocket is the rule, so it is no error of the network.
    "1037": Code(_CUSTOMER, terminal=True, meaning="no answer from the phone"),
    "2001": Code(_CUSTOMER, terminal=True, meaning="wrong PIN"),
    "2002": Code(_CONFIGURATION, terminal=True, meaning="till and shortcode do not go together"),
    "2028": Code(_CONFIGURATION, terminal=True, meaning="the shortcode may not do this"),
    "2029": Code(_CONFIGURATION, terminal=True, meaning="till and shortcode do not go together"),
    "4999": Code(_SYSTEM, terminal=False, meaning="still under processing"),
    "8006": Code(_CONFIGURATION, terminal=True, meaning="the security credential is locked"),
    "9999": Code(_SYSTEM, terminal=False, meaning="the prompt could not be sent"),
    "E3008": Code(_CUSTOMER, terminal=True, meaning="refused for this payer"),
    # What a query's gateway says, with any HTTP status and any text. 500.001.1001 is seen for finished payments too.
    "500.001.1001": Code(_SYSTEM, terminal=False, meaning="no answer"),
    "400.002.02": Code(_SYSTEM, terminal=False, meaning="asked too early"),
    "500.003.02": Code(_SYSTEM, terminal=False, meaning="asked too often"),
    "500.003.03": Code(_SYSTEM, terminal=False, meaning="asked too often"),
}


class PushOutcome(StrEnum):
    """What is known after a push was sent."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # no prompt was sent
    UNKNOWN = "unknown"  # no reply, or one that does not say; never pushed again by a machine


class PushError(NamedTuple):
    """An errorCode in the reply to a push. `again`: it was refused before anything was done, so it may be sent again.

    After `token` errors, once and with a new token.
    """

    error_class: ErrorClass
    outcome: PushOutcome
    again: bool = False
    token: bool = False


PUSH_ERRORS = {
    "400.002.02": PushError(_CONFIGURATION, PushOutcome.REFUSED),
    "400.003.01": PushError(_CONFIGURATION, PushOutcome.REFUSED, again=True, token=True),
    "401.002.01": PushError(_CONFIGURATION, PushOutcome.REFUSED, again=True, token=True),
    "404.001.03": PushError(_CONFIGURATION, PushOutcome.REFUSED, again=True, token=True),
    "500.003.02": PushError(_SYSTEM, PushOutcome.REFUSED, again=True),
    "500.003.03": PushError(_SYSTEM, PushOutcome.REFUSED, again=True),
    # "Unable to lock subscriber", "Wrong credentials" and half a dozen others: it cannot be told what was done.
    "500.001.1001": PushError(_SYSTEM, PushOutcome.UNKNOWN),
}
PUSH_ERROR_UNKNOWN = PushError(ErrorClass.UNKNOWN, PushOutcome.UNKNOWN)


def push_error(code: str) -> PushError:
    """What an errorCode of a push says."""
    return PUSH_ERRORS.get(code.strip(), PUSH_ERROR_UNKNOWN)


def normal_code(code: int | str) -> str:
    """A ResultCode as a string: callbacks send numbers, query replies strings."""
    return str(code).strip().upper()


def fails(code: str) -> bool:
    """True for the codes that fail a payment, and for no other."""
    known = RESULTS.get(code)
    return known is not None and known.terminal


def error_class(code: str) -> ErrorClass:
    """Class of a ResultCode other than PAID."""
    known = RESULTS.get(code)
    return known.error_class if known else ErrorClass.UNKNOWN
