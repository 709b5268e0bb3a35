"""One site's life: installed, booted, brought up to date, and cut off from its power under load. Raises NotSo."""

import csv
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from deploy.updating import PROCESSES
from tests.boot.authority import HOSTS, Authority
from tests.boot.machine import ADDRESS, HALTED, REBOOTED, ROUTER, STRANGER, Machine, NotSo, await_
from tests.fakes.nas import FakeRouter, NoAnswer
from tests.integration.certificate_story import DIRECTORY, NAME
from tests.integration.load import Evening, beside, running, served_since

SITE, NAS = "kilimani", "kilimani-01"
INTERRUPTION_S_MAX = 30.0  # of log-ins, by an update
CUSTOMERS, SELLERS = 12, 2
SALES_MIN = 3  # before a power cut, however slow the machine: one takes seconds there
LOAD_S = 5.0


def say(text: str) -> None:
    """One line of the story."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


@dataclass
class Site:
    """The installed site as its operator, its router and its customers meet it."""

    machine: Machine
    authority: Authority
    secret: str = ""
    certificate: str = ""  # as it was issued
    codes: list[str] = field(default_factory=list)  # sold, and paid for: each was acknowledged

    def operate(self, *words: str) -> Any:
        """One `wifibilling` command, its document."""
        return json.loads(self.machine.run("wifibilling", *words, "--yes", "--json"))

    def install(self) -> None:
        """As README says it."""
        files = f"printf %s '{HOSTS}' >>/etc/hosts; printf %s '{self.authority.root.read_text()}' >/root/acme.pem"
        authority = f"--acme-ca {DIRECTORY} --acme-root /root/acme.pem"
        words = f"deploy/install --domain {NAME} {authority} --radius-from {ROUTER}/32"
        self.machine.run("bash", "-c", f"{files}; cd /opt/wifibilling && {words}")
        took = await_(self.serves, "everything serves after the installation")
        say(f"installed; everything answers after {took:.0f} s")
        await_(self.authority.meets, "the portal answers by its name")
        self.certificate = self.authority.shown()
        look = f"from billing.cli import callbacks; assert callbacks.answers('https://{NAME}').good"
        self.machine.run("/opt/wifibilling/.venv/bin/python", "-P", "-c", look)
        say("its certificate is issued; the portal answers by its name, to the machine itself, too")

    def stock(self) -> None:
        """A place, a router, something to sell."""
        self.operate("sites", "add", SITE)
        words = ("--site", SITE, "--family", "mikrotik", "--address", ROUTER)
        self.secret = self.operate("routers", "add", NAS, *words)["secret"]
        self.operate("packages", "add", "day", "--name", "Day", "--price", "50", "--lasts", "1d", "--data", "1000GB")

    def sell(self) -> str:
        """A code; what it was paid is in the books."""
        code = str(self.operate("sell", "day", "--site", SITE)["code"])
        self.codes.append(code)
        return code

    def router(self, address: str = ROUTER, **how: Any) -> FakeRouter:
        """A fake one, in this namespace."""
        return FakeRouter(self.secret.encode(), NAS, server=ADDRESS, address=address, **{"tries": 1, **how})

    def serves(self) -> bool:
        """Whether every process answers, and systemd has nothing to complain of."""
        try:
            for port in PROCESSES:
                self.machine.run("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{self._port(port)}")
        except NotSo:
            return False
        return self.machine.run("systemctl", "is-active", "wifibilling.target").strip() == "active"

    def _port(self, name: str) -> int:
        text = self.machine.run("sed", "-n", rf"s/^{name} = \([0-9]*\)$/\1/p", "/etc/wifibilling/settings.toml")
        return int(text)

    def lets_in(self, code: str, router: FakeRouter | None = None) -> bool:
        """Whether a log-in with a code is accepted now; False too for silence."""
        try:
            return (router or self.router(timeout_s=1.0)).login(code, "", _mac(code))[0]
        except (NoAnswer, OSError):
            return False

    def sound(self, what: str) -> None:
        """No unit failed or was restarted; the books are right; doctor is content with what must work here."""
        if found := self.machine.failed():
            raise NotSo(f"{what}: {found}")
        self.machine.run("wifibilling", "ledger", "check")


def _mac(code: str) -> str:
    return "02:" + ":".join(f"{byte:02X}" for byte in code.encode()[-5:])


# -- the chapters ------------------------------------------------------------------------------------------------------


def first_day(site: Site) -> None:
    """Installed, a customer logs in; nobody else is heard."""
    site.install()
    site.stock()
    code = site.sell()
    await_(lambda: site.lets_in(code), "a customer with a code is let in")
    if site.lets_in(code, site.router(STRANGER, timeout_s=1.0)):
        raise NotSo("the firewall let a stranger ask for a log-in")
    site.sound("installed")
    say("a customer with a code is online; an address without a name gets silence")


def boots_again(site: Site, how: str) -> None:
    """By the machine's own command."""
    site.machine.run("systemctl", how)
    ended = site.machine.wait()
    if ended != {"reboot": REBOOTED, "poweroff": HALTED}[how]:
        raise NotSo(f"{how} ended with {ended}")
    began = time.monotonic()
    site.machine.boot()
    await_(lambda: site.lets_in(site.codes[0]), "the customer is let in after it")
    took = time.monotonic() - began
    await_(site.serves, "everything serves after it")
    site.sound(how)
    say(f"{how}: log-ins are answered {took:.1f} s after the start of systemd")


@contextmanager
def asking(site: Site) -> Iterator[Callable[[], float]]:
    """Log-ins all the time; yields what tells the longest time without an Accept, in seconds."""
    stop, gaps, last = threading.Event(), [0.0], [time.monotonic()]

    def ask() -> None:
        router = site.router(timeout_s=0.5)
        while not stop.wait(0.05):
            good, now = site.lets_in(site.codes[0], router), time.monotonic()
            if good:
                gaps.append(now - last[0])
                last[0] = now

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield lambda: max(*gaps, time.monotonic() - last[0])
    finally:
        stop.set()
        thread.join()


def is_updated(site: Site) -> None:
    """To a version that serves, then to one that does not: which goes back by itself."""
    for name, expected in (("good", 0), ("bad", 1)):
        before = _serving(site)
        with asking(site) as longest:
            code, said = _update(site, name)
            gap = longest()
        if code != expected or (_serving(site) == before) != (name == "bad"):
            raise NotSo(f"the update to {name} ended with {code}, {_serving(site)} serves:\n{said}")
        if gap > INTERRUPTION_S_MAX * (1 if name == "good" else 2):
            raise NotSo(f"log-ins waited {gap:.0f} s in the update to {name}")
        await_(site.serves, f"everything serves after the update to {name}")
        site.machine.run("wifibilling", "ledger", "check")
        say(f"update to {name}: {said.strip().splitlines()[-1]}; the longest time without a log-in: {gap:.1f} s")


def _update(site: Site, name: str) -> tuple[int, str]:
    words = f"cd /opt/wifibilling && deploy/update origin/{name} 2>&1; echo code $?"
    said = site.machine.run("bash", "-c", words)
    text, _, code = said.rpartition("code ")
    return int(code), text


def _serving(site: Site) -> str:
    return site.machine.run("grep", "^ExecStart=", "/etc/systemd/system/wifibilling-engine.service").strip()


def loses_power(site: Site, customers: list[Evening], number: int, *, store: bool) -> list[int]:
    """Under load, then boots from what had reached the disk: bytes of each customer that the disk never got.

    `store`: else the engine is stopped before, while codes are being sold, and packets wait in the spool, which
    FreeRADIUS does not fsync (DESIGN, invariant 2). With it nothing may be missing; a sale never.
    """
    sold_before = len(site.codes)
    with running(customers), selling(site):
        await_(partial(served_since, customers, time.monotonic()), "all are served")
        await_(lambda: len(site.codes) >= sold_before + SALES_MIN, "codes are sold meanwhile")
        if not store:
            site.machine.run("systemctl", "stop", "wifibilling-engine.service")
        time.sleep(LOAD_S)
        site.machine.cut_power(site.machine.disk.with_name(f"cut{number}.ext4"))
    began = time.monotonic()
    site.machine.boot()
    await_(lambda: site.lets_in(site.codes[0]), "log-ins are answered after the power cut")
    took = time.monotonic() - began
    await_(site.serves, "everything serves after the power cut")
    await_(lambda: not site.operate("waiting"), "the worker plays the spool back")
    site.sound("after the power cut")
    missing = []
    for one in customers:
        (least, most), used = one.owed(), charged(site, one)
        missing.append(max(0, least - used))
        if used > most or (store and missing[-1]):
            raise NotSo(f"{used} bytes are charged, of {least} acknowledged and {most} said")
    sold = site.codes[sold_before:]
    if refused := [code for code in sold if not site.lets_in(code)]:
        raise NotSo(f"{len(refused)} codes that were sold are refused")
    what = "the store at work" if store else "the store stopped, packets on disk"
    logins = sum(one.logins for one in customers)
    say(f"power cut {number} under load, {what}: log-ins are answered {took:.1f} s after the start of systemd")
    say(f"... {len(sold)} sales meanwhile, {logins} log-ins so far; the books are right, every sale is there")
    lost = f"{sum(missing)} bytes of {sum(map(bool, missing))} of {CUSTOMERS} customers"
    say(f"... acknowledged and not on the disk: {lost}")
    return missing


@contextmanager
def selling(site: Site) -> Iterator[None]:
    """Codes are sold all the time; one whose command did not come back is nobody's promise."""
    stop = threading.Event()

    def sell() -> None:
        while not stop.is_set():
            try:
                site.sell()
            except (NotSo, ValueError):
                stop.wait(0.5)

    with beside([sell] * SELLERS, stop):
        yield


def charged(site: Site, one: Evening) -> int:
    """What the books of usage say of a customer's code."""
    return sum(right["used_bytes"] for right in site.operate("customers", "show", one.phone)["packages"])


def regulars(site: Site) -> list[Evening]:
    """Customers with vouchers of one batch, each at a router's thread of its own."""
    words = ("--package", "day", "--count", str(CUSTOMERS), "--holder", "mary", "--site", SITE)
    site.operate("vouchers", "batch", "B1", *words)
    site.operate("vouchers", "sheet", "B1", "--out", "/root/b1.csv")
    rows = csv.DictReader(io.StringIO(site.machine.run("cat", "/root/b1.csv")))
    codes = [row["code"] for row in rows]
    return [
        Evening(code, site.router(timeout_s=1.0, _next_session=0x80000000 + 0x100000 * at), at, "")
        for at, code in enumerate(codes)
    ]


def ends_well(site: Site, customers: list[Evening], missing: list[int]) -> None:
    """Everybody is served once more and logs out: every byte was charged once, but for what no disk ever had."""
    with running(customers):
        await_(partial(served_since, customers, time.monotonic()), "all are served again")
    for one, lost in zip(customers, missing, strict=True):
        one.finish(5.0)
        (least, most), used = one.owed(), charged(site, one)
        if not least - lost <= used <= most:
            raise NotSo(f"{used} bytes are charged in the end, of {least} acknowledged and {lost} lost")
    site.machine.run("systemctl", "start", "wifibilling-backup.service")
    site.machine.run("wifibilling", "backup", "verify")
    say("all bytes of all customers are charged once; a backup is made and proven")
    await_(site.authority.meets, "the portal answers by its name after all")
    if site.authority.shown() != site.certificate:
        raise NotSo("a certificate was issued again")
    say("the certificate is the first one: reboots and power cuts ask for no other")


def play(machine: Machine, authority: Authority) -> None:
    """The whole of it."""
    site = Site(machine, authority)
    machine.boot()
    first_day(site)
    boots_again(site, "reboot")
    boots_again(site, "poweroff")
    is_updated(site)
    customers = regulars(site)
    loses_power(site, customers, 1, store=True)
    missing = loses_power(site, customers, 2, store=False)
    ends_well(site, customers, missing)
