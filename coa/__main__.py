"""By hand: python -m coa probe ROUTER-ADDRESS --secret-file FILE [--family FAMILY] [--port PORT].

Exit codes: 0 sessions can be ended there, 1 they cannot (the text says why), 2 wrong usage.
"""

import argparse
import secrets
import sys
from ipaddress import ip_address
from pathlib import Path

from coa.codec import Request
from coa.das import Das
from coa.families import WAYS, Way
from coa.outcome import Answer
from coa.pace import Pace
from coa.probe import Findings, probe
from coa.sender import Sender
from radius.domain.nas import Family

WAIT_S = 1.0  # first; a person waits for it
TRIES_MAX = 2  # one lost datagram must not look like a router that is off


def main(arguments: list[str]) -> int:
    """Run one command; the text goes to stdout."""
    parser = argparse.ArgumentParser(prog="python -m coa", description="Speak to a router by hand (RFC 5176).")
    commands = parser.add_subparsers(dest="command", required=True)
    asked = commands.add_parser("probe", help="can sessions be ended there, and what does it want?")
    asked.add_argument("router", type=_address, metavar="ROUTER-ADDRESS")
    asked.add_argument("--secret-file", type=_secret, required=True, dest="secret", help="holds the RADIUS secret")
    asked.add_argument(
        "--family", type=Family, choices=list(Family), default=Family.WISPR, help="default: by the standard"
    )
    asked.add_argument("--port", type=int, help="default: the usual ones of the family")
    asked.add_argument("--source", type=_address, help="own address to send from")
    asked.add_argument("--wait", type=float, default=WAIT_S, help="seconds before a try counts as lost")
    return _probe(parser.parse_args(arguments))


def _probe(options: argparse.Namespace) -> int:
    way = WAYS[options.family]
    for port in (options.port,) if options.port else way.ports:
        das = Das(options.router, options.secret, port, source=options.source or "")
        print(f"Asking {options.router}, port {port}, as a router of family {way.family.value} ...")
        findings = _find(das, way, options.wait)
        print("\n".join(findings.lines))
        if findings.answered:
            return 0 if findings.good else 1
    return 1


def _find(das: Das, way: Way, wait_s: float) -> Findings:
    pace = Pace(first_wait_s=wait_s, tries_max=TRIES_MAX)

    def ask(whom: Das, request: Request) -> Answer:
        sender = Sender(pace)  # a new one each time: it must not hold the last silence against the router
        try:
            return sender.ask(whom, request).result()
        finally:
            sender.close()

    return probe(ask, das, way, secrets.token_hex(6))


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no IP address; registered names are not looked up yet") from None


def _secret(name: str) -> bytes:
    try:
        secret = Path(name).read_bytes().rstrip(b"\r\n")
    except OSError as refused:
        raise argparse.ArgumentTypeError(f"cannot read {name}: {refused.strerror}") from refused
    if not secret:
        raise argparse.ArgumentTypeError(f"{name} is empty")
    return secret


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
