"""Played inside a namespace: hostapd on a wired port is the router, wpa_supplicant the customer, FreeRADIUS the server.

    ip netns exec NAMESPACE python -m tests.integration.hostapd_story FOLDER

hostapd authenticates the port by EAP, accounts for it, and obeys Disconnect-Requests (radius_das). Prints one JSON
object: what each request was answered, and what the accounting said.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from coa.codec import Code, Request
from coa.das import Das
from coa.families import WAYS
from coa.outcome import Acked, Answer, Nak, Silent, explain, meaning
from coa.pace import Pace
from coa.requests import Target, disconnect
from coa.sender import Sender
from radius.domain.nas import Family
from radius.rlm.vendors import CAPABILITIES
from tests.integration.freeradius_lab import StubLab

PORT, CABLE = "wbport", "wbcable"
SECRET = b"testing123"
WISPR = WAYS[Family.WISPR]
HOSTAPD = """
interface={port}
driver=wired
ieee8021x=1
eap_reauth_period=0
own_ip_addr=127.0.0.1
nas_identifier=wired-1
auth_server_addr=127.0.0.1
auth_server_port={auth}
auth_server_shared_secret=secret-a
acct_server_addr=127.0.0.1
acct_server_port={acct}
acct_server_shared_secret=secret-a
radius_das_port=3799
radius_das_client=127.0.0.1 testing123
radius_das_time_window=300
radius_das_require_event_timestamp=1
radius_das_require_message_authenticator=1
"""
SUPPLICANT = """
ctrl_interface={folder}/supplicant
ap_scan=0
network={{
    key_mgmt=IEEE8021X
    eap=MD5
    identity="good"
    password="secret"
    eapol_flags=0
}}
"""


@contextmanager
def running(folder: Path, name: str, *command: str) -> Iterator[None]:
    with (folder / f"{name}.out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def waited(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first truthy answer; whatever it says at last when the time is over."""
    deadline = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def accounting(lab: StubLab, status: str) -> list[dict[str, str]]:
    return [request for _, request in lab.calls("accounting") if request.get("Acct-Status-Type") == status]


class Story:
    """One port, one customer, cut again and again."""

    def __init__(self, lab: StubLab) -> None:
        self.lab = lab
        self.signed = Das("127.0.0.1", SECRET, message_authenticator=True, event_timestamp=True)

    def ask(self, das: Das, request: Request) -> Answer:
        sender = Sender(Pace(first_wait_s=0.5, total_s_max=1.0))  # a new one each time: two silences would end it all
        try:
            return sender.ask(das, request).result(30)
        finally:
            sender.close()

    def told(self, das: Das, request: Request) -> str:
        answer = self.ask(das, request)
        kind = {Acked: "ack", Nak: "nak", Silent: "silence"}.get(type(answer), "refused")
        cause = f" {answer.error_cause}" if isinstance(answer, Nak) else ""
        return f"{kind}{cause}"

    def play(self) -> dict[str, Any]:
        start = waited(lambda: accounting(self.lab, "Start"))[0]
        target = Target(
            acct_session_id=start["Acct-Session-Id"],
            user_name=start["User-Name"],
            device=start["Calling-Station-Id"],
            nas_name=start["NAS-Identifier"],
        )
        request = disconnect(target, WISPR, CAPABILITIES[Family.WISPR])
        assert isinstance(request, Request), request
        bare = Das("127.0.0.1", SECRET)
        named = request.attributes
        heard = {
            "start": dict(start),
            "unsigned": self.told(bare, request),
            "unstamped": self.told(Das("127.0.0.1", SECRET, message_authenticator=True), request),
            "wrong secret": self.told(
                Das("127.0.0.1", b"other", message_authenticator=True, event_timestamp=True), request
            ),
            "with address": self.told(self.signed, self.cut(*named, ("Framed-IP-Address", "10.0.0.5"))),
            "other router": self.told(self.signed, self.cut(*named[:2], ("NAS-Identifier", "wired-2"))),
            "other session": self.told(self.signed, self.cut(("Acct-Session-Id", "0000000000000000"), *named[1:])),
            "change": self.told(self.signed, Request(Code.COA_REQUEST, (*named, ("Session-Timeout", "60")))),
            "stops before": len(accounting(self.lab, "Stop")),
            "cut": self.told(self.signed, request),
        }
        stop = waited(lambda: accounting(self.lab, "Stop"))
        again = self.ask(self.signed, self.cut(("Acct-Session-Id", target.acct_session_id), *named[1:]))
        return heard | {
            "stop": dict(stop[0]) if stop else {},
            "again": meaning(Code.DISCONNECT_REQUEST, again, WISPR).verdict.value,
            "again in words": explain(Code.DISCONNECT_REQUEST, again, WISPR),
        }

    @staticmethod
    def cut(*attributes: tuple[str, str]) -> Request:
        return Request(Code.DISCONNECT_REQUEST, attributes)


def main(folder: Path) -> None:
    """Build it up, play, print, take it down."""
    for words in (
        ("link", "set", "lo", "up"),
        ("link", "add", PORT, "type", "veth", "peer", "name", CABLE),
        ("link", "set", PORT, "up"),
        ("link", "set", CABLE, "up"),
    ):
        subprocess.run(["ip", *words], check=True)
    with ExitStack() as stack:
        lab = stack.enter_context(StubLab(folder, listen_addresses=("127.0.0.1",)))
        config = folder / "hostapd.conf"
        config.write_text(HOSTAPD.format(port=PORT, auth=lab.port("A", "auth"), acct=lab.port("A", "acct")))
        supplicant = folder / "supplicant.conf"
        supplicant.write_text(SUPPLICANT.format(folder=folder))
        stack.enter_context(running(folder, "hostapd", "hostapd", "-d", str(config)))
        supplicant_command = ("wpa_supplicant", "-D", "wired", "-i", CABLE, "-c", str(supplicant))
        stack.enter_context(running(folder, "supplicant", *supplicant_command))
        print(json.dumps(Story(lab).play()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
