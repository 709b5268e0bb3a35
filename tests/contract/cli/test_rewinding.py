"""Tables made again as they were at a second: they are checked, a drill leaves nothing, a rewind is fenced."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from billing.backup import rewind
from billing.backup.archive import ALL_TABLES
from billing.cli import frame, rewinding
from billing.cli.exits import Exit
from radius.domain.errors import Fenced
from radius.settings import load
from radius.wiring import build_core
from tests.contract.cli.isp import Ran, World
from tests.contract.values import change, name, soon
from tests.fakes.rewinding import Rewindable

JANE = "0712345678"
THEN = 1_000


class Site:
    """The world on DynamoDB, as of which seconds are remembered. `ask` runs a command over it."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        path = world.folder / "settings.toml"
        path.write_text(f'store_kind = "dynamodb"\nregion = "eu-west-1"\n{path.read_text()}')
        self.prefix = world.core.settings.table_prefix
        self.client = Rewindable(frame.client_of(load(path)), world.clock.now)
        for table in self.tables():
            self.client.made(table)
        monkeypatch.setattr(frame, "client_of", lambda _: self.client)
        self.waited: list[float] = []
        monkeypatch.setattr(rewinding.time, "sleep", self.waited.append)

    def tables(self, prefix: str = "") -> list[str]:
        return [(prefix or self.prefix) + table.name for table in ALL_TABLES]

    def pass_(self, seconds: int) -> int:
        """Time goes on, after what is held now was remembered; the second of that."""
        self.client.remember(*self.tables())
        at = self.client.now
        self.client.now += seconds
        self.world.clock.now += seconds
        return at

    def ask(self, *words: str, yes: bool = False) -> Ran:
        return self.world(*words, yes=yes)

    def held(self, prefix: str = "") -> set[str]:
        there = self.client.list_tables()["TableNames"]
        return {each for each in there if each.startswith(prefix or rewind.DRILL)}

    def write(self, version: int, prefix: str = "") -> None:
        """By a process that starts now."""
        settings = load(self.world.folder / "settings.toml")
        settings = settings.model_copy(update={"table_prefix": prefix or self.prefix})
        with closing(build_core(settings)) as core:
            core.store.subscribers.commit(change(name(1), version), soon())


@pytest.fixture
def site(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "local")
    world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")
    world.buys(world.registered(JANE), "daily.1", "TKP0000001")
    made = Site(world, monkeypatch)
    yield made
    made.client.refuses_to_delete = ""
    for table in made.held():
        made.client.delete_table(table)
    made.client._client.close()


def iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def test_what_can_be_restored_is_shown_and_what_cannot_is_an_error(site: Site) -> None:
    site.pass_(THEN)
    shown = site.ask("backup", "window", "--json")
    assert (shown.code, len(shown.json())) == (Exit.DONE, len(ALL_TABLES))
    site.client.recovering[site.tables()[0]] = False
    assert site.ask("backup", "window").code == Exit.NOT
    assert "no point-in-time recovery" in site.ask("backup", "drill").err
    site.client.recovering[site.tables()[0]] = True
    site.client.protected[site.tables()[0]] = False
    assert "NO" in site.ask("backup", "window").out


def test_a_drill_restores_checks_and_leaves_nothing_behind(site: Site) -> None:
    site.pass_(THEN)
    ran = site.ask("backup", "drill", "--json")
    assert ran.code == Exit.DONE, ran.err
    found: dict[str, Any] = ran.json()
    assert (ran.code, found["good"], found["routers"]) == (Exit.DONE, True, 2), ran.err
    assert sorted(site.client.deleted) == sorted(site.tables(found["prefix"]))
    assert site.held() == set()
    assert rewind.POLL_S in site.waited, "a restored table is not there at once"
    assert any(deed[1:] == ("backup drill", found["prefix"], "right") for deed in site.world.deeds())


def test_a_drill_finds_what_a_restore_caught_half_done(site: Site) -> None:
    """Each table is restored for itself: here the books come without what the sale gave."""
    table = f"{site.prefix}BillingTable"
    items = site.client.scan(TableName=table)["Items"]
    journal = next(item for item in items if item["pk"]["S"].startswith("J#"))
    site.client.delete_item(TableName=table, Key={key: journal[key] for key in ("pk", "sk")})
    site.pass_(THEN)
    ran = site.ask("backup", "drill", "--json")
    assert (ran.code, ran.json()["good"]) == (Exit.NOT, False)
    assert ran.json()["findings"]
    assert site.held() == set()


def test_a_drill_that_breaks_off_deletes_what_it_made_and_says_what_it_could_not(site: Site) -> None:
    site.pass_(THEN)
    site.client.refuses_to_delete = "ConfigTable"
    ran = site.ask("backup", "drill")
    assert (ran.code, "could not be deleted" in ran.err) == (Exit.NOT, True)
    assert {each.rpartition("-")[2] for each in site.held()} == {"ConfigTable"}
    again = site.ask("backup", "drill")  # in the same second: that table is there already
    assert (again.code, "restore_table_to_point_in_time" in again.err) == (Exit.AWAY, True)
    assert {each.rpartition("-")[2] for each in site.held()} == {"ConfigTable"}


def test_only_tables_of_a_drill_are_ever_deleted(site: Site) -> None:
    place = rewind.Place(site.client, site.prefix)
    with pytest.raises(rewind.Malformed, match="only tables whose prefix begins with drill-"):
        rewind.Rewind(place, "wifi-r1-", print).drop()
    with pytest.raises(rewind.Malformed, match="another prefix"):
        rewind.Rewind(place, site.prefix, print)
    assert site.client.deleted == []


def test_a_rewind_freezes_the_old_tables_and_opens_the_new_ones_as_they_were(site: Site) -> None:
    site.write(1)
    then = site.pass_(THEN)
    bought = site.world.buys(site.world.registered("0722000001"), "daily.1", "TKP0000002")
    site.pass_(THEN)
    to = f"{site.prefix}r1-"
    ran = site.ask("backup", "rewind", "--at", iso(then), "--to", to, "--reason", "a wrong import", yes=True)
    assert ran.code == Exit.DONE, ran.err
    assert f"ServingPrefix={to}" in ran.out
    with pytest.raises(Fenced):
        site.write(2)
    site.write(2, to)
    key = {"pk": {"S": f"P#{bought}"}, "sk": {"S": "-"}}
    assert "Item" in site.client.get_item(TableName=f"{site.prefix}BillingTable", Key=key), "nothing is deleted"
    assert "Item" not in site.client.get_item(TableName=f"{to}BillingTable", Key=key)
    for table in ALL_TABLES:
        assert site.client.recovering[to + table.name]
        assert site.client.protected[to + table.name]
        told = site.client.describe_time_to_live(TableName=to + table.name)["TimeToLiveDescription"]
        assert (told.get("TimeToLiveStatus") == "ENABLED") is bool(table.ttl)


def test_a_rewind_to_tables_that_are_not_right_opens_nothing(site: Site) -> None:
    table = f"{site.prefix}BillingTable"
    items = site.client.scan(TableName=table)["Items"]
    journal = next(item for item in items if item["pk"]["S"].startswith("J#"))
    site.client.delete_item(TableName=table, Key={key: journal[key] for key in ("pk", "sk")})
    site.write(1)
    then = site.pass_(THEN)
    to = f"{site.prefix}r1-"
    ran = site.ask("backup", "rewind", "--at", iso(then), "--to", to, "--reason", "a test", yes=True)
    assert (ran.code, "NOT opened" in ran.err, "ServingPrefix" in ran.out) == (Exit.NOT, True, False)
    assert site.ask("region", "show").code == Exit.NOT
    site.ask("region", "open", "--reason", "back to what was", yes=True)
    site.write(2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--at", "2026-11-25T14:05:00", "--to", "wifi-r1-"), "with its distance from UTC"),
        (("--at", "yesterday", "--to", "wifi-r1-"), "with its distance from UTC"),
        (("--at", iso(1_000), "--to", "wifi-r1-"), "can be restored from"),
        (("--at", iso(1_000), "--to", "drill-mine-"), "not begin with drill-"),
        (("--at", iso(1_000), "--to", "two words"), "letters, digits"),
    ],
)
def test_a_rewind_that_cannot_be_stops_nobody(site: Site, words: tuple[str, ...], said: str) -> None:
    site.pass_(THEN)
    ran = site.ask("backup", "rewind", *words, "--reason", "a test", yes=True)
    assert (ran.code, said in ran.err) == (Exit.USAGE, True), ran.err
    site.write(1)


def test_a_box_is_restored_otherwise(world: World) -> None:
    for command in ("window", "drill"):
        assert "backup verify" in world("backup", command).err
