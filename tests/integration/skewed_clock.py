"""The hooks and, run as a program, the worker, on a wall clock that is wrong by the seconds in the file $SKEW_FILE.

Only for them: what FreeRADIUS itself writes on a spooled packet is the machine's time.
"""

import os
import sys
import time
from pathlib import Path

from radius.rlm import clocks

_true_time = time.time
_skew = Path(os.environ["SKEW_FILE"])
time.time = lambda: _true_time() + float(_skew.read_text())
clocks._adjtimex = lambda: None  # a kernel that keeps this machine's clock right must not vouch for this one

if __name__ == "__main__":
    from radius import worker

    sys.exit(worker.main())

from radius.rlm.hooks import (  # noqa: E402, F401 - what FreeRADIUS calls, after the clock is set
    accounting,
    authenticate,
    authorize,
    client_lookup,
    detach,
    instantiate,
    post_auth,
)
