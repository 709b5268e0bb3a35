"""What commands show on one day of a small ISP, to the letter: tables and JSON in the folder `golden`.

Where a change of them is meant, GOLDEN_FILES=write writes them anew; read the difference before it is kept.
"""

import os
import re
import shlex
from pathlib import Path

import pytest

from tests.contract.cli.isp import ANNEX, LAPTOP, World

FOLDER = Path(__file__).parent / "golden"
JANE, OTIENO = "0712345678", "0722000111"
COMMANDS = {
    "packages-list": "packages list",
    "packages-show": "packages show daily",
    "customers-search": f"customers search {JANE}",
    "customers-show": f"customers show {JANE}",
    "customers-devices": f"customers devices {JANE}",
    "customers-list": "customers list --site kilimani",
    "sessions-list": "sessions list --site lodge",
    "sessions-show": "sessions show {session}",
    "sessions-history": f"sessions history --user {OTIENO}",
    "payments-list": "payments list",
    "payments-show": "payments show TKP0000001",
    "payments-refunds": "payments refunds",
    "vouchers-list": "vouchers list",
    "vouchers-list-of-a-batch": "vouchers list B1",
    "vouchers-show": "vouchers show B1-0001",
    "ledger-account": "ledger account",
    "ledger-account-of-one": "ledger account voucher_stock:B1",
    "ledger-check": "ledger check --from 2026-11-25",
    "pending": "pending",
    "waiting": "waiting",
    "audit": "audit --by mary",
    "who-had": "who-had 10.5.0.7 --at '2026-11-25 12:55' --site lodge --reason court",
    "routers-list": "routers list",
    "routers-show": "routers show lodge-01",
    "sites-list": "sites list",
}
ID = re.compile(r"\b(?:[0-9a-f]{20}|[0-9a-f]{16}|[0-9A-Za-z]{16})\b(?!-)")
REFERENCE = re.compile(r'(REFERENCE +|"reference": ")[A-Z0-9]{9}')
EIGHT = re.compile(r"\b[0-9]{8}\b")


def day(world: World) -> str:
    """Jane buys and asks for her money; Otieno is online and blocked; two vouchers. The one session."""
    world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")
    jane = world.registered(JANE)
    world.buys(jane, "daily.1", "TKP0000001")
    world.clock.now += 1
    world.customer(OTIENO, site="lodge")
    world.online(OTIENO, mac=LAPTOP, router=ANNEX, used=(20_000_000, 880_000_000))
    world.clock.now += 1
    world("payments", "refund", "TKP0000001", "--reason", "no network", yes=True)
    world.clock.now += 1
    world("vouchers", "batch", "B1", "--package", "daily", "--count", "2", "--holder", "mary", "--site", "kilimani")
    world.clock.now += 1
    world("customers", "block", OTIENO, "--reason", "chargeback", yes=True)
    return str(world("sessions", "list", "--json").json()[0]["session"])


@pytest.fixture(scope="module")
def said(town: World) -> dict[str, str]:
    """The output of every command, its drawn ids numbered in the order in which they were first shown."""
    session = day(town)
    names: dict[str, str] = {}

    def named(found: re.Match[str]) -> str:
        text = found[0]
        return names.setdefault(text, f"id{len(names):0{len(text) - 2}d}")

    told = {}
    for name, line in COMMANDS.items():
        words = shlex.split(line.format(session=session))
        for ending, more in ((".txt", ()), (".json", ("--json",))):
            shown = ID.sub(named, town(*words, *more).out)
            told[name + ending] = REFERENCE.sub(r"\1WXXXXXXXX", EIGHT.sub("12345678", shown))
    return told


@pytest.mark.parametrize("name", [name + ending for name in COMMANDS for ending in (".txt", ".json")])
def test_it_shows_what_it_showed(said: dict[str, str], name: str) -> None:
    path = FOLDER / name
    if os.environ.get("GOLDEN_FILES") == "write":
        path.write_text(said[name])
    assert said[name] == path.read_text()


def test_no_golden_file_is_left_behind() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {name + end for name in COMMANDS for end in (".txt", ".json")}
