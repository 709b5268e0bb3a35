"""When the same bytes go out again (RFC 5080 §2.2.1, which borrows from RFC 3315 §14). Pure."""

from collections.abc import Callable

import msgspec

Random = Callable[[], float]  # uniform in [0, 1)


class Pace(msgspec.Struct, frozen=True):
    """Seconds and counts; the defaults are those that RFC 5080 recommends for RADIUS.

    With them a request is transmitted at about 0, 2, 6 and 14 s and given up after 30.
    """

    first_wait_s: float = 2.0  # IRT
    wait_s_max: float = 16.0  # MRT
    tries_max: int = 5  # MRC: transmissions, the first included
    total_s_max: float = 30.0  # MRD
    jitter: float = 0.1  # of each wait, either way: routers that failed together are not asked again together

    def first(self, random: Random) -> float:
        """How long to wait after the first transmission."""
        return self.first_wait_s * (1 + self._spread(random))

    def after(self, wait_s: float, random: Random) -> float:
        """How long to wait after the next one, when the last wait was `wait_s`."""
        longer = wait_s * (2 + self._spread(random))
        return longer if longer <= self.wait_s_max else self.wait_s_max * (1 + self._spread(random))

    def _spread(self, random: Random) -> float:
        return self.jitter * (2 * random() - 1)
