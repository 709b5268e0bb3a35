"""Ports for servers under test, below the range from which the kernel serves everybody who asks for any port.

So a server can be stopped and started on its port again, and no connection of another program takes it meanwhile.
"""

import random
import socket

FIRST, LAST = 10_000, 32_000  # net.ipv4.ip_local_port_range begins at 32768
TRIES_MAX = 10_000
_given: set[int] = set()
_random = random.SystemRandom()  # two test runs on one machine must not walk the same way


def free_port() -> int:
    """A port on which nobody listens, TCP or UDP, on any address; never the same one twice."""
    for _ in range(TRIES_MAX):
        port = _random.randrange(FIRST, LAST)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise OSError("no port is free")


def _is_free(port: int) -> bool:
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind(("", port))
    except OSError:
        return False
    return True
