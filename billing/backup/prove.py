"""Whether a backup is worth anything: restored into an engine of its own, opened with its key, its books checked."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from billing.backup import archive
from billing.backup.archive import ALL_TABLES, Manifest
from billing.backup.scratch import engine
from billing.backup.snapshot import check_file, settle
from billing.domain.books import Finding
from billing.domain.journal import business_day
from billing.settings import load as load_selling
from billing.store.open import open_billing
from billing.wallet import ByHand
from billing.wiring import BillingSettings, build_billing
from radius import settings as settings_module
from radius.domain.errors import Corrupt
from radius.domain.identity import NasId
from radius.settings import Settings
from radius.store.copying import write_all
from radius.store.desk import make_client
from radius.wiring import BACKGROUND_DEADLINE_S, EMBEDDED_CREDENTIALS, Core, build_core

REQUEST_MS = 5_000  # nobody waits for it but us
LINES_AT_ONCE = 1_000


class Seen(NamedTuple):
    """Of tables that were restored. `unopened`: routers whose secret the key does not open."""

    routers: int
    unopened: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Whether what is restored from it serves, and balances."""
        return not self.unopened and not self.findings


class Proof(NamedTuple):
    """What was found; see `Seen`. `items`: of each table."""

    manifest: Manifest
    items: dict[str, int]
    routers: int
    unopened: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Whether a box restored from it serves, and balances."""
        return Seen(self.routers, self.unopened, self.findings).good


def prove(backup: BinaryIO, passphrase: bytes, settings: Settings, now: int) -> Proof:
    """Restore and check. `settings`: where the backup has none of its own. Raises Corrupt, Malformed or Unavailable."""
    with tempfile.TemporaryDirectory(prefix="wifibilling-proof-") as name:
        return unpack(backup, passphrase, Path(name), settings, now)


def unpack(backup: BinaryIO, passphrase: bytes, folder: Path, settings: Settings, now: int) -> Proof:
    """The same into an empty folder, where it stays; its `archive.STORE` is an engine's file then."""
    manifest = archive.read(backup, passphrase, folder)
    with _opened(folder, manifest, settings) as core:
        items = check_file(folder / archive.STORE)
        seen = look(core, load_selling(_settings_file(folder)).billing, max(manifest.at, now))
    settle(folder / archive.STORE)
    return Proof(manifest, items, *seen)


def look(core: Core, selling: BillingSettings, now: int) -> Seen:
    """Check the books of whole tables that nobody writes, and whether the key opens what is sealed in them."""
    billing = build_billing(core, selling, ByHand(), lambda _: None)
    last_day = business_day(now)
    found = billing.check.check(min(selling.first_day, last_day), last_day, now)
    core.directory.refresh(now, time.monotonic() + BACKGROUND_DEADLINE_S)
    routers = core.directory.all_routers()
    unopened = tuple(router.id for router in routers if not _opens(core, router.id))
    return Seen(len(routers), unopened, tuple(found))


@contextlib.contextmanager
def _opened(folder: Path, manifest: Manifest, settings: Settings) -> Iterator[Core]:
    """The core over an unpacked backup, in an engine of its own."""
    own = _settings_file(folder)
    told = settings_module.load(own) if own else settings
    store = folder / archive.STORE
    if store.exists():
        check_file(store)
    with engine(store) as url:
        changed = {
            "store_kind": "embedded", "store_endpoint": url, "state_dir": folder, "table_prefix": manifest.prefix,
            "key_ref": f"file:{folder / archive.KEY}", "request_deadline_ms": REQUEST_MS,
        }  # fmt: skip
        core = build_core(told.model_copy(update=changed))
        try:
            if manifest.kind != "embedded":
                _fill(core, folder, manifest.prefix, url)
            yield core
        finally:
            core.close()


def _opens(core: Core, router: NasId) -> bool:
    try:
        core.directory.secret(router)
    except Corrupt:
        return False
    return True


def _fill(core: Core, folder: Path, prefix: str, url: str) -> None:
    core.store.create_tables()
    open_billing(core.store).create_tables()
    client = make_client(url, "local", EMBEDDED_CREDENTIALS, timeout_s=30.0, connect_timeout_s=5.0, connections=2)
    try:
        for table in ALL_TABLES:
            with (folder / archive.TABLES / f"{table.name}.jsonl").open("rb") as lines:
                batch: list[dict[str, Any]] = []
                for line in lines:
                    batch.append(archive.of_line(line))
                    if len(batch) == LINES_AT_ONCE:
                        write_all(client, prefix + table.name, batch)
                        batch = []
                write_all(client, prefix + table.name, batch)
    finally:
        client.close()


def _settings_file(folder: Path) -> Path | None:
    """The backup's own settings; None where they were in the environment."""
    path = folder / archive.SETTINGS
    return path if path.exists() else None
