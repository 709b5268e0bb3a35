"""Where a router listens and how it is spoken to."""

import msgspec


class Das(msgspec.Struct, frozen=True):
    """A router as RFC 5176 sees it: a Dynamic Authorization Server, and how it is spoken to.

    `address` is numeric (IPv4 or IPv6), `source` the own address to send from ("": the kernel's choice).
    `reply_signed`: its answers must carry Message-Authenticator.
    """

    address: str
    secret: bytes
    port: int = 3799
    message_authenticator: bool = False
    event_timestamp: bool = False
    reply_signed: bool = False
    source: str = ""

    @property
    def key(self) -> tuple[str, int, str]:
        """What makes it the same router, on the same way to it, for queues and breakers."""
        return self.address, self.port, self.source

    def __repr__(self) -> str:
        return f"Das({self.address!r}, port={self.port})"  # the secret must not get into a log
