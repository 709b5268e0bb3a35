"""What is given back for a right that was not used up.

The share is the least of what is left: of the data, of the time online, of the validity. Whoever has used all the data
of a month on its first day has had what was sold.
"""

from billing.domain.money import SHILLING_CENTS, share
from radius.domain import entitlement
from radius.domain.entitlement import Right, RightState
from radius.domain.terms import Terms


def unused_cents(right: Right, terms: Terms, paid_cents: int, refunded_cents: int, now: int) -> int:
    """Cents of `paid_cents` that may be given back at `now`, less what was; never negative, rounded down.

    Nothing was used of a dormant right. A quota that comes anew each day, week or month does not count: what is left of
    today's says little about the days to come, so the validity decides. Cut live sessions first, so that all use is in.
    """
    state = entitlement.state(right, now)
    if state in {RightState.ENDED, RightState.REVOKED}:
        return 0
    left = min(_shares(right, terms, now, paid_cents), default=paid_cents) if state is RightState.LIVE else paid_cents
    return max(0, left - refunded_cents)


def _shares(right: Right, terms: Terms, now: int, paid_cents: int) -> list[int]:
    shares = [
        share(paid_cents, min(right.ends_at - now, right.ends_at - right.starts_at), right.ends_at - right.starts_at)
    ]
    if terms.period is None:
        for left, quota in (
            (entitlement.remaining_bytes(right, terms), terms.quota_bytes),
            (entitlement.remaining_s(right, terms), terms.quota_s),
        ):
            if left is not None and quota:
                shares.append(share(paid_cents, left, quota))
    return shares


def by_mpesa_cents(cents: int) -> int:
    """What M-Pesa can give back of `cents`: whole shillings, rounded down."""
    return cents - cents % SHILLING_CENTS
