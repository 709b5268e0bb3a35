"""The few exceptions of the core.

::

    RadiusError
    |-- Malformed         a value from outside that cannot be what it claims; names the field and the fix
    |-- Corrupt           a stored value that breaks our own rules: never guessed at, always an alarm
    `-- Unavailable       the store (or the key service) did not answer in time; nothing is known
        |-- Contended     the store answers, but the same subscriber changed under us too often
        `-- Fenced        the store answers, but another Region writes now, or nobody

Refusals are values (`policy.Reject`), not exceptions.
"""


class RadiusError(Exception):
    """Root of the tree; never raised itself."""


class Malformed(RadiusError):
    """Bad input. `field` is the field's own name (an attribute or a setting), `fix` says what is wanted."""

    def __init__(self, field: str, fix: str) -> None:
        super().__init__(f"{field}: {fix}")
        self.field = field
        self.fix = fix


class Corrupt(RadiusError):
    """A stored record that cannot be read; the message names the record."""


class Unavailable(RadiusError):
    """The store did not answer before the deadline, or the breaker is open. Whether a write took place is unknown."""


class Fenced(Unavailable):
    """These tables are not ours to write any more: no outage, so nothing is granted on a copy of them."""


class Contended(Unavailable):
    """Others were writing the same subscriber until it was too late: the store is there, this is no outage."""
