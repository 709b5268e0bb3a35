"""A fake CoovaChilli over real HTTP: UAM as `redir.c` of 1.9 does it, with and without uamsecret.

Its redirect carries a challenge (and a checksum of the whole address where there is a secret); `/logon` asks RADIUS
with the response and with MD5(challenge, uamsecret) as CHAP-Challenge, identifier 0.
"""

import os
from hashlib import md5
from urllib.parse import urlencode

from tests.fakes.hotspot import Hotspot
from tests.fakes.nas import FakeRouter, How, NoAnswer


class Chilli(Hotspot):
    """`portal` is its uamserver."""

    def __init__(self, router: FakeRouter, portal: str, mac: str, secret: str = "") -> None:
        super().__init__(router, portal, mac, "10.1.0.9")
        self.secret = secret
        self._challenge = os.urandom(16)
        self.session = "65a10001"

    def answer(self, path: str, fields: dict[str, str]) -> tuple[int, str, str]:
        if path == "/logon":
            return 302, "", self.redirect(*self._logon(fields))
        if path == "/logoff":
            if self.online:
                self.router.stop(self.mac)
            return 302, "", self.redirect("logoff")
        return 302, "", self.redirect("already" if self.online else "notyet")

    def _logon(self, fields: dict[str, str]) -> tuple[str, str]:
        self.logins.append(fields)
        challenge = self._challenge
        if self.secret:
            challenge = md5(challenge + self.secret.encode(), usedforsecurity=False).digest()
        proof = (b"\0", bytes.fromhex(fields["response"]), challenge) if "response" in fields else None
        try:
            more = {"Framed-IP-Address": self.ip}
            name, password = fields["username"], fields.get("password", "")
            good, reply = self.router.login(name, password, self.mac, how=How.PAP, more=more, chap=proof)
        except NoAnswer:
            return "failed", ""
        if not good:
            return "failed", str(reply.get("Reply-Message", ""))
        self.router.start(self.mac)
        return "success", ""

    def redirect(self, result: str, reply: str = "") -> str:
        """Where it sends a browser; every log-in page is another challenge."""
        host, _, port = self.host.partition(":")
        said = {"res": result, "uamip": host, "uamport": port, "mac": self.mac.replace(":", "-"), "ip": self.ip}
        if result not in ("success", "already"):
            self._challenge = os.urandom(16)
            said["challenge"] = self._challenge.hex()
        if reply:
            said["reply"] = reply
        said |= {"nasid": self.router.identity, "sessionid": self.session, "userurl": "http://neverssl.com/"}
        url = f"{self.portal}?{urlencode(said)}"
        if self.secret:
            url += "&md=" + md5((url + self.secret).encode(), usedforsecurity=False).hexdigest().upper()
        return url
