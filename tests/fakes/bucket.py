"""`billing.services.reconcile.Turns` of one process, without the table that processes share."""


class Bucket:
    """Queries of one shortcode: `per_minute` of them, never two at once; half of it for a while after a refusal.

    GCRA with a burst of 1. Times are seconds of any one clock.
    """

    def __init__(self, per_minute: float = 5, slowed_s: float = 300) -> None:
        self._pause_s = 60 / per_minute
        self._slowed_s = slowed_s
        self._next_at = 0.0
        self._slow_until = 0.0

    def take(self, at: float) -> bool:
        """True if one may be sent now."""
        if at < self._next_at:
            return False
        self._next_at = at + self._pause_s * (2 if at < self._slow_until else 1)
        return True

    def refused(self, at: float, wait_s: float) -> None:
        """The provider said: too many; not before `wait_s`."""
        self._slow_until = at + self._slowed_s
        self._next_at = at + max(wait_s, 2 * self._pause_s)
