"""Keeps requests from a router that does not answer, and lets one try now and then. Pure; one per router."""

from coa.pace import Random

SILENCES_MAX = 2  # requests in a row that went unanswered to the end (30 s each) before a router counts as down
BACK_OFF_S, BACK_OFF_S_MAX = 15.0, 300.0  # between trials, doubling; a router that reboots is back within minutes
JITTER = 0.1


class Breaker:
    """`now` is the monotonic clock. Any authentic answer, a NAK too, proves the router alive."""

    __slots__ = ("_back_off_s", "_random", "_retry_at", "_silences", "_trial")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._silences = 0
        self._back_off_s = 0.0
        self._retry_at = 0.0
        self._trial = False

    @property
    def idle(self) -> bool:
        """Nothing is remembered against this router."""
        return self._silences == 0

    def admit(self, now: float) -> bool:
        """Whether a request may go out; when the router is down, that request is the trial and the only one."""
        if self._silences < SILENCES_MAX:
            return True
        if self._trial or now < self._retry_at:
            return False
        self._trial = True
        return True

    def retry_after_s(self, now: float) -> float:
        """Seconds until the next trial; while one is under way, a first back-off."""
        return BACK_OFF_S if self._trial else max(self._retry_at - now, 0.0)

    def answered(self) -> None:
        """The router gave an authentic answer."""
        self._silences, self._back_off_s, self._trial = 0, 0.0, False

    def unanswered(self, now: float) -> bool:
        """A request was given up; True if the router counts as down from now on."""
        self._silences += 1
        if self._silences < SILENCES_MAX or now < self._retry_at:
            return False  # not yet; or one of those that were under way when it went down
        self._trial = False
        self._back_off_s = min(self._back_off_s * 2 or BACK_OFF_S, BACK_OFF_S_MAX)
        self._retry_at = now + self._back_off_s * (1 + JITTER * (2 * self._random() - 1))
        return True

    def withdrawn(self) -> None:
        """The trial was not sent after all."""
        self._trial = False
