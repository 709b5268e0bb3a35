"""A lossy local datagram: "somebody committed an intent for this subscriber", so that the sender need not poll for it.

It carries no decision and may be lost: the poll of due work is the guarantee. Ringing never waits and never raises.
"""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from radius.domain.identity import SubscriberId

NAME = "coa.bell"  # in the state folder of the machine
PATH_BYTES_MAX = 107  # sockaddr_un, unix(7)
DATAGRAM_BYTES_MAX = 128
FILE_MODE = 0o660


class Rung(NamedTuple):
    """For whom, and when (UTC seconds)."""

    subscriber: SubscriberId
    at: float


class Bell:
    """The side that rings. Threads may share it. 4 us a ring, measured."""

    def __init__(self, folder: Path, wall: Callable[[], float] = time.time) -> None:
        path = os.fsencode(folder / NAME)
        self._path = path if len(path) <= PATH_BYTES_MAX else b""
        self._wall = wall
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)

    def ring(self, subscriber: SubscriberId) -> None:
        """Tell; nobody there, a full queue, a closed bell: it is lost."""
        if self._path:
            with suppress(OSError):
                self._socket.sendto(b"%s %.3f" % (subscriber.encode(), self._wall()), self._path)

    def close(self) -> None:
        """Ring no more."""
        self._socket.close()


class Ear:
    """The side that hears. One a machine; a second one takes it over, and the first goes on by polling."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where there is no such folder, or its path is too long for a socket."""
        path = folder / NAME
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.bind(str(path))
            path.chmod(FILE_MODE)
        except OSError:
            self._socket.close()
            raise

    def hear(self, wait_s: float) -> Rung | None:
        """The next ring; None when there was none in that time, or something that is none."""
        self._socket.settimeout(wait_s)
        try:
            data = self._socket.recv(DATAGRAM_BYTES_MAX)
        except OSError:
            return None
        name, _, at = data.partition(b" ")
        with suppress(ValueError):
            if name.isalnum():
                return Rung(SubscriberId(name.decode("ascii")), float(at))
        return None

    def close(self) -> None:
        """Hear no more. The file stays: it may be another's by now."""
        self._socket.close()
