"""One canonical line a unit of work: a packet, a session's end, an operator's event. Edges log; libraries never do.

A line has exactly the keys `timestamp` (ISO 8601, UTC, milliseconds), `level` (INFO, WARN, ERROR), `message`,
`requestId` (the same in all lines of one packet), `userId` and `details`. `details` holds only what `FIELDS` lists. A
phone, a MAC, an address or a user name can get in only as a `Pseudonym` (a keyed hash): two lines about one customer
can be joined, and nobody is named.

    log.info("Access accepted", request_id="00af", user_id=pseudonyms.of("user", subscriber.id), nas="kilifi-1")
    log.info(SESSION_TERMINATED, request_id="00b0", user_id=..., duration=3600, cause="quota")

Built on structlog without any global configuration: one processor makes the line, one write puts it out. That costs
4 us, and 7 with two pseudonyms; without structlog it would be 1 us less. No handlers, no threads, nothing registered
for the exit of the process, and nothing that is logged can fail its caller.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from itertools import count
from pathlib import Path
from secrets import token_hex
from threading import Lock
from traceback import extract_tb
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec
import structlog
from structlog.dev import ConsoleRenderer
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from radius.domain.errors import Malformed
from radius.metrics import Metrics

SESSION_TERMINATED: Final = "Session terminated"  # a contract: reports average details.duration of these lines
LINE_BYTES_MAX = 4096  # beyond it every text is cut; ordinary lines have 300 to 500
TEXT_CHARS_MAX = 200  # details are values, not documents
FRAMES_MAX = 8  # where an unexpected exception came from
REOPEN_CHECK_S = 1.0  # after logrotate has renamed the file, lines follow within this time
FILE_MODE = 0o640
PSEUDONYM_BYTES = 8  # 64 bits: a million customers collide with a chance of 1 in 30 million

Level = Literal["INFO", "WARN", "ERROR"]
Format = Literal["json", "pretty"]
Subject = Literal["user", "device", "address", "name"]


class Pseudonym(str):
    """A keyed hash that stands for a person's datum; only `Pseudonyms` makes them."""

    __slots__ = ()


class RequestIds:
    """Names packets and other units of work: a random prefix of this process and a counter. Threads may share it."""

    def __init__(self) -> None:
        self._prefix = token_hex(4)
        self._count = count(1)

    def __call__(self) -> str:
        """The next one, e.g. ``9f31c2d0-1a4``."""
        return f"{self._prefix}-{next(self._count):x}"


class Pseudonyms:
    """Makes pseudonyms under one key (`KeyRing.subkey("pseudonym")`). Threads may share it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, subject: Subject, value: str) -> Pseudonym:
        """The pseudonym of a normal form (a MAC as `MacAddress`), e.g. ``device_3f2a..``: 16 hex digits."""
        text = f"{subject}:{value}".encode("utf-8", "surrogatepass")
        return Pseudonym(f"{subject}_{blake2b(text, digest_size=PSEUDONYM_BYTES, key=self._key).hexdigest()}")


# structlog's method names, and what its levels are called here. There is no DEBUG: what nobody reads is not written.
LEVELS: Mapping[str, Level] = {"info": "INFO", "warning": "WARN", "error": "ERROR", "critical": "ERROR"}
THRESHOLDS: Mapping[Level, int] = {"INFO": 20, "WARN": 30, "ERROR": 40}

# The allow-list. Text fields hold values of closed lists and names that operators gave; never what a customer typed.
FIELDS: Mapping[str, type] = {
    **dict.fromkeys(("nas", "site", "family", "node", "table", "operation", "version"), str),
    **dict.fromkeys(("packet", "method", "kind", "service", "reason", "outcome", "state", "cause", "limit"), str),
    **dict.fromkeys(("session", "right", "terms", "intents", "setting", "fix", "error", "trace"), str),
    **dict.fromkeys(("duration", "session_s", "idle_s", "interim_s", "wait_s", "age_s", "took_us", "store_us"), int),
    **dict.fromkeys(("in_bytes", "out_bytes", "used_bytes", "total_bytes", "overspend_bytes"), int),
    **dict.fromkeys(("count", "tries", "reads", "writes", "entries", "port", "up_bps", "down_bps", "revision"), int),
    **dict.fromkeys(("day", "seller"), str),
    # Names that reports of payments use. `amount` is in whole shillings, `errorMessage` one of our own texts.
    **dict.fromkeys(("transactionId", "errorCode", "errorMessage", "package"), str),
    "amount": int,
    **dict.fromkeys(("degraded", "spooled", "cached", "remembered", "late"), bool),
    **dict.fromkeys(("device", "address", "name"), Pseudonym),
    "traceId": str,  # of the span that the line was written in, where spans are switched on
}

_PERSONAL = re.compile(
    r"(?:[0-9a-f]{2}[:\- ]){5}[0-9a-f]{2}|(?:[0-9a-f]{4}[.-]){2}[0-9a-f]{4}"
    r"|(?<![0-9a-z])[0-9a-f]{6}[:-]?[0-9a-f]{6}(?![0-9a-z])|(?<![\d.])(?!127\.|0\.)(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"
    r"|(?<![0-9a-z])(?:(?:\+|00)?254|0)[17]\d{8}(?![0-9a-z])",
    re.IGNORECASE,
)


class Refused(ValueError):
    """A field that is not on the allow-list, or a value that is not what the list says (strict mode only)."""


class Sink:
    """Where lines go: a file that may be rotated under us, or an open descriptor. One write a line, never an error.

    A rotated file is replaced under the same descriptor number (dup3), so no writer needs a lock and none can write
    into somebody else's file. A line that cannot be written is counted and gone.
    """

    def __init__(self, path: Path | None, metrics: Metrics | None = None) -> None:
        self._path, self._metrics = path, metrics
        self._reopening = Lock()
        self._checked_at = time.monotonic()
        try:
            self._descriptor = self._open() if path else os.dup(1)
        except OSError as refused:
            raise Malformed("log_path", f"cannot write {path or 'to stdout'}: {refused.strerror}") from refused

    def write(self, line: bytes) -> None:
        """Write one line."""
        if self._path is not None and time.monotonic() - self._checked_at > REOPEN_CHECK_S:
            self._reopen_if_moved()
        try:
            whole = os.write(self._descriptor, line) == len(line)
        except OSError:
            whole = False
        if not whole and self._metrics is not None:
            self._metrics.count("LogLinesDropped")

    # The names under which structlog hands lines over.
    info = warning = error = critical = write

    def close(self) -> None:
        """Send later lines nowhere. The number stays taken: a thread may be about to write to it."""
        with self._reopening:
            self._path = None
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nowhere, self._descriptor, inheritable=False)
            os.close(nowhere)

    def _open(self) -> int:
        return os.open(cast("Path", self._path), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)

    def _reopen_if_moved(self) -> None:
        if not self._reopening.acquire(blocking=False):
            return
        try:
            self._checked_at = time.monotonic()
            if self._path is not None and not self._is_ours(self._path):
                fresh = self._open()
                os.dup2(fresh, self._descriptor, inheritable=False)
                os.close(fresh)
        except OSError:
            pass  # the old file still takes lines; asked again in a second
        finally:
            self._reopening.release()

    def _is_ours(self, path: Path) -> bool:
        try:
            return os.path.samestat(path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False


class Canonical:
    """The processor: an event with its fields becomes one line of bytes.

    What the allow-list does not admit raises Refused when `strict` (tests, which also look for personal data in texts),
    else it is left out and counted.
    """

    def __init__(
        self,
        log_format: Format = "json",
        *,
        strict: bool = False,
        metrics: Metrics | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        trace_id: Callable[[], str | None] | None = None,
    ) -> None:
        self._strict, self._metrics, self._now_ns, self._trace_id = strict, metrics, now_ns, trace_id
        self._encode = msgspec.json.Encoder(enc_hook=str).encode
        self._render = self._json if log_format == "json" else self._pretty
        self._console = ConsoleRenderer(colors=False, sort_keys=False)
        self._second = (-1, "")

    def __call__(self, _logger: WrappedLogger, method: str, event: EventDict) -> bytes:
        """Make the line. `event` is structlog's own copy and becomes `details`."""
        if self._trace_id is not None and (trace_id := self._trace_id()) is not None:
            event["traceId"] = trace_id
        line = {
            "timestamp": self._timestamp(),
            "level": LEVELS.get(method, "ERROR"),
            "message": event.pop("event"),
            "requestId": event.pop("request_id", None),
            "userId": event.pop("user_id", None),
            "details": event,
        }
        if self._strict or not self._plain(line):
            self._clean(line)
        try:
            rendered = self._render(line)
            return rendered if len(rendered) <= LINE_BYTES_MAX else self._render(_tamed(line))
        except UnicodeEncodeError:  # half a surrogate pair, from an attribute that was not UTF-8
            return self._render(_tamed(line))

    def _timestamp(self) -> str:
        second, thousandth = divmod(self._now_ns() // 1_000_000, 1000)
        known, text = self._second
        if known != second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = (second, text)
        return f"{text}.{thousandth:03d}Z"

    def _plain(self, line: Mapping[str, Any]) -> bool:
        """True if the allow-list admits everything as it is."""
        user = line["userId"]
        if user is not None and type(user) is not Pseudonym:
            return False
        for name, value in line["details"].items():
            wanted = FIELDS.get(name)
            if wanted is None or not isinstance(value, wanted):
                return False
        return True

    def _clean(self, line: dict[str, Any]) -> None:
        """Leave out what is not admitted, and say where an exception came from."""
        given = dict(line["details"])
        given.update(_origin(given.pop("exc_info", None)))
        details = {}
        for name, value in given.items():
            wanted = FIELDS.get(name)
            if wanted is None or (value is not None and not isinstance(value, wanted)):
                self._refuse(f"details.{name} of type {type(value).__name__} is not on the allow-list")
            elif value is not None:
                details[name] = value
        if line["userId"] is not None and type(line["userId"]) is not Pseudonym:
            self._refuse("userId must be a Pseudonym")
            line["userId"] = None
        line["details"] = details
        if self._strict:
            for text in (
                line["message"],
                *(value for value in details.values() if isinstance(value, str) and type(value) is not Pseudonym),
            ):
                if _PERSONAL.search(text):
                    self._refuse(f"personal data in the line {line['message']!r}")

    def _refuse(self, why: str) -> None:
        if self._strict:
            raise Refused(why)
        if self._metrics is not None:
            self._metrics.count("LogFieldsDropped")

    def _json(self, line: Mapping[str, Any]) -> bytes:
        return self._encode(line) + b"\n"

    def _pretty(self, line: Mapping[str, Any]) -> bytes:
        event = {"timestamp": line["timestamp"], "level": line["level"], "event": line["message"]}
        event |= {key: str(line[key]) for key in ("requestId", "userId") if line[key] is not None}
        event |= {name: str(value) for name, value in line["details"].items()}
        return f"{self._console(None, '', event)}\n".encode()


def _tamed(line: Mapping[str, Any]) -> dict[str, Any]:
    """The same line with every text short and encodable."""
    details = {name: _text(value) if isinstance(value, str) else value for name, value in line["details"].items()}
    request_id = None if line["requestId"] is None else _text(line["requestId"])
    return {**line, "message": _text(line["message"]), "requestId": request_id, "details": details}


def _text(value: object) -> str:
    return str(value)[:TEXT_CHARS_MAX].encode("utf-8", "replace").decode()


def _origin(raised: object) -> dict[str, str]:
    """Type and place of an exception, innermost first; never its text, which may quote what a customer typed."""
    if raised is True:
        raised = sys.exc_info()[1]
    elif isinstance(raised, tuple):
        raised = raised[1]
    if not isinstance(raised, BaseException):
        return {}
    frames = extract_tb(raised.__traceback__)[-FRAMES_MAX:]
    places = (f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return {"error": type(raised).__name__, "trace": " < ".join(places)}


class Log(NamedTuple):
    """A logger and where its lines go."""

    logger: FilteringBoundLogger
    sink: Sink


def open_log(
    path: Path | None,
    log_format: Format = "json",
    level: Level = "INFO",
    *,
    strict: bool = False,
    metrics: Metrics | None = None,
    trace_id: Callable[[], str | None] | None = None,
) -> Log:
    """A logger that writes to a file, or to standard output without a path. Raises Malformed if it cannot.

    Lines carry keyword arguments: `request_id`, `user_id` (a Pseudonym) and fields of `FIELDS`; None leaves one out.
    `trace_id`: says which span a line is written in (`radius.tracing`); None: nobody traces.
    """
    sink = Sink(path, metrics)
    logger = structlog.wrap_logger(
        sink,
        processors=[Canonical(log_format, strict=strict, metrics=metrics, trace_id=trace_id)],
        wrapper_class=structlog.make_filtering_bound_logger(THRESHOLDS[level]),
        context_class=dict,
    )
    return Log(cast("FilteringBoundLogger", logger.bind()), sink)
