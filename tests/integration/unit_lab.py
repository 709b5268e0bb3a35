"""The commands of a site's units, started by hand in their order: no systemd runs where tests do."""

import re
import shlex
import subprocess
from pathlib import Path

from deploy.ports import Ports
from deploy.site import Site, first_settings, units
from tests.integration.box import clean_environment
from tests.integration.deploy_lab import ROOT, free_ports


class Boot:
    """Starts units' commands as systemd would, by hand."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.texts = units(site)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def command(self, name: str, key: str = "ExecStart") -> list[str]:
        found = re.search(rf"^{key}=(.*)$", self.texts[f"wifibilling-{name}.service"], re.MULTILINE)
        assert found
        return [word.replace("$$", "$") for word in shlex.split(found[1])]

    def run(self, name: str, key: str = "ExecStart") -> None:
        done = subprocess.run(
            self.command(name, key), env=_environment(), cwd=self.site.state, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, name: str) -> None:
        with (self.site.state.parent / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                self.command(name), env=_environment(), cwd=self.site.state, stdout=log, stderr=subprocess.STDOUT
            )

    def stop(self) -> dict[str, int]:
        codes = {}
        for name, process in reversed(self.running.items()):
            process.terminate()
            codes[name] = process.wait(30)
        return codes

    def start_store(self) -> None:
        """The engine, with its tables, and FreeRADIUS's configuration."""
        self.run("engine", "ExecStartPre")
        self.start("engine")
        self.run("engine", "ExecStartPost")
        self.prepare()

    def prepare(self) -> None:
        """As before each start."""
        command = [*self.command("prepare"), "--status-port", str(self.site.ports.status)]
        done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def lay_boot(folder: Path) -> Boot:
    """A site in a folder, with free ports and the operator's files as they are written first."""
    folders = {"state": folder / "state", "etc": folder / "etc", "backups": folder / "backups"}
    for each in folders.values():
        each.mkdir(mode=0o700)
    site = Site("wifi.example.net", ROOT, ports=Ports(**free_ports()), **folders)
    site.settings.write_text(first_settings(site))
    site.passphrase.write_text("three words are not enough\n")
    return Boot(site)


def _environment() -> dict[str, str]:
    return {**clean_environment(), "PYTHONUNBUFFERED": "1"}
