"""SIMULATED M-Pesa for the demo box: a double of Daraja on loopback whose payers always pay. No money moves.

    python -m deploy.simulated_mpesa --port PORT

It speaks real HTTP and calls back as the real one does. It is started only where no variable MPESA_... is set.
"""

import argparse
import signal
import sys
import threading
import time

from deploy.state import State
from tests.fakes.daraja import Daraja

SHORTCODE, PASSKEY = "174379", "simulated"  # the sandbox's shortcode, which nobody owns
PAYS_AFTER_S = 1.0
SECRET_FILE = "simulated-mpesa.secret"  # noqa: S105 - the name of the file
RECEIPTS = 10**9  # as many as there are
READY = "SIMULATED M-Pesa: no money moves here"


def variables(state: State, port: int, portal_port: int) -> dict[str, str]:
    """Settings (`billing.mpesa.settings`) that lead to it, for the processes that sell."""
    references = {"PASSKEY": PASSKEY, "CONSUMER_KEY": "simulated", "CONSUMER_SECRET": "simulated"}
    return {
        "MPESA_ENVIRONMENT": "sandbox",
        "MPESA_ENDPOINT": f"http://127.0.0.1:{port}",
        "MPESA_SHORTCODE": SHORTCODE,
        "MPESA_CALLBACK_BASE": f"http://127.0.0.1:{portal_port}",
        "MPESA_CALLBACK_SECRET_REF": f"file:{state.folder / SECRET_FILE}",
        **{f"MPESA_{name}_REF": f"env:SIMULATED_{name}" for name in references},
        **{f"SIMULATED_{name}": value for name, value in references.items()},
    }


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="deploy.simulated_mpesa")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    first = int(time.time()) % RECEIPTS  # those of the last run are booked, and are never credited again
    with Daraja(SHORTCODE, PASSKEY, auto_s=PAYS_AFTER_S, port=given.port, first=first):
        print(READY)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
