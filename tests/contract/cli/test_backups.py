"""`backup` over an engine of its own: one instant of it, also under load; proven elsewhere; damage and loss are seen.

Takes some 6 s: each backup and each proof costs a scrypt of 0.25 s, and each proof starts an engine.
"""

import json
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from billing.backup import nightly
from billing.backup.archive import read
from billing.backup.snapshot import check_file, snapshot
from billing.cli.exits import Exit
from billing.cli.frame import Frame
from radius.domain.errors import Corrupt, Malformed, Unavailable
from radius.store.desk import make_client
from tests.contract.cli.conftest import make
from tests.contract.cli.isp import World
from tests.contract.values import soon
from tests.fakes.ports import free_port
from tests.fixtures_engine import CREDENTIALS, Engine, _wait_for_port, find_dynoxide

PASSPHRASE = "three words are not enough"
JANE = "0712345678"


@pytest.fixture(scope="module")
def own_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Path]]:
    """An engine whose file is known."""
    file, port = tmp_path_factory.mktemp("own") / "store.sqlite", free_port()
    command = [find_dynoxide(), "--db-path", str(file), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for_port(process, port)
        yield Engine(port), file
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def world(own_engine: tuple[Engine, Path], tmp_path: Path) -> Iterator[World]:
    """A town with a sale; its settings tell where backups go."""
    engine, file = own_engine
    for world in make(engine, tmp_path):
        (tmp_path / "passphrase").write_text(PASSPHRASE + "\n")
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "also").mkdir()
        (tmp_path / "also" / "mpesa.env").write_text("MPESA_SHORTCODE=600000\n")
        told = {
            "folder": str(tmp_path / "elsewhere"),
            "passphrase_ref": f"file:{tmp_path / 'passphrase'}",
            "keep": 2,
            "also": [str(tmp_path / "also")],
        }
        written = (tmp_path / "settings.toml").read_text()
        lines = [f'node_id = "box1"\nstore_file = "{file}"', written, "[backup]"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in told.items()]
        (tmp_path / "settings.toml").write_text("\n".join(lines))
        world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")
        world.buys(world.registered(JANE), "daily.1", "TKP0000001")
        yield world


def test_a_backup_is_proven_in_an_engine_of_its_own(world: World) -> None:
    assert world("backup", "list").code == Exit.NOT
    made = world("backup", "run", "--json").json()[0]
    assert Path(made["file"]).stat().st_mode & 0o777 == 0o600
    proof = world("backup", "verify", "--json")
    assert proof.code == Exit.DONE, proof
    found = proof.json()
    assert found["good"]
    assert (found["node"], found["routers"], found["file"]) == ("box1", 2, made["file"])
    assert sum(found["items"].values()) > 10
    assert "its books are right" in world("backup", "verify").out
    assert world("backup", "list").code == Exit.DONE
    assert not list(world.folder.glob("backup-*"))  # nothing in clear stays


def test_the_proof_finds_what_is_wrong_with_the_books_of_the_backup(world: World) -> None:
    prefix = world.core.settings.table_prefix
    world.core.store.engine.ask(soon(), "delete_item", TableName=f"{prefix}BillingTable", Key=_a_receipt(world))  # type: ignore[union-attr]
    world("backup", "run")
    proof = world("backup", "verify")
    assert proof.code == Exit.NOT
    assert "receipt" in proof.out.lower()


def _a_receipt(world: World) -> dict[str, Any]:
    table = f"{world.core.settings.table_prefix}BillingTable"
    items = world.core.store.engine.ask(soon(), "scan", TableName=table)["Items"]  # type: ignore[union-attr]
    return next({name: item[name] for name in ("pk", "sk")} for item in items if item["pk"]["S"].startswith("R#"))


def test_what_is_in_it(world: World, tmp_path: Path) -> None:
    (world.folder / "hub.key").write_text("the tunnels' key")
    made = world("backup", "run", "--json").json()[0]
    out = tmp_path / "out"
    out.mkdir()
    with Path(made["file"]).open("rb") as backup:
        manifest = read(backup, PASSPHRASE.encode(), out)
    assert (manifest.node, manifest.kind, manifest.at) == ("box1", "embedded", world.clock.now)
    assert (out / "data.key").read_bytes() == (world.folder / "data.key").read_bytes()
    assert (out / "data.key").stat().st_mode & 0o777 == 0o600
    assert (out / "settings.toml").read_text() == (world.folder / "settings.toml").read_text()
    assert (out / "hub.key").read_text() == "the tunnels' key"
    assert (out / f"also{world.folder}/also/mpesa.env").read_text() == "MPESA_SHORTCODE=600000\n"
    assert check_file(out / "store.sqlite")[f"{world.core.settings.table_prefix}UsersTable"] > 0


def test_a_damaged_one_and_another_passphrase_are_told(world: World) -> None:
    path = Path(world("backup", "run", "--json").json()[0]["file"])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert world("backup", "verify").code == Exit.BROKEN
    (world.folder / "passphrase").write_text("quite another passphrase\n")
    ran = world("backup", "verify", str(path))
    assert ran.code == Exit.BROKEN
    assert "another passphrase" in ran.err


def test_the_oldest_go_and_a_failure_is_remembered(world: World) -> None:
    for _ in range(3):
        world.clock.now += 86_400
        assert world("backup", "run").code == Exit.DONE
    assert len(world("backup", "list", "--json").json()) == 2
    good_at = world.clock.now
    (world.folder / "elsewhere").rename(world.folder / "unplugged")
    world.clock.now += 86_400
    assert world("backup", "run").code == Exit.USAGE
    last = nightly.noted(world.folder)
    assert last
    assert (last.at, last.good_at) == (world.clock.now, good_at)
    assert "cannot be written" in last.why


def test_without_a_table_of_settings_it_says_what_to_write(town: World) -> None:
    ran = town("backup", "run")
    assert ran.code == Exit.USAGE
    assert "passphrase_ref" in ran.err


def test_a_snapshot_under_load_is_of_one_instant(own_engine: tuple[Engine, Path], tmp_path: Path) -> None:
    """A writer moves shillings between two items of two tables, a transaction each: every snapshot has all of them."""
    engine, file = own_engine
    client = make_client(engine.url, "local", CREDENTIALS, timeout_s=5.0, connect_timeout_s=1.0, connections=2)
    for name in ("Purse", "Drawer"):
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
    moved, stop = [0], threading.Event()

    def move() -> None:
        while not stop.is_set():
            moved[0] += 1
            held = {"Purse": moved[0], "Drawer": 1_000_000 - moved[0]}
            client.transact_write_items(
                TransactItems=[
                    {"Put": {"TableName": name, "Item": {"pk": {"S": "kept"}, "cents": {"N": str(cents)}}}}
                    for name, cents in held.items()
                ]
            )

    writer = threading.Thread(target=move)
    writer.start()
    try:
        seen = set()
        until = time.monotonic() + 10
        while len(seen) < 5 and time.monotonic() < until:
            copy = tmp_path / f"{len(seen)}.sqlite"
            copy.unlink(missing_ok=True)
            snapshot(file, copy)
            purse, drawer = _cents(copy, "Purse"), _cents(copy, "Drawer")
            assert purse is None or purse + (drawer or 0) == 1_000_000
            seen.add(purse)
    finally:
        stop.set()
        writer.join()
        client.close()
    assert len(seen) == 5  # it went on writing meanwhile


def _cents(copy: Path, table: str) -> int | None:
    with sqlite3.connect(copy) as file:
        rows = file.execute(f"SELECT item_json FROM {table}").fetchall()
    return int(json.loads(rows[0][0])["cents"]["N"]) if rows else None


def test_a_file_that_is_none_of_the_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="is not there"):
        snapshot(tmp_path / "nothing", tmp_path / "copy")
    (tmp_path / "text").write_text("no tables here, but long enough to be looked at by SQLite as a header" * 20)
    with pytest.raises(Corrupt):
        check_file(tmp_path / "text")


def test_where_the_store_is_dynamodb_its_tables_are_exported_and_proven_the_same_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    path = world.folder / "settings.toml"
    path.write_text(f'store_kind = "dynamodb"\nregion = "eu-west-1"\n{path.read_text()}')
    world("backup", "run")
    proof = world("backup", "verify", "--json")
    assert (proof.code, proof.json()["routers"]) == (Exit.DONE, 2), proof
    table = f"{world.core.settings.table_prefix}BillingTable"
    held = world.core.store.engine.ask(soon(), "scan", TableName=table)["Count"]  # type: ignore[union-attr]
    assert proof.json()["items"][table] == held > 0


def test_a_backup_and_one_that_failed_are_in_the_audit(world: World) -> None:
    made = Path(world("backup", "run", "--reason", "before the update", "--json").json()[0]["file"])
    (world.folder / "passphrase").write_text("short")
    assert world("backup", "run").code != Exit.DONE
    lines = [deed for deed in world.deeds() if deed[1] == "backup run"]
    why = "failed: passphrase: must have 16 characters or more"
    assert sorted(lines) == sorted(
        [("mary", "backup run", made.name, "done"), ("mary", "backup run", str(made.parent), why)]
    )


def test_a_backup_is_made_also_where_the_audit_takes_no_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("no answer")

    monkeypatch.setattr(Frame, "noted_deed", away)
    ran = world("backup", "run")
    assert (ran.code, "no line of it" in ran.err) == (Exit.DONE, True)
