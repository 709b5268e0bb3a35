"""SMTP (RFC 5321), one connection a letter, with one deadline for all of it. It never logs.

What goes wrong before the letter itself was sent is a refusal; after that, without the server's word, nobody knows.
"""

import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, make_msgid

from billing.mail.port import Mail
from billing.mail.settings import MailSettings
from billing.sms.port import Outcome, Reason, Refused, Sent, Unknown
from radius.domain.calendar import local
from radius.domain.entitlement import ZONE_DEFAULT

LINES_MAX = 100  # of a server's replies; a letter takes some thirty
LINE_BYTES_MAX = 1_024
DONE, BUSY_FROM, FAILED_FROM = 250, 400, 500


class Smtp:
    """A `Mailer`. Threads may share it."""

    def __init__(
        self,
        settings: MailSettings,
        password: str,
        name: str,
        clock: Callable[[], float] = time.time,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """`name`: who letters come from, as shown; `clock`: UTC seconds; `context`: whom to trust, None: the usual."""
        self._settings = settings
        self._password = password
        self._name = name
        self._clock = clock
        self._context = context or ssl.create_default_context()

    def send(self, mail: Mail) -> Outcome:
        """Hand it in, once."""
        until = time.monotonic() + self._settings.deadline_s
        try:
            server = self._open(until)
        except smtplib.SMTPAuthenticationError as bad:
            return _refused(bad.smtp_code, Reason.ACCOUNT)
        except smtplib.SMTPNotSupportedError:  # no STARTTLS, no AUTH: what is set does not fit the server
            return Refused(Reason.ACCOUNT)
        except smtplib.SMTPResponseException as bad:
            return _refused(bad.smtp_code, Reason.REJECTED)
        except (OSError, smtplib.SMTPException):
            return Refused(Reason.NETWORK, retryable=True)
        try:
            return self._hand_in(server, mail)
        finally:
            with suppress(OSError, smtplib.SMTPException):
                server.putcmd("quit")
            server.close()

    def _open(self, until: float) -> "_Server":
        """A connection that may take letters; closed if it may not."""
        chosen = self._settings
        server = _Server(chosen, until, self._context)
        try:
            server.ehlo_or_helo_if_needed()
            if chosen.security == "starttls":
                server.starttls(context=self._context)
                server.ehlo_or_helo_if_needed()
            if chosen.user:
                server.login(chosen.user, self._password)
        except BaseException:
            server.close()
            raise
        return server

    def _hand_in(self, server: "_Server", mail: Mail) -> Outcome:
        letter = self._letter(mail)
        try:
            for (code, _), reason in (
                (server.mail(self._settings.sender), Reason.REJECTED),
                (server.rcpt(mail.to), Reason.ADDRESS),
            ):
                if code >= BUSY_FROM:
                    return _refused(code, reason)
        except (OSError, smtplib.SMTPException):
            return Refused(Reason.NETWORK, retryable=True)
        try:
            code, _ = server.data(letter.as_bytes(policy=SMTP))
        except smtplib.SMTPDataError as bad:  # it does not want to hear it
            return _refused(bad.smtp_code, Reason.REJECTED)
        except (OSError, smtplib.SMTPException):
            return Unknown()
        if code == DONE:
            return Sent(str(letter["Message-ID"]))
        return _refused(code, Reason.REJECTED) if code >= BUSY_FROM else Unknown()

    def _letter(self, mail: Mail) -> EmailMessage:
        letter = EmailMessage()
        letter["From"] = formataddr((self._name, self._settings.sender))
        letter["To"] = mail.to
        letter["Subject"] = mail.subject
        letter["Date"] = format_datetime(local(int(self._clock()), ZONE_DEFAULT))
        letter["Message-ID"] = make_msgid(domain=self._settings.sender.partition("@")[2])
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine answers it
        letter.set_content(mail.text, cte="quoted-printable")  # not every server takes eight bits
        return letter


def _refused(code: int, reason: Reason) -> Refused:
    """What a reply of the server's means; 4xx is for now."""
    return Refused(reason) if code >= FAILED_FROM else Refused(Reason.BUSY, retryable=True)


class _Server(smtplib.SMTP):
    """A connection whose replies end: by one deadline for all of them, and by their number."""

    def __init__(self, settings: MailSettings, until: float, context: ssl.SSLContext) -> None:
        """Connects; raises as `smtplib` does."""
        self._until = until
        self._wrap = context if settings.security == "tls" else None
        self._lines = 0
        name = settings.sender.partition("@")[2]  # looking for our own would wait for some name server
        super().__init__(settings.host, settings.port, name, self._left_s())

    def _left_s(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the letter took too long")
        return left

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        opened = socket.create_connection((host, port), timeout)
        try:
            return self._wrap.wrap_socket(opened, server_hostname=host) if self._wrap else opened
        except BaseException:
            opened.close()
            raise

    def getreply(self) -> tuple[int, bytes]:
        """See `smtplib.SMTP`; without its endless patience."""
        try:
            return self._reply()
        except BaseException:
            self.close()
            raise

    def _reply(self) -> tuple[int, bytes]:
        whole = b""
        while True:
            line = self._line()
            code, more = line[:3], line[3:4] == b"-"
            whole += line[4:].strip() + b"\n"
            if not code.isdigit():
                raise smtplib.SMTPServerDisconnected("no reply")
            if not more:
                return int(code), whole.rstrip()

    def _line(self) -> bytes:
        self._lines += 1
        if self._lines > LINES_MAX or self.sock is None:
            raise smtplib.SMTPServerDisconnected("no end of replies")
        found = b""
        while not found.endswith(b"\n"):
            self.sock.settimeout(self._left_s())
            byte = self.sock.recv(1)  # a few hundred bytes in all: none may be read beyond STARTTLS
            if not byte or len(found) > LINE_BYTES_MAX:
                raise smtplib.SMTPServerDisconnected("no line")
            found += byte
        return found

    def send(self, text: bytes | str) -> None:  # type: ignore[override]
        """See `smtplib.SMTP`: what is left of the deadline is for all that is sent."""
        if self.sock is not None:
            self.sock.settimeout(self._left_s())
        super().send(text)
