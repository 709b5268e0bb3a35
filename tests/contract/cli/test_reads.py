"""What commands ask of the store: never a Scan where somebody waits, and no more of a site that is four times as large.

Every command is run through its real entry point, before a proxy that writes down each request.
"""

import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing.cli import progress
from billing.cli.exits import Exit
from radius.domain.errors import Unavailable
from radius.domain.nas import Site
from radius.store import records
from tests.bench import big_site, bulk
from tests.bench.big_site import Size
from tests.bench.lists import LISTS
from tests.contract.cli.conftest import make
from tests.contract.cli.isp import ANNEX, LAPTOP, SECRET, World
from tests.fakes.store_proxy import StoreProxy
from tests.fixtures_engine import Engine
from tests.unit.billing.test_cli_reference import COMMANDS

JANE, OTIENO = "0712345678", "0722000111"
WHOLE_TABLES = {("backup", "run"), ("migrate",), ("relist",)}  # they say so, and show how far they are
# Restores into an engine of its own (test_backups.py), or is DynamoDB's own part (test_rewinding.py)
ELSEWHERE = {("backup", "verify"), ("backup", "window"), ("backup", "drill"), ("backup", "rewind")}
REFUSED = ("region", "backup list", "sessions slow", "routers pages", "routers script")  # what this box cannot do
LOOKED = 10  # instead of a thousand: both sites have more than a list looks at
SIZES = (Size(120, 120, 60, 40), Size(480, 480, 240, 160))
UNLIMITED = ("customers search", "customers show", "payments refunds", "routers list")
REQUESTS_MAX = 100


@pytest.fixture
def watched(engine: Engine, proxy: StoreProxy, tmp_path: Path) -> Iterator[World]:
    yield from make(Engine(proxy.port), tmp_path)


def script(world: World) -> Iterator[str]:
    """A day on which every command is typed: what it needs has been made by those before it."""
    world.customer(JANE)
    world.customer(OTIENO, site="lodge")
    world.online(OTIENO, mac=LAPTOP, router=ANNEX)
    yield "packages examples"
    yield "packages add daily --name Day --price 50 --lasts 1d"
    yield "packages add odd --name Odd --price 50 --lasts 1d"
    yield from ("packages list", "packages show daily", "packages hide odd")
    yield from ("sites add annexe", "sites list", "sites brand --site lodge --title Lodge")
    yield "sites tell investigating Slow Polepole --site lodge --reason x"
    yield f"sites status-page --out {world.folder}/status"
    yield "routers add annexe-01 --family mikrotik --site annexe --address 10.8.0.9"
    yield from ("routers list", "routers unknown", "routers health", "routers show kilimani-01")
    yield f"routers pages lodge-01 --to {world.folder}/pages"
    yield "routers script annexe-01"
    yield "routers rotate-secret annexe-01 --reason x"
    yield "routers replace annexe-01 --reason x"
    (world.folder / "routers.csv").write_text("router,site,family,address,secret\nannexe-02,annexe,coova,10.8.0.10,\n")
    yield f"routers import {world.folder}/routers.csv"
    yield "routers test lodge-01"
    yield "customers add 0733000222 --site lodge"
    yield from (f"customers {verb} {JANE}" for verb in ("search", "show", "why", "devices", "notices"))
    yield f"customers give {JANE} daily --reason x --approved-by otieno"
    yield f"customers block {JANE} --reason x"
    yield f"customers unblock {JANE} --reason x"
    yield f"customers bind {JANE} --pool homes --reason x"
    yield from ("customers list --site kilimani", "customers list --site lodge --day 2026-11-25")
    yield from ("sessions list", "sessions list --over 1MB", "sessions watch --rounds 1")
    yield from sessions(world)
    yield from money(world)
    yield from paper(world)
    yield from the_rest(world)


def sessions(world: World) -> Iterator[str]:
    session = str(world("sessions", "list", "--json").json()[0]["session"])
    yield from (f"sessions show {session}", f"sessions history --user {OTIENO}", "sessions history --site lodge")
    yield from (f"sessions {verb} {session} --reason x" for verb in ("slow", "refresh", "disconnect"))
    yield from ("pending", "waiting", "audit", "who-had 10.5.0.7 --at '2026-11-25 12:55' --site lodge --reason x")


def money(world: World) -> Iterator[str]:
    amina = world.registered("0700000009")
    paid, other = (world.buys(amina, "daily.1", f"TKP000000{n}", phone=f"070000000{n}") for n in (1, 2))
    yield from ("payments list", "payments list --site kilimani", "payments list --user 0700000009", "payments refunds")
    yield from (f"payments show {paid}", "payments reconcile", "payments register --reason x")
    for each, verb in ((paid, "approve"), (other, "refuse")):
        yield f"payments refund {each} --reason x"
        refund = str(world("payments", "refunds", "--json").json()[0]["refund"])
        yield f"payments {verb} {refund} --reason x --as otieno"
        yield f"payments refund-state {refund}"
    yield "payments claim TKP0000009 --to 0700000009 --reason x"
    yield f"payments attach TKP0000009 --to {paid} --reason x"
    (world.folder / "march.csv").write_text(
        "Receipt No.,Completion Time,Details,Transaction Status,Paid In,Withdrawn,Balance\n"
    )
    yield f"payments statement {world.folder}/march.csv --reason x"
    yield "customers export 0700000009"
    yield "customers erase 0700000009 --reason x"


def paper(world: World) -> Iterator[str]:
    yield "vouchers batch B1 --package daily --count 3 --holder mary --site kilimani"
    yield f"vouchers sheet B1 --out {world.folder}/b1.csv"
    yield from ("vouchers list", "vouchers list B1", "vouchers list B1 --state sold", "vouchers show B1-0001")
    yield from ("vouchers sell B1 B1-0001", "vouchers replace B1-0002 --reason x")
    yield "vouchers cancel B1-0003 --reason x"
    yield from ("sell daily", "close-day mary --counted 100 --handed-in 100 --reason x")
    yield from ("agents put duka-1 --commission 10", "agents list", "agents pay-in duka-1 500 --key k1")
    yield from ("agents pay-out duka-1 100 --key k2", "agents show duka-1")


def the_rest(world: World) -> Iterator[str]:
    yield from ("ledger account", "ledger account revenue:daily", "ledger check --from 2026-11-25", "ledger export")
    yield from (f"report {period} --day 2026-11-25" for period in ("daily", "weekly", "monthly"))
    yield from ("doctor", "ops daily", "ops weekly", "ops monthly", "backup list")
    yield from ("region show", "region freeze --reason x", "region open --reason x")
    yield "incident open Fibre --level 1 --site lodge"
    yield "incident list"
    incident = str(world("incident", "list", "--json").json()[0]["id"])
    yield from (
        f"incident {verb}"
        for verb in (
            f"show {incident}",
            f"ack {incident}",
            f"note {incident} x",
            f"resolve {incident} x",
            f"export {incident}",
        )
    )
    yield from (
        f"notify {what} --site lodge" for what in ("outage", "restored", "completion", "status Slow Polepole", "list")
    )
    yield "sites credit daily --since '2026-11-25 12:00' --until '2026-11-25 12:30' --site lodge --reason x"
    yield "notify announcement --site lodge --from 2026-11-28T02:00 --hours 2"
    yield from ("notify show x", "notify stop x --reason x", "notify resume x")


def test_no_command_reads_a_whole_table_while_somebody_waits(watched: World, proxy: StoreProxy) -> None:
    typed: set[tuple[str, ...]] = set()
    for line in script(watched):
        words = tuple(shlex.split(line))
        proxy.requests.clear()
        ran = watched(*words, yes=True)
        assert "Scan" not in {operation for operation, _ in proxy.requests}, line
        assert ran.code not in {Exit.AWAY, Exit.BROKEN}, (line, ran.err)
        assert (ran.code == Exit.USAGE) == line.startswith(REFUSED), (line, ran.err)
        typed |= {known for known, _ in COMMANDS if known == words[: len(known)]}
    assert typed == {words for words, _ in COMMANDS} - WHOLE_TABLES - ELSEWHERE


def test_what_reads_whole_tables_is_seen_here(watched: World, proxy: StoreProxy) -> None:
    there = (watched.folder / "settings.toml").read_text().replace('table_prefix = "', 'table_prefix = "o')
    (watched.folder / "there.toml").write_text(there)
    watched("migrate", "--to", str(watched.folder / "there.toml"))
    assert "Scan" in {operation for operation, _ in proxy.requests}


def asked(world: World, engine: Engine, proxy: StoreProxy, size: Size) -> dict[str, Counter[str]]:
    """How often each list asks for what, at a site of this size."""
    prefix = world.core.settings.table_prefix
    world.core.provision.site(Site(big_site.SITE))
    world.core.provision.terms(big_site.DAY)
    for router in big_site.routers():
        world.core.provision.router(router, SECRET)
    placed = [(table, records.attributes(item)) for table, item in big_site.items(size, world.clock.now)]
    for table in {name for name, _ in placed}:
        bulk.put(engine.port, prefix + table, (item for name, item in placed if name == table))
    found = {}
    for line in LISTS:
        proxy.requests.clear()
        few = () if line.startswith(UNLIMITED) else ("--limit", "5")
        ran = world(*line.format(today="2026-11-25").split(), "--site", big_site.SITE, *few)
        assert ran.code in {Exit.DONE, Exit.NOBODY}, (line, ran.err)
        found[line] = Counter(operation for operation, _ in proxy.requests)
    return found


def test_a_list_asks_no_more_at_a_site_four_times_as_large(
    engine: Engine, proxy: StoreProxy, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOOKED_MAX", LOOKED)
    small, large = (
        asked(world, engine, proxy, size)
        for size in SIZES
        for world in make(Engine(proxy.port), tmp_path_factory.mktemp("estate"))
    )
    assert {line: large[line] - small[line] for line in LISTS} == {line: Counter() for line in LISTS}
    assert max(each.total() for each in large.values()) <= REQUESTS_MAX


@pytest.mark.parametrize(
    "line",
    [
        "customers add 0711000010",
        "vouchers batch B3 --package daily --count 3 --holder mary",
        *("sessions list", "payments list", "vouchers list", "routers list", "packages list", "sites list"),
        *("report daily", "who-had 10.0.0.5 --at '2026-11-25 12:00' --reason x", "audit", "pending", "doctor"),
    ],
)
def test_a_site_that_is_not_there_is_no_quiet_place(town: World, line: str) -> None:
    before = town.deeds()
    ran = town(*shlex.split(line), "--site", "nosite", yes=True)
    assert (ran.code, ran.out) == (Exit.USAGE, "")
    assert ran.err.startswith("wifibilling: site: nosite is not known")
    assert town.deeds() == before


def test_with_the_store_away_what_needs_none_of_it_is_done_at_a_site(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> object:
        raise Unavailable("no answer")

    monkeypatch.setattr("radius.services.directory.Directory.refresh", away)
    assert world("customers", "search", JANE, "--site", "kilimani").code == Exit.NOBODY
