"""Bodies that M-Pesa sends, read; and who stands in for a provider where there is none."""

from billing.domain.settle import Proof
from billing.mpesa.callbacks import parse_callback, parse_notice
from billing.provider import Notice, Pushed, PushRequest, Queried, Refused, Requested, Unknown
from radius.domain.errors import Malformed

NO_PROVIDER = "no_provider"


def read_callback(text: str) -> Proof | None:
    """A push's callback; its token is added by whoever took it."""
    try:
        return parse_callback(text.encode(), "")
    except Malformed:
        return None


def read_notice(text: str) -> Notice | None:
    """Money paid by hand."""
    try:
        return parse_notice(text.encode())
    except Malformed:
        return None


class ByHand:
    """A `Provider` for a till without an interface: it sends nothing and knows nothing.

    Vouchers work, and staff book what is paid by hand.
    """

    shortcode = ""

    def push(self, request: PushRequest, now: int) -> Pushed:  # noqa: ARG002 - the port's
        """Nothing was sent."""
        return Refused(NO_PROVIDER)

    def query(self, checkout_id: str, now: int) -> Queried:  # noqa: ARG002 - the port's
        """Nobody to ask."""
        return Unknown(NO_PROVIDER)

    def transaction_status(self, mpesa_receipt: str, now: int) -> Requested:  # noqa: ARG002 - the port's
        """Nobody to ask."""
        return Refused(NO_PROVIDER)

    def reverse(self, mpesa_receipt: str, cents: int, now: int) -> Requested:  # noqa: ARG002 - the port's
        """Nothing was given back."""
        return Refused(NO_PROVIDER)

    def register_urls(self, now: int) -> Refused | Unknown | None:  # noqa: ARG002 - the port's
        """Nobody to tell."""
        return Refused(NO_PROVIDER)
