"""What the command's exit codes mean, and which of our errors is which."""

from enum import IntEnum

from radius.domain.errors import Corrupt, Fenced, Malformed, RadiusError, Unavailable


class Exit(IntEnum):
    """The closed list; README repeats it."""

    DONE = 0
    NOT = 1
    USAGE = 2
    NOBODY = 3
    DECLINED = 4
    AWAY = 5
    BROKEN = 6
    INTERRUPTED = 130


MEANINGS: dict[Exit, str] = {
    Exit.DONE: "done; or what was asked about is well; or a dry run that found no obstacle",
    Exit.NOT: "not done, or not well: the text says why",
    Exit.USAGE: "wrong usage or settings, or a value that cannot be; nothing was changed",
    Exit.NOBODY: "there is no such customer, router, payment, ...",
    Exit.DECLINED: "the question was not answered with yes; nothing was changed",
    Exit.AWAY: "the store did not answer: whether it was done is not known, and the same command again is safe",
    Exit.BROKEN: "a stored record cannot be read: an alarm for whoever looks after the system",
    Exit.INTERRUPTED: "interrupted; long work says how to go on",
}


class Nobody(RadiusError):
    """What was named is not there."""


class Declined(RadiusError):
    """The question was not answered with yes."""


def outcome_of(error: RadiusError) -> str:
    """What the audit says of a change that an error ended: `refused` is what was asked, `failed` is ours to look at."""
    for kind, text in (
        (Nobody, "refused: it is not there"),
        (Declined, "refused: not confirmed"),
        (Malformed, "refused: a value that cannot be"),
        (Fenced, "failed: another Region writes"),
        (Unavailable, "failed: the store did not answer"),
        (Corrupt, "failed: a stored record cannot be read"),
    ):
        if isinstance(error, kind):
            return text
    return "failed"


def code_of(error: RadiusError) -> Exit:
    """The exit code of an error that reached the command line."""
    for kind, code in (
        (Nobody, Exit.NOBODY),
        (Declined, Exit.DECLINED),
        (Malformed, Exit.USAGE),
        (Fenced, Exit.NOT),
        (Unavailable, Exit.AWAY),
        (Corrupt, Exit.BROKEN),
    ):
        if isinstance(error, kind):
            return code
    return Exit.BROKEN
