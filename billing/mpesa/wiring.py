"""M-Pesa from the environment, for every process that sells: the client, how bodies are read, the secret path."""

import os
from typing import NamedTuple

from billing.domain.settle import Proof
from billing.mpesa import callbacks
from billing.mpesa.client import Daraja
from billing.mpesa.settings import PREFIX, load, open_daraja, read_secret
from billing.provider import Notice
from radius.domain.errors import Malformed


class Mpesa(NamedTuple):
    """`path`: the segment that only Daraja is told."""

    provider: Daraja
    path: str


def open_mpesa() -> Mpesa | None:
    """None where no variable ``MPESA_...`` is set. Raises SettingsError, and Malformed for a secret not to be had."""
    if not any(name.startswith(PREFIX) for name in os.environ):
        return None
    settings = load()
    return Mpesa(open_daraja(settings), read_secret("callback_secret_ref", settings))


def read(text: str) -> Proof | None:
    """The proof in a push's callback, without its token; None for what cannot be read."""
    try:
        return callbacks.parse_callback(text.encode(errors="replace"), "")
    except Malformed:
        return None


def read_notice(text: str) -> Notice | None:
    """Money paid by hand; None for what cannot be read."""
    try:
        return callbacks.parse_notice(text.encode(errors="replace"))
    except Malformed:
        return None
