"""The hotspot of a fake MikroTik over real HTTP: its log-in page, CHAP as RouterOS does it, status, log-out.

Whoever is not logged in gets `login.html`, which hands the device over to the portal by the contract of
`billing/portal/handover.py`; `/login` asks RADIUS with the browser's own CHAP response. One device stands before it.
"""

import os
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from billing.joining.texts import PORTAL_MARK, ROUTER_MARK, read_text
from tests.fakes.nas import FakeRouter, How, NoAnswer
from tests.fakes.servlet import servlet

WRONG = "web browser did not send challenge response (try again, enable JavaScript)"


class Hotspot:
    """`portal`: where its page hands over to. `mac`: of the device before it. `chap`: its login-by has http-chap."""

    def __init__(
        self, router: FakeRouter, portal: str, mac: str, ip: str = "10.5.50.9", *, chap: bool = True, port: int = 0
    ) -> None:
        self.router = router
        self.portal = portal
        self.mac = mac
        self.ip = ip
        self.chap = chap
        self.lost = False  # it forgets its challenge before each answer, as a slow customer sees it
        self.told: Callable[[str], object] = lambda _session: None
        self.logins: list[dict[str, str]] = []
        self._challenges: dict[str, tuple[bytes, bytes]] = {}
        hotspot = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(dict(parse_qsl(urlsplit(self.path).query)))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._answer(dict(parse_qsl(body)))

            def _answer(self, fields: dict[str, str]) -> None:
                status, body, to = hotspot.answer(urlsplit(self.path).path, fields)
                self.send_response(status)
                if to:
                    self.send_header("Location", to)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.host}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def online(self) -> bool:
        return self.mac in self.router.sessions

    def answer(self, path: str, fields: dict[str, str]) -> tuple[int, str, str]:
        """Status, page, and where to."""
        if path == "/login" and "username" in fields:
            return self._login(fields)
        if path == "/logout":
            if self.online:
                self.router.stop(self.mac)
            return 200, "<h1>Logged out</h1>", ""
        if path == "/favicon.ico":
            return 404, "", ""
        if path in ("/", "/status", "/login"):
            return 200, self.page(), ""
        return 302, "", f"{self.url}/login"

    def _login(self, fields: dict[str, str]) -> tuple[int, str, str]:
        self.logins.append(fields)
        name, password = fields["username"], fields["password"]
        chap = self._challenges.pop(self.mac, None) if self.chap else None
        if self.lost:
            self.lost, chap = False, (b"\0", os.urandom(16))
        if self.chap and (chap is None or len(password) != 32):
            return 200, self.page(WRONG), ""
        proof = (chap[0], bytes.fromhex(password), chap[1]) if chap else None
        try:
            more = {"Framed-IP-Address": self.ip}
            good, reply = self.router.login(name, password, self.mac, how=How.PAP, more=more, chap=proof)
        except NoAnswer:
            return 200, self.page("RADIUS server is not responding"), ""
        if not good:
            return 200, self.page(str(reply.get("Reply-Message", "invalid username or password"))), ""
        self.told(self.router.sessions[self.mac].session_id)
        self.router.start(self.mac)
        return 302, "", fields.get("dst") or f"{self.url}/status"

    def page(self, error: str = "") -> str:
        """login.html, or status.html of who is in: the pages that routers get."""
        said = {"mac": self.mac, "ip": self.ip, "error": error, "logged-in": "yes" if self.online else "no"}
        if self.online:
            said["link-logout"] = f"{self.url}/logout"
        else:
            said["link-login-only"] = f"{self.url}/login"
            if self.chap:
                chap = self._challenges[self.mac] = os.urandom(1), os.urandom(16)
                said["chap-id"], said["chap-challenge"] = (_octal(each) for each in chap)
        text = read_text(f"mikrotik/{'status' if self.online else 'login'}.html")
        return servlet(text.replace(PORTAL_MARK + ROUTER_MARK, self.portal), said)


def _octal(data: bytes) -> str:
    return "".join(f"\\{each:03o}" for each in data)
