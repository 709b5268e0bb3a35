"""deploy/update, in the new version: backs up, proves the backup with the new code, changes over, looks, and goes back.

Until the change-over the old version serves. What the new one cannot read is found before, because it restores the
backup and checks its books. Back means the old version on the same tables: changes of tables only add, and what was
paid in between stays. A backup is put back by a person (deploy/restore), never by this.
"""

import argparse
import http.client
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy import site as texts
from deploy.installing import Here, Machine, check
from deploy.options import ROOT
from deploy.refusal import Refusal, exit_code, say
from deploy.site import Site

SERVES_S_MAX = 60.0  # until everything answers; FreeRADIUS with its hooks takes some seconds
STEADY_S = 10.0  # and goes on answering: one that dies at its first round is no version to stay with
POLL_S = 0.5
COMMAND = Path("/usr/local/bin/wifibilling")
ANSWER_S = 3.0
PROCESSES = ("metrics_port", "worker_metrics_port", "coa_metrics_port", "portal_metrics_port", "billing_metrics_port")


def update(machine: Machine, new: Site, trouble: Callable[[], str]) -> None:
    """All steps. `trouble` says what does not serve after a change-over, "" for nothing.

    Raises Refusal: the old version serves then, unless the message says otherwise.
    """
    machine.run("systemctl", "start", "wifibilling-backup.service")
    prove = f"{new.python} -P -m billing.cli backup verify --settings {new.settings}"
    try:
        machine.run(*prove.split())
    except Refusal as refused:
        raise Refusal(f"nothing was changed: the new version does not read the backup: {refused}") from None
    before = {path: machine.read(path) for path in (*map(_unit, texts.units(new)), COMMAND)}
    _write(machine, {**{_unit(name): text for name, text in texts.units(new).items()}, COMMAND: texts.command(new)})
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", *(name for name in texts.units(new) if _is_of_the_target(name)))
    machine.run("systemctl", "restart", texts.TARGET)
    found = trouble()
    if not found:
        _relist(machine, new)
        return
    if added := [path.name for path, text in before.items() if text is None]:
        machine.run("systemctl", "disable", "--now", *added)
    _write(machine, {path: text for path, text in before.items() if text is not None})
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", texts.TARGET)
    still = trouble()
    then = f"and the old version does not serve either: {still}" if still else "the old version serves again"
    raise Refusal(f"{new.root} did not serve ({found}); {then}")


def _relist(machine: Machine, new: Site) -> None:
    """What an older version made is in no list that only the new one has. It serves without: it can be done later."""
    try:
        machine.run(*f"{new.python} -P -m billing.cli relist --settings {new.settings}".split())
    except Refusal as refused:
        say(f"lists may lack what is old, until `wifibilling relist` has run: {refused}")


def _unit(name: str) -> Path:
    return Path("/etc/systemd/system") / name


def _is_of_the_target(name: str) -> bool:
    """Those that every site has; whether there is a firewall was decided when it was installed."""
    return name.endswith(".service") and not name.endswith(("-firewall.service", "-backup.service"))


def _write(machine: Machine, files: Mapping[Path, str]) -> None:
    for path, text in files.items():
        machine.write(path, text, 0o755 if path == COMMAND else 0o644, "root")


def look(
    ports: dict[str, int], clock: Callable[[], float] = time.monotonic, pause: Callable[[float], None] = time.sleep
) -> str:
    """What does not answer within a minute, or not for some seconds on end; "" when everything serves."""
    until = clock() + SERVES_S_MAX
    steady_since: float | None = None
    while True:
        silent = [name for name, port in ports.items() if not answers(port)]
        now = clock()
        steady_since = None if silent else (steady_since if steady_since is not None else now)
        if steady_since is not None and now - steady_since >= STEADY_S:
            return ""
        if now > until:
            return f"no answer from {', '.join(silent)}" if silent else "it answers, and not for long"
        pause(POLL_S)


def answers(port: int) -> bool:
    """Whether a process of this box answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ports_of(settings: str) -> dict[str, int]:
    """Where the processes' metrics are, by the operator's settings; those that are told to listen are looked at."""
    told = tomllib.loads(settings)
    found = {name.removesuffix("_port").removesuffix("metrics").rstrip("_"): told.get(name, 0) for name in PROCESSES}
    return {name or "radius": port for name, port in found.items() if port}


def main() -> int:
    """Change over to the version that this is."""
    parser = argparse.ArgumentParser(prog="python -m deploy.updating")
    parser.add_argument("--old", type=Path, required=True, help="folder of the version that serves")
    given = parser.parse_args()
    machine = Here()
    new = Site("", ROOT)
    check(new)
    settings = machine.read(new.settings)
    if settings is None:
        raise Refusal(f"no {new.settings}: deploy/install makes the site that this brings up to date")
    ports = ports_of(settings)
    began = time.monotonic()
    update(machine, new, lambda: look(ports))
    say(f"{ROOT} serves ({time.monotonic() - began:.0f} s with backup and proof); {given.old} can be deleted")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
