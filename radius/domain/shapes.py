"""Decoders of stored values: each is made once, and by one thread at a time.

msgspec (0.22) reads the annotations of a type when something is decoded into it for the first time, and another thread
may run meanwhile: decoding into the same type, it follows a null pointer. Hooks that began together after a start did
so, and the kernel ended FreeRADIUS. So nothing here calls ``msgspec.json.decode`` with a type.
"""

from threading import Lock
from typing import Any, TypeVar

from msgspec.json import Decoder

T = TypeVar("T")

_making = Lock()
_made: dict[type, Any] = {}


def decoder(shape: type[T]) -> "Decoder[T]":
    """The decoder of a type."""
    found: Decoder[T] | None = _made.get(shape)
    if found is None:
        with _making:
            found = _made.get(shape)
            if found is None:
                found = _made[shape] = Decoder(shape)
    return found
