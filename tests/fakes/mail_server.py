"""An SMTP server over a real socket that misbehaves on purpose: each step may have an answer of its own.

Steps: connect, ehlo, starttls, auth, mail, rcpt, data, letter. A behaviour is a reply (``"550 no"``), or "drop" (cut),
"stall", "flood" (a reply without an end), "trickle" (byte for byte), "noise" (no SMTP).
"""

import socketserver
import ssl
import time
from contextlib import closing, suppress
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from threading import Thread

STALL_S = 1.6  # beyond the shortest deadline that settings allow
USUAL = {
    "connect": "220 here", "starttls": "220 go", "auth": "235 welcome", "mail": "250 ok", "rcpt": "250 ok",
    "data": "354 go on", "letter": "250 taken",
}  # fmt: skip


class MailServer:
    """The double. `features`: what it says it can; `letters`: what it took; `heard`: commands as they came."""

    def __init__(self, context: ssl.SSLContext | None = None, *, wrapped: bool = False) -> None:
        self.plan: dict[str, str] = {}
        self.features = ["STARTTLS", "AUTH PLAIN LOGIN"] if context and not wrapped else ["AUTH PLAIN LOGIN"]
        self.heard: list[str] = []
        self.letters: list[EmailMessage] = []
        double = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError), closing(Talk(self.request, context, wrapped=wrapped)) as talk:
                    double.talk(talk)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # `close` waits for them
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def talk(self, talk: "Talk") -> None:
        """One connection."""
        if not talk.say(self.plan.get("connect", USUAL["connect"])):
            return
        while line := talk.line():
            self.heard.append(line)
            step = line.partition(" ")[0].lower()
            if step == "ehlo":
                shown = "\r\n".join(["250-here", *(f"250-{each}" for each in self.features), "250 8BITMIME"])
            elif step in USUAL:
                shown = USUAL[step]
            else:
                shown = "221 bye"
            if not talk.say(self.plan.get(step, shown)) or step == "quit":
                return
            if step == "starttls" and self.plan.get(step, shown).startswith("220"):
                talk.secure()
            if step == "data" and self.plan.get(step, shown).startswith("354"):
                self.letters.append(message_from_bytes(talk.letter(), policy=SMTP))  # type: ignore[arg-type]
                if not talk.say(self.plan.get("letter", USUAL["letter"])):
                    return


class Talk:
    """The server's end of a connection."""

    def __init__(self, sock: socketserver.socket.socket, context: ssl.SSLContext | None, *, wrapped: bool) -> None:
        self._sock, self._context = sock, context
        self._read = self._sock.makefile("rb")
        if wrapped:
            self.secure()

    def close(self) -> None:
        self._read.close()
        self._sock.close()

    def secure(self) -> None:
        assert self._context
        self._read.close()
        self._sock = self._context.wrap_socket(self._sock, server_side=True)
        self._read = self._sock.makefile("rb")

    def line(self) -> str:
        return self._read.readline().decode().strip()

    def letter(self) -> bytes:
        whole = b""
        while (line := self._read.readline()) not in {b".\r\n", b""}:
            whole += line.removeprefix(b".")
        return whole

    def say(self, behaviour: str) -> bool:
        """False: there is no more to say."""
        if behaviour == "drop":
            self._sock.close()
            return False
        if behaviour == "stall":
            time.sleep(STALL_S)
            return False
        if behaviour == "noise":
            self._sock.sendall(b"\x00\xff HTTP/1.1 400\r\n")
            return False
        if behaviour == "flood":
            with suppress(OSError):
                for _ in range(100_000):
                    self._sock.sendall(b"250-more\r\n")
            return False
        if behaviour == "trickle":
            with suppress(OSError):
                for _ in range(int(STALL_S / 0.1)):
                    self._sock.sendall(b"2")
                    time.sleep(0.1)
            return False
        self._sock.sendall(f"{behaviour}\r\n".encode())
        return True
