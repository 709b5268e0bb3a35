"""When an accounting event happened, and whether a router's clock can be believed."""

from typing import NamedTuple

EVENT_AHEAD_S_MAX = 60  # a router kept by NTP is within seconds; a minute covers a slow packet and a sleepy timer
# Less than half an hour, the smallest mistake of a clock set to the wrong zone; more than any retry cycle that a
# router does not count in Acct-Delay-Time.
EVENT_BEHIND_S_MAX = 900
DELAY_S_MAX = 86_400  # no router keeps a packet longer than a day; more is a counter that was never set


class Moment(NamedTuple):
    """When something happened. `stamped`: the router's own clock says so and is believed; else it is our receipt."""

    at: int
    stamped: bool


def event_instant(event_timestamp: int | None, delay_s: int | None, received_at: int) -> Moment:
    """When an accounting event happened (RFC 2869 §5.3, RFC 2866 §5.2), never later than `received_at`.

    A sane Event-Timestamp wins: at most EVENT_AHEAD_S_MAX ahead of our clock, at most EVENT_BEHIND_S_MAX older than
    what Acct-Delay-Time explains. Routers without a battery start in 1970 or at their last saved minute: then it is
    the receipt, less the delay they say (bounded by DELAY_S_MAX).
    """
    sent_at = received_at - min(max(delay_s or 0, 0), DELAY_S_MAX)
    if event_timestamp is not None and (
        sent_at - EVENT_BEHIND_S_MAX <= event_timestamp <= received_at + EVENT_AHEAD_S_MAX
    ):
        return Moment(min(event_timestamp, received_at), stamped=True)
    return Moment(sent_at, stamped=False)
