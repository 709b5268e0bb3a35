"""The relay, on any machine with a public name, behind a proxy that speaks HTTPS.

    python -m billing.relay --folder /var/lib/wifibilling-relay --token-file FILE [--allow NETWORK ...] [--port 8470]

It has neither a store nor keys: what it holds are calls on their way. The token is the box's; see `billing.relay.road`.
"""

import argparse
import sys
import time
from ipaddress import ip_network
from pathlib import Path

import uvicorn

from billing.relay.kept import Kept
from billing.relay.road import read_token
from billing.relay.server import Doors
from radius.domain.errors import Malformed

PORT = 8_470
STOP_S = 12


def main(arguments: list[str]) -> int:
    """Serve until told to stop; 2 for what cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m billing.relay", description="Takes M-Pesa's calls for a box.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument(
        "--allow", action="append", default=[], metavar="NETWORK", help="who may call; default: anybody"
    )
    parser.add_argument("--port", type=int, default=PORT)
    given = parser.parse_args(arguments)
    try:
        token = read_token(f"file:{given.token_file}")
        allowed = [ip_network(each) for each in given.allow]
    except (Malformed, ValueError) as bad:
        sys.stderr.write(f"wifibilling relay: {bad}\n")
        return 2
    app = Doors(Kept(given.folder), token, allowed, lambda: int(time.time())).app()
    uvicorn.run(
        app, host="127.0.0.1", port=given.port, access_log=False, log_level="warning", server_header=False,
        proxy_headers=True, forwarded_allow_ips="127.0.0.1", ws="none", timeout_graceful_shutdown=STOP_S,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
