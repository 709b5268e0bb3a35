"""Without a provider nothing can be pushed: vouchers work, and staff book what is paid by hand."""

from billing.provider import Pushed, PushRequest, Queried, Refused, Requested, Unknown

NO_PROVIDER = "no_provider"


class ByHand:
    """A `Provider` for a till without an interface: it sends nothing and knows nothing."""

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
