"""What Lambda hands to a handler: how long it still may run."""

import time


class Left:
    """A context that has so many seconds before the handler's reserve."""

    def __init__(self, seconds: float, reserve_s: float) -> None:
        self._end = time.monotonic() + seconds + reserve_s

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - time.monotonic()) * 1000)
