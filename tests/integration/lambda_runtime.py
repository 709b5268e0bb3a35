"""Lambda as far as a handler sees it: one process, one event after the other, and a time at which it is ended.

    python -m tests.integration.lambda_runtime PACKAGE SECONDS [SECONDS ...]

Each run of the package's function has so many seconds to work before its reserve. One line of JSON for each: what the
handler returned.
"""

import importlib
import json
import sys

from tests.fakes.lambda_context import Left

EVENT = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}


def main() -> None:
    function = importlib.import_module(f"{sys.argv[1]}.lambda_function")
    for seconds in sys.argv[2:]:
        done = function.handler(EVENT, Left(float(seconds), function.RESERVE_S))
        print(json.dumps({**done, "wired": function._wired.cache_info().misses}), flush=True)


if __name__ == "__main__":
    main()
