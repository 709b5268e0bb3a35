"""The smallest machine that README names: one core and 1 GB, the installed site booted in it, and what it carries.

Log-ins are whole sessions (Access-Request, Start, Interim, Stop, all of which write), by many routers' threads at once,
from outside. The load generator shares this machine's cores, so the figure is what one core answers at least.
"""

import threading
import time
from pathlib import Path

from tests.boot.authority import Authority
from tests.boot.machine import Machine, NotSo
from tests.boot.story import Site, first_day, say
from tests.fakes.nas import FakeRouter, NoAnswer
from tests.integration.box import new_mac

MEMORY_BYTES = 1 << 30
THREADS, SECONDS = 16, 30.0
PACKETS = 4  # of a session
INTERIM_S = 300  # between two reports of a session, by our router scripts
HIERARCHIES = Path("/sys/fs/cgroup")
NAME = "wifibilling-small"


def confine(*pids: int) -> None:
    """One core and 1 GB for these processes and all that they start."""
    if not (HIERARCHIES / "memory").is_dir():
        raise NotSo("this measure knows the first version of cgroups only (memory and cpu mounted apart)")
    for kind, file, value in (
        ("memory", "memory.limit_in_bytes", MEMORY_BYTES),
        ("cpu", "cpu.cfs_quota_us", 100_000),  # of a period of 100,000
    ):
        group = HIERARCHIES / kind / NAME
        group.mkdir(exist_ok=True)
        (group / file).write_text(str(value))
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))


def release() -> None:
    """Take the groups away."""
    for kind in ("memory", "cpu"):
        for folder in sorted((HIERARCHIES / kind / NAME).glob("**/"), reverse=True):
            folder.rmdir()


def sessions(router: FakeRouter, code: str, until: float, done: list[float]) -> None:
    """One customer after the other of one code, until then; each session's seconds."""
    mac = new_mac()
    while (began := time.monotonic()) < until:
        try:
            if not router.login(code, "", mac)[0]:
                continue
            router.start(mac)
            router.use(mac, 1_000, 10_000, 1)
            router.interim(mac)
            router.stop(mac)
        except NoAnswer:
            continue
        done.append(time.monotonic() - began)


def measure(machine: Machine, authority: Authority) -> None:
    """Boot it, sell codes, and count."""
    site, used = Site(machine, authority), HIERARCHIES / "memory" / NAME / "memory.max_usage_in_bytes"
    machine.boot(confine)
    try:
        first_day(site)
        codes = [site.sell() for _ in range(THREADS)]
        idle = int(used.read_text())
        done, until = list[float](), time.monotonic() + SECONDS
        threads = [
            threading.Thread(
                target=sessions,
                args=(site.router(timeout_s=5.0, _next_session=0x80000000 + 0x100000 * at), code, until, done),
            )
            for at, code in enumerate(codes)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        site.machine.run("systemctl", "start", "wifibilling-backup.service")
        site.machine.run("wifibilling", "backup", "verify")
        site.sound("the smallest machine")
        rate = len(done) / SECONDS
        say(f"one core, 1 GB: {rate:.0f} whole sessions a second, {rate * PACKETS:.0f} packets answered and written")
        say(f"... half of the sessions within {sorted(done)[len(done) // 2] * 1000:.0f} ms")
        say(f"... as many packets as {rate * PACKETS * INTERIM_S:,.0f} customers send who report each {INTERIM_S} s")
        say(f"... memory with page cache: {idle >> 20} MB installed, {int(used.read_text()) >> 20} MB at most")
    finally:
        machine.remove()
        release()
