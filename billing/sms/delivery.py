"""What became of a message: delivery reports as Africa's Talking posts them, and the states they lead to. Pure.

Reports come late, twice and out of order; ids are told apart by the phone they were for.
"""

from enum import StrEnum
from urllib.parse import parse_qs

import msgspec

from radius.domain.errors import Malformed
from radius.domain.identity import parse_phone

REPORT_BYTES_MAX = 4_096
ID_CHARS_MAX = 128
_FIELDS_MAX = 20


class DeliveryState(StrEnum):
    """Where a message is."""

    SENT = "sent"  # the gateway has it
    SUBMITTED = "submitted"  # the phone company has it
    DELIVERED = "delivered"
    FAILED = "failed"


_STATES = {
    "Sent": DeliveryState.SENT,
    "Submitted": DeliveryState.SUBMITTED,
    "Buffered": DeliveryState.SUBMITTED,
    "Success": DeliveryState.DELIVERED,
    "Rejected": DeliveryState.FAILED,
    "Failed": DeliveryState.FAILED,
    "AbsentSubscriber": DeliveryState.FAILED,
    "Expired": DeliveryState.FAILED,
}
_FAILURES = frozenset((
    "InsufficientCredit", "InvalidLinkId", "UserIsInactive", "UserInBlackList", "UserAccountSuspended",
    "NotNetworkSubcriber", "UserNotSubscribedToProduct", "UserDoesNotExist", "DeliveryFailure", "DoNotDisturbRejection",
))  # spelt as they are sent  # fmt: skip

S = DeliveryState
TABLE: dict[tuple[DeliveryState, DeliveryState], DeliveryState] = {
    **{(S.SENT, told): told for told in S},
    **{(S.SUBMITTED, told): told for told in S},
    (S.SUBMITTED, S.SENT): S.SUBMITTED,  # out of order
    **{(S.DELIVERED, told): S.DELIVERED for told in S},
    **{(S.FAILED, told): S.FAILED for told in S},
    (S.FAILED, S.DELIVERED): S.DELIVERED,  # it expired in one network and arrived by another: it is on the phone
}


class Report(msgspec.Struct, frozen=True):
    """One delivery report. `failure` is one of the documented words, "other", or empty."""

    id: str
    phone: str
    state: DeliveryState
    failure: str = ""

    def __repr__(self) -> str:
        return f"Report({self.id!r}, {self.state.value}, {self.failure!r})"


def parse_report(body: bytes) -> Report:
    """Read the form that is posted; raises Malformed naming the field, never showing what was in it."""
    if len(body) > REPORT_BYTES_MAX:
        raise Malformed("body", f"must be at most {REPORT_BYTES_MAX} bytes")
    try:
        form = parse_qs(body.decode("ascii"), max_num_fields=_FIELDS_MAX, errors="strict")
    except ValueError as strange:
        raise Malformed("body", "must be a form") from strange
    name, phone = _one(form, "id"), parse_phone(_one(form, "phoneNumber"))
    state = _STATES.get(_one(form, "status"))
    if not 1 <= len(name) <= ID_CHARS_MAX or not name.isascii() or not name.isprintable():
        raise Malformed("id", f"must be 1 to {ID_CHARS_MAX} printable characters")
    if phone is None:
        raise Malformed("phoneNumber", "must be a Kenyan mobile number")
    if state is None:
        raise Malformed("status", f"must be one of {', '.join(_STATES)}")
    failure = _one(form, "failureReason") if state is DeliveryState.FAILED else ""
    return Report(name, phone, state, failure if not failure or failure in _FAILURES else "other")


def _one(form: dict[str, list[str]], field: str) -> str:
    values = form.get(field, [""])
    if len(values) > 1:
        raise Malformed(field, "must be given once")
    return values[0]
