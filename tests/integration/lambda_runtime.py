"""Lambda as far as a handler sees it: one process, one event after the other, and a time at which it is ended.

    python -m tests.integration.lambda_runtime SECONDS [SECONDS ...]

Each run has so many seconds to work before its reserve. One line of JSON for each: what the handler returned.
"""

import json
import sys
import time

from coa import lambda_function

EVENT = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}


class Clock:
    """A context."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds + lambda_function.RESERVE_S

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - time.monotonic()) * 1000)


def main() -> None:
    for seconds in sys.argv[1:]:
        done = lambda_function.handler(EVENT, Clock(float(seconds)))
        print(json.dumps({**done, "wired": lambda_function._wired.cache_info().misses}), flush=True)


if __name__ == "__main__":
    main()
