"""From settings to a sender within its budget."""

from collections.abc import Callable
from typing import assert_never

import httpx

from billing.sms.africas_talking import AfricasTalking
from billing.sms.budget import Budget, Budgeted, Purse
from billing.sms.gateway import Gateway
from billing.sms.outbox import Outbox
from billing.sms.port import Sender
from billing.sms.settings import (
    AfricasTalkingSettings,
    FileSettings,
    GatewaySettings,
    SmsSettings,
    SnsSettings,
)
from billing.sms.sns import Sns, new_client
from billing.told import read_secret


def open_sender(settings: SmsSettings, today: Callable[[], str], purse: Purse) -> Budgeted:
    """What sends, as the settings say. Raises Malformed for a secret that is not there. `today`: see `Budgeted`."""
    budget = Budget(settings.day_cents, settings.reserve_cents, settings.segment_cents)
    return Budgeted(_sender(settings), budget, today, purse)


def _sender(settings: SmsSettings) -> Sender:
    chosen = settings.sender
    match chosen:
        case AfricasTalkingSettings():
            return AfricasTalking(chosen, read_secret("key_ref", chosen.key_ref), httpx.HTTPTransport())
        case GatewaySettings():
            return Gateway(
                chosen, read_secret("key_ref", chosen.key_ref) if chosen.key_ref else "", httpx.HTTPTransport()
            )
        case SnsSettings():
            return Sns(chosen, new_client(chosen))
        case FileSettings():
            return Outbox(chosen.path)
        case _:
            assert_never(chosen)
