"""The name of what is booked once: whoever lost the answer says the same again under it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from billing.cli.frame import UNKNOWN, Frame
from radius.domain.errors import Unavailable


def key_of(given: str) -> str:
    """The name of a sale or a payment; one is drawn where none was given."""
    return given or secrets.token_hex(6)


@contextmanager
def once(frame: Frame, key: str) -> Iterator[None]:
    """Where the answer is lost, say how to ask again without booking it twice."""
    try:
        yield
    except Unavailable:
        if frame.lost == UNKNOWN:
            frame.lost = (
                f"Whether it was booked is not known: say the same again with --key {key}, and it is booked once."
            )
        raise
