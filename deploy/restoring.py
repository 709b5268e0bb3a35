"""deploy/restore: the state folder of a box, made again from its backup, after the backup was proven.

Nothing is overwritten: a folder that holds tables or a key is refused, and of the files outside (`also` of the backup's
settings) those that are there stay. The books are checked before anything is put into its place.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from deploy.options import ROOT, STATE_VARIABLE, check_path
from deploy.refusal import Refusal, exit_code, say
from deploy.site import Site
from deploy.state import State

if TYPE_CHECKING:
    from billing.backup.prove import Proof


class Wanted(NamedTuple):
    """What was asked for. `outside`: below which folder files of `also` go; `/` but for tests."""

    backup: Path
    passphrase: Path
    state: Path
    outside: Path = Path("/")


def parse(arguments: Sequence[str]) -> Wanted:
    """Read the command line. Raises Refusal for a path that FreeRADIUS could not read."""
    parser = argparse.ArgumentParser(
        prog="deploy/restore", description="Make a box again from its backup, on this machine."
    )
    default = os.environ.get(STATE_VARIABLE) or ROOT / "deploy" / ".state"
    parser.add_argument("backup", type=Path, metavar="BACKUP", help="the file that 'wifibilling backup run' wrote")
    parser.add_argument("--passphrase-file", type=Path, required=True, metavar="FILE", help="its passphrase, on a line")
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(default),
        metavar="FOLDER",
        help=f"the new state folder (default {default}; of a box that deploy/install made: /var/lib/wifibilling)",
    )
    given = parser.parse_args(arguments)
    check_path(given.state.resolve())
    return Wanted(given.backup.resolve(), given.passphrase_file.resolve(), given.state.resolve())


def restore(wanted: Wanted, now: int) -> "Proof":
    """Prove the backup and put it into place. Raises Refusal; the state folder is then as it was."""
    from billing.backup.prove import unpack  # noqa: PLC0415 - --help needs no .venv
    from billing.backup.settings import read_passphrase  # noqa: PLC0415
    from radius.domain.errors import RadiusError  # noqa: PLC0415
    from radius.settings import Settings  # noqa: PLC0415

    state = State(wanted.state)
    for path in (state.engine_file, state.key_file):
        if path.exists():
            raise Refusal(f"{path} is there already: a box is restored into a folder of its own (--state)")
    made = not wanted.state.exists()
    claim = state.claim()
    try:
        state.make()
        with tempfile.TemporaryDirectory(dir=wanted.state, prefix="restoring-") as name:
            try:
                with wanted.backup.open("rb") as backup:
                    proof = unpack(backup, read_passphrase(wanted.passphrase), Path(name), Settings(), now)
            except RadiusError as bad:
                raise Refusal(str(bad)) from None
            _put(Path(name), state, wanted.outside)
    except BaseException:
        if made:
            shutil.rmtree(wanted.state, ignore_errors=True)
        raise
    finally:
        os.close(claim)
    return proof


def _put(unpacked: Path, state: State, outside: Path) -> None:
    """The key last: a folder with a key is one that was restored whole."""
    for name, target in (
        ("store.sqlite", state.engine_file),
        ("settings.toml", state.settings_file),
        ("hub.key", state.folder / "hub.key"),
        ("hub.pub", state.folder / "hub.pub"),
        ("certs", state.radius_folder / "certs"),
    ):
        if (unpacked / name).exists():
            (unpacked / name).rename(target)
    for source in _files(unpacked / "also"):
        target = outside / source.relative_to(unpacked / "also")
        if target.exists():
            say(f"{target} is there already and stays as it is")
            continue
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        shutil.copy2(source, target)
    os.sync()
    (unpacked / "data.key").rename(state.key_file)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def give(folder: Path) -> None:
    """As root: everything to the user that the servers run as."""
    from deploy import box  # noqa: PLC0415 - --help needs no .venv

    if os.geteuid() == 0:
        box.give_away(folder)


def tell(proof: "Proof", wanted: Wanted) -> None:
    """What was restored, and what comes next."""
    made = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(proof.manifest.at))
    say(f"restored into {wanted.state}: {sum(proof.items.values())} records, {proof.routers} routers, of {made}")
    for finding in proof.findings:
        say(f"ledger check: {finding.rule.value}: {finding.what}: {finding.text}")
    for router in proof.unopened:
        say(f"the secret of router {router} does not open with the key of this backup")
    if proof.good:
        say("the books are right, and the key opens every router's secret")
    stays = wanted.state == Site("", ROOT).state
    say("next: deploy/install --domain NAME" if stays else f"next: deploy/run --state {wanted.state}")


def main() -> int:
    """Restore what the command line names; 1 where the books are not right (everything is in place all the same)."""
    wanted = parse(sys.argv[1:])
    for name in [name for name in os.environ if name.startswith("WIFIBILLING_")]:
        os.environ.pop(name)  # of another box than the one in the backup
    proof = restore(wanted, int(time.time()))
    give(wanted.state)
    tell(proof, wanted)
    return 0 if proof.good else 1


if __name__ == "__main__":
    sys.exit(exit_code(main))
