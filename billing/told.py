"""What all settings of selling have in common: problems in words that show no value, and secrets behind references."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from pydantic import ValidationError

from radius import vaults
from radius.domain.errors import Malformed

SECRET_BYTES_MAX = 4_096


def problem_lines(bad: ValidationError, where: str = "", kinds: Collection[str] = ()) -> Iterator[str]:
    """A line for each problem: the field below `where`, and what is wanted. `kinds` of a union name no field.

    A message of a whole model begins with the name of the field that is at fault.
    """
    for error in bad.errors(include_url=False, include_input=False, include_context=False):
        message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
        named = [where, *(str(part) for part in error["loc"] if part not in kinds)]
        field, colon, rest = message.partition(": ")
        if colon and field.isidentifier():
            named, message = [*named, field], rest
        yield f"{'.'.join(filter(None, named))}: {message}"


def read_secret(field: str, reference: str) -> str:
    """The text behind ``file:/path`` (ours alone), ``env:NAME`` or one that AWS keeps, without blanks around it.

    Raises Malformed naming `field`; what was read is never in the message.
    """
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        text = os.environ.get(rest, "")
    elif scheme in vaults.SCHEMES:
        text = vaults.fetch(field, reference)
    else:
        try:
            with Path(rest).open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read(SECRET_BYTES_MAX).decode("ascii", "replace")
        except OSError as refused:
            raise Malformed(field, f"cannot read {rest}: {refused.strerror}") from refused
        if mode & 0o077:
            raise Malformed(field, f"{rest} is open to others; run: chmod 600 {rest}")
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable():
        raise Malformed(field, f"{reference} must hold one line of ASCII text")
    return text
