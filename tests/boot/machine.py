"""A machine that boots: a disk image, its own systemd as process 1, a network cable to this namespace.

The cable ends in a switch (203.0.113.1, .7 a router, .8 a stranger) in the network namespace of whoever boots it;
`__main__` sees to it that it is none of the real machine's.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
ADDRESS, GATEWAY, ROUTER, STRANGER = "203.0.113.2", "203.0.113.1", "203.0.113.7", "203.0.113.8"
SWITCH = "switch"
PATIENCE_S = 120.0
REBOOTED, HALTED = -signal.SIGHUP, -signal.SIGINT
ENVIRONMENT = ("env", "-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")


class NotSo(Exception):
    """What was expected and did not come true."""


def await_(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> float:
    """Poll until true: the seconds it took. Raises NotSo with `what`."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > patience_s:
            raise NotSo(f"never happened in {patience_s:.0f} s: {what}")
        time.sleep(0.1)
    return time.monotonic() - began


def run(*command: str) -> str:
    """What a command printed. Raises NotSo."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotSo(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def cgroup_root() -> Path:
    """Where the kernel's second version of cgroups is mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise NotSo("no cgroup2 is mounted here")


class Machine:
    """One box. `disk` changes with every boot, as a disk does."""

    def __init__(self, disk: Path, name: str) -> None:
        self.disk = disk
        self.cgroup = cgroup_root() / name
        self.boots = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._init = 0

    def boot(self, confine: Callable[..., object] = lambda *_: None) -> None:
        """Power on, with the cable in. `confine` is given its processes before it begins."""
        self.boots += 1
        with (self.disk.parent / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                [HERE / "machine.sh", self.disk, self.cgroup],
                stdin=subprocess.PIPE, stdout=console, stderr=subprocess.STDOUT,
            )  # fmt: skip
        await_(self._child, "the machine's first process")
        self._cable()
        confine(self._process.pid, self._init)
        assert self._process.stdin
        self._process.stdin.write(b"\n")
        self._process.stdin.close()
        await_(lambda: Path(f"/proc/{self._init}/comm").read_text().strip() == "systemd", "systemd is process 1")

    def _child(self) -> int:
        assert self._process
        if self._process.poll() is not None:
            raise NotSo(f"it did not boot: {self.disk.parent / 'console.log'}")
        pid = self._process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except FileNotFoundError:
            children = []
        network = Path("/proc/self/ns/net").readlink()
        self._init = next((int(each) for each in children if Path(f"/proc/{each}/ns/net").readlink() != network), 0)
        return self._init

    def _cable(self) -> None:
        if self.boots == 1:  # addresses out here outlive the machine's end of the cable
            run("ip", "link", "add", SWITCH, "type", "bridge")
            for address in (GATEWAY, ROUTER, STRANGER):
                run("ip", "address", "add", f"{address}/24", "dev", SWITCH)
            run("ip", "link", "set", SWITCH, "up")
        outside = f"cable{self.boots}"
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", str(self._init))
        run("ip", "link", "set", outside, "master", SWITCH, "up")
        inside = ("nsenter", "-t", str(self._init), "-n", "ip")
        run(*inside, "address", "add", f"{ADDRESS}/24", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")
        run(*inside, "route", "add", "default", "via", GATEWAY)

    # -- at its terminal ---------------------------------------------------------------------------------------

    def command(self, *words: str) -> list[str]:
        """What runs these words in there, as root."""
        return ["nsenter", "-t", str(self._init), "-p", "-m", "-u", "-i", "-C", "-n", "--", *ENVIRONMENT, *words]

    def run(self, *words: str) -> str:
        """What a command in there printed. Raises NotSo."""
        return run(*self.command(*words))

    def failed(self) -> str:
        """Units that failed, or are being started again and again; "" for none."""
        names = self.run("systemctl", "list-units", "--failed", "--plain", "--no-legend").split("\n")
        said = self.run("systemctl", "show", "-p", "Id,NRestarts", "wifibilling-*.service").split("\n\n")
        again = [each for each in said if "NRestarts=" in each and "NRestarts=0" not in each.split("\n")]
        return "; ".join(" ".join(each.split()) for each in (*names, *again) if each)

    # -- ways to end -------------------------------------------------------------------------------------------

    def wait(self) -> int:
        """Until it is off: REBOOTED, HALTED, or what else ended it."""
        assert self._process
        return self._process.wait(PATIENCE_S)

    def cut_power(self, image: Path) -> None:
        """All processes stop at one instant; the disk's image is what had reached the disk by then.

        What the kernel of the machine still held (dirty pages) is not in it. A disk's own volatile cache is not
        played: what was written, and not yet flushed, is there. The next boot is from that image.
        """
        (self.cgroup / "cgroup.freeze").write_text("1")
        await_(lambda: "frozen 1" in (self.cgroup / "cgroup.events").read_text(), "everything stands still")
        while True:
            before = self._written()
            run("cp", "--sparse=always", str(self.disk), str(image))
            if self._written() == before:  # else the kernel wrote back meanwhile, and the copy is of no one instant
                break
        assert self._process
        self._process.kill()
        (self.cgroup / "cgroup.kill").write_text("1")
        (self.cgroup / "cgroup.freeze").write_text("0")
        self.wait()
        self.disk = image

    def _written(self) -> str:
        """How much the machine's file system wrote so far."""
        for loop in Path("/sys/block").glob("loop*/loop/backing_file"):
            if loop.read_text().strip() == str(self.disk):
                return (loop.parents[1] / "stat").read_text().split()[6]
        raise NotSo("the machine's disk is not there")

    def remove(self) -> None:
        """Off, whatever it does; its groups of processes are taken away."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
        events = self.cgroup / "cgroup.events"
        await_(lambda: not events.exists() or "populated 0" in events.read_text(), "nothing of it runs any more")
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            Path(folder).rmdir()
