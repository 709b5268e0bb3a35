"""How a notice reaches people: e-mail, text messages for what cannot wait, Telegram. None of them needs the store."""

from collections.abc import Callable
from typing import NamedTuple

import httpx

from billing.alerting.events import Notice
from billing.alerting.settings import AlertSettings
from billing.domain.journal import business_day
from billing.mail.port import SUBJECT_CHARS_MAX, Mail, Mailer
from billing.mail.smtp import Smtp
from billing.settings import Selling
from billing.sms.africas_talking import AfricasTalking
from billing.sms.budget import OwnPurse
from billing.sms.http import Reply, ask
from billing.sms.port import TEXT_CHARS_MAX, Message, Refused, Sender
from billing.sms.settings import AfricasTalkingSettings
from billing.sms.wiring import open_sender
from billing.told import read_secret

TELEGRAM = "https://api.telegram.org"
TELEGRAM_S = 10.0
TELEGRAM_CHARS_MAX = 4_000  # Bot API, sendMessage: 4,096


class Channel(NamedTuple):
    """One recipient by one road. `send`: whether it need not be tried again."""

    name: str
    critical_only: bool
    send: Callable[[Notice], bool]


def open_channels(
    told: AlertSettings, selling: Selling, clock: Callable[[], float], transport: httpx.BaseTransport | None = None
) -> list[Channel]:
    """Those that the settings name. Raises Malformed for a secret that is not there."""
    brand, channels = selling.billing.brand, []
    if told.email and selling.mail is not None:
        chosen = selling.mail
        mailer = Smtp(chosen, read_secret("password_ref", chosen.password_ref) if chosen.password_ref else "", brand)
        channels += [Channel(f"email {at}", False, _by_mail(mailer, to, brand)) for at, to in enumerate(told.email)]
    if told.sms and selling.sms is not None:
        # A purse of its own: a day's messages to customers must not use up those that say why none arrive.
        sender = open_sender(selling.sms, lambda: business_day(int(clock())), OwnPurse())
        channels += [Channel(f"sms {at}", True, _by_sms(sender, to, brand)) for at, to in enumerate(told.sms)]
    if told.telegram_token_ref is not None:
        token = read_secret("telegram_token_ref", told.telegram_token_ref)
        road = transport or httpx.HTTPTransport()
        channels.append(Channel("telegram", False, _by_telegram(token, told.telegram_chat, brand, road)))
    return channels


def balance_of(selling: Selling) -> Callable[[], int | None]:
    """What asks the gateway what is left, where it can be asked. Raises Malformed for a secret that is not there."""
    sender = selling.sms.sender if selling.sms else None
    if not isinstance(sender, AfricasTalkingSettings):
        return lambda: None
    return AfricasTalking(sender, read_secret("key_ref", sender.key_ref), httpx.HTTPTransport()).balance_cents


def _by_mail(mailer: Mailer, to: str, brand: str) -> Callable[[Notice], bool]:
    def send(notice: Notice) -> bool:
        subject = f"{brand}: {notice.title}"[:SUBJECT_CHARS_MAX]
        return _done(mailer.send(Mail(to, subject, notice.text)))

    return send


def _by_sms(sender: Sender, to: str, brand: str) -> Callable[[Notice], bool]:
    def send(notice: Notice) -> bool:
        return _done(sender.send(Message(to, f"{brand}: {notice.text}"[:TEXT_CHARS_MAX], critical=True)))

    return send


def _by_telegram(token: str, chat: str, brand: str, transport: httpx.BaseTransport) -> Callable[[Notice], bool]:
    """Telegram, Bot API, sendMessage; plain text. The token is part of the address, so no address is ever told."""

    def send(notice: Notice) -> bool:
        body = {"chat_id": chat, "text": f"{brand}: {notice.title}\n{notice.text}"[:TELEGRAM_CHARS_MAX]}
        request = httpx.Request("POST", f"{TELEGRAM}/bot{token}/sendMessage", json=body)
        reply = ask(transport, request, TELEGRAM_S)
        if not isinstance(reply, Reply):
            return _done(reply)
        return reply.status < httpx.codes.INTERNAL_SERVER_ERROR and reply.status != httpx.codes.TOO_MANY_REQUESTS

    return send


def _done(outcome: object) -> bool:
    return not (isinstance(outcome, Refused) and outcome.retryable)
