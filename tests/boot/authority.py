"""An authority near the booted machine, that issues the certificate of its site: a caddy in the network out here."""

import shutil
import ssl
from pathlib import Path

import httpx

from tests.boot.machine import ADDRESS, GATEWAY, await_, run
from tests.integration.certificate_story import AUTHORITY, AUTHORITYS_FILE, NAME, Caddy

HOSTS = f"{ADDRESS} {NAME}\n{GATEWAY} {AUTHORITY}\n"


class Authority:
    """Runs until `stop`. `root`: whom it is known by."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        hosts, file = folder / "hosts", folder / "Caddyfile"
        hosts.write_text(f"127.0.0.1 localhost\n{HOSTS}")
        file.write_text(AUTHORITYS_FILE)
        run("mount", "--bind", str(hosts), "/etc/hosts")  # whoever boots the machine has mounts of its own
        self._caddy = Caddy(folder, file)
        self.root = self._caddy.storage / "pki/authorities/local/root.crt"
        await_(self.root.exists, "the authority has a root")

    def meets(self) -> bool:
        """Whether the portal answers by its public name, with a certificate of this authority."""
        try:
            context = ssl.create_default_context(cafile=str(self.root))
            return httpx.get(f"https://{NAME}/api/v1/health/live", verify=context, timeout=5).is_success
        except httpx.HTTPError:
            return False

    def shown(self) -> str:
        """The certificate that is shown now."""
        return ssl.get_server_certificate((NAME, 443))

    def stop(self) -> None:
        """It is away."""
        self._caddy.stop()
