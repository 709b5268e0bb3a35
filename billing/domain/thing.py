"""What billing keeps under a name of its own beside money: agents, tills, batches, refunds, people."""

from typing import ClassVar

import msgspec


class Thing(msgspec.Struct, frozen=True, omit_defaults=True):
    """The base of what is kept. `KIND` is its key's prefix in the store, and never changes."""

    KIND: ClassVar[str]

    @property
    def name(self) -> str:
        """What it is found by: one thing of a kind has it."""
        raise NotImplementedError
