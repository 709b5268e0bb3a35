"""Enforcement from the command line.

    python -m coa run --settings FILE                                  the worker
    python -m coa probe ROUTER [--settings FILE | --secret-file FILE]  can sessions be ended there?
    python -m coa disconnect ROUTER SESSION-UID | --user NAME          end a session now
    python -m coa change ROUTER SESSION-UID | --user NAME              tell it anew what it should have now

ROUTER is a registered name; for probe with --secret-file, an address. Exit codes: 0 done (probe: sessions can be ended
there), 1 not (the text says why), 2 wrong usage or settings.
"""

import argparse
import sys
from ipaddress import ip_address
from pathlib import Path

from coa import hand, run
from coa.das import Das
from coa.families import WAYS
from coa.pace import Pace
from coa.reach import road
from coa.sender import Sender
from radius import settings as settings_module
from radius.domain.errors import Malformed, Unavailable
from radius.domain.nas import Family
from radius.wiring import Core, build_core

WAIT_S = 1.0  # first; a person waits for it
TRIES_MAX = 2  # one lost datagram must not look like a router that is off


def main(arguments: list[str]) -> int:
    """Run one command; the text goes to stdout."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "probe" and (options.secret is None) == _is_address(options.router):
        wrong = "is no IP address" if options.secret else "is an address: say its secret with --secret-file"
        parser.error(f"{options.router} {wrong}; a registered name needs no secret here")
    try:
        if options.command == "run":
            return run.run(_core(options))
        return _probe(options) if options.command == "probe" else _tell(options)
    except Malformed as bad:
        print(f"wifibilling coa: {bad}", file=sys.stderr)
        return 2
    except Unavailable:
        print("wifibilling coa: the store does not answer", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m coa", description="Change live sessions (RFC 5176).")
    commands = parser.add_subparsers(dest="command", required=True)
    worker = commands.add_parser("run", help="make limits true on live sessions until told to stop")
    asked = commands.add_parser("probe", help="can sessions be ended there, and what does it want?")
    ended = commands.add_parser("disconnect", help="end a session now; its customer may log in again")
    changed = commands.add_parser("change", help="tell a router anew what a session should have now")
    for command in (worker, asked, ended, changed):
        command.add_argument("--settings", type=Path, help="default: $WIFIBILLING_SETTINGS")
    asked.add_argument("router", metavar="ROUTER", help="an address, or with --settings a registered name")
    asked.add_argument("--secret-file", type=_secret, dest="secret", help="holds the RADIUS secret of an address")
    asked.add_argument("--family", type=Family, choices=list(Family), default=Family.WISPR, help="of an address")
    asked.add_argument("--port", type=int, help="default: the usual ones of the family, or as registered")
    asked.add_argument("--source", type=_address, help="own address to send from")
    for command in (ended, changed):
        command.add_argument("router", metavar="ROUTER")
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument("session", metavar="SESSION-UID", nargs="?", default="", help="as in the log, `session`")
        which.add_argument("--user", default="", metavar="NAME", help="every open session of that customer there")
    for command in (asked, ended, changed):
        command.add_argument("--wait", type=float, default=WAIT_S, help="seconds before a try counts as lost")
    return parser


def _core(options: argparse.Namespace) -> Core:
    return build_core(settings_module.load(options.settings))


def _tell(options: argparse.Namespace) -> int:
    core = _core(options)
    tell = hand.cut if options.command == "disconnect" else hand.change
    sender = Sender(Pace(first_wait_s=options.wait, tries_max=TRIES_MAX))
    try:
        told = [
            tell(core, sender, record)
            for record in hand.sessions_of(core, options.router, options.session, options.user)
        ]
    finally:
        sender.close()
        core.close()
    print("\n".join(one.line for one in told))
    return 0 if all(one.good for one in told) else 1


def _probe(options: argparse.Namespace) -> int:
    if options.secret is None:
        core = _core(options)
        try:
            router, nas, das = hand.registered(core, options.router)
        finally:
            core.close()
        print(road(router, nas, das))
        way, places = WAYS[nas.family], [das] if das is not None else []
    else:
        way = WAYS[options.family]
        ports = (options.port,) if options.port else way.ports
        places = [Das(options.router, options.secret, port, source=options.source or "") for port in ports]
    for das in places:
        print(f"Asking {das.address}, port {das.port}, as a router of family {way.family.value} ...")
        pace = Pace(first_wait_s=options.wait, tries_max=TRIES_MAX)
        findings = hand.find(das, way, pace, registered=options.secret is None)
        print("\n".join(findings.lines))
        if findings.answered:
            return 0 if findings.good else 1
    return 1


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _address(text: str) -> str:
    if not _is_address(text):
        raise argparse.ArgumentTypeError(f"{text} is no IP address")
    return text


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
