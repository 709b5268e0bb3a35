"""The installed site under a systemd that boots, in namespaces of this machine.

    sudo .venv/bin/python -P -m tests.boot FOLDER

FOLDER keeps the disk image that all commits share (Debian and packages: the first run takes some minutes and needs a
network); what is tested is the commit that is checked out. Needs debootstrap, caddy, loop devices and a cgroup2. The
story takes some minutes; the exit code is the verdict.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
INSIDE = "--inside"


def main() -> int:
    """Make the disk; then go on in a network of our own, so that nothing of the machine's is touched."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.boot", description="Boot the installed site, and cut its power."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--small", action="store_true", help="measure one core and 1 GB instead")
    parser.add_argument("--suite", default="bookworm", choices=("bookworm", "trixie"), help="Debian 12 or 13")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = given.folder.resolve()
    if given.inside:
        return inside(folder, small=given.small)
    missing = [
        name for name in ("debootstrap", "unshare", "nsenter", "mkfs.ext4", "ip", "caddy") if shutil.which(name) is None
    ]
    if os.geteuid() != 0 or missing:
        print(f"tests.boot: needs root, and: {', '.join(missing) or 'nothing else'}", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([HERE / "image.sh", folder, given.suite], check=True, stdin=subprocess.DEVNULL)
    again = [sys.executable, "-P", "-m", "tests.boot", str(folder), INSIDE, *(["--small"] if given.small else [])]
    return subprocess.run(["unshare", "--net", "--mount", *again], check=False).returncode


def inside(folder: Path, *, small: bool) -> int:
    """The story, in a network namespace that is ours."""
    from tests.boot.authority import Authority  # noqa: PLC0415 - what they import is not needed to make a disk
    from tests.boot.machine import Machine, NotSo, run  # noqa: PLC0415
    from tests.boot.small import measure  # noqa: PLC0415
    from tests.boot.story import play  # noqa: PLC0415

    run("ip", "link", "set", "lo", "up")
    run("cp", "--sparse=always", str(folder / "disk.ext4"), str(folder / "run.ext4"))
    authority = Authority(folder / "authority")
    machine = Machine(folder / "run.ext4", f"wifibilling-boot-{os.getpid()}")
    try:
        (measure if small else play)(machine, authority)
    except NotSo as why:
        print(f"tests.boot: NOT SO: {why}", file=sys.stderr)
        return 1
    finally:
        machine.remove()
        authority.stop()
    print("tests.boot: all is as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
