"""What `doctor` says of M-Pesa: the token, by which road its calls reach us, and whether they come."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx

from billing.cli.finding import Finding, untold, unwell, well
from billing.cli.frame import Frame
from billing.cli.road import relayed
from billing.domain.journal import business_day
from billing.domain.payment import PaymentState
from billing.mpesa.client import Daraja
from billing.provider import Refused
from billing.relay import road as roads

MPESA, ROAD, CERTIFICATE = "M-Pesa", "callbacks", "certificate"
WAIT_S = 5.0
CERTIFICATE_DAYS_MIN = 14
LATEST_MAX = 20
PROVEN_MIN = 2  # one may have been lost on its way


def token(frame: Frame) -> Iterator[Finding]:
    """Whether M-Pesa knows us, and where it was told to call."""
    provider = frame.billing_money.provider
    if not isinstance(provider, Daraja):
        yield untold(MPESA, "no interface is set (MPESA_...): vouchers and cash only")
        return
    refused = provider.signed_in(frame.now)
    if isinstance(refused, Refused):
        text = f"no token: {refused.code} {refused.text}".strip()
        yield unwell(MPESA, text, "Consumer key and secret of the right environment, and the clock.")
    else:
        yield well(MPESA, "signs in")
    if frame.billing.doors.current():
        yield well(MPESA, "calls the addresses that are set, for money paid by hand")
    else:
        yield unwell(MPESA, "does not know where to call for money paid by hand", "wifibilling payments register")


def road(frame: Frame) -> Iterator[Finding]:
    """By which road callbacks come: the address is met from here as M-Pesa meets it, by its public name."""
    provider = frame.billing_money.provider
    if not isinstance(provider, Daraja):
        return
    base = provider.doors.base
    told = roads.load(frame.settings_file)
    by = f"the relay {told.name}" if told.road == "relay" else "its public address"
    yield from _named(base, by, nearby=provider.is_near)
    if told.road == "relay":
        yield from relayed(frame, told, base)
    else:
        yield answers(base)
    yield certificate(base)


def _named(base: str, by: str, *, nearby: bool) -> Iterator[Finding]:
    """Where the name leads. `nearby`: M-Pesa is a double on this machine."""
    url = urlsplit(base)
    try:
        found = sorted({str(each[4][0]) for each in socket.getaddrinfo(url.hostname, url.port or 443)})
    except OSError as lost:
        yield unwell(ROAD, f"come by {by}, and {url.hostname} leads nowhere: {lost}", "Its DNS record.")
        return
    inside = [each for each in found if not ip_address(each).is_global]
    text = f"come by {by}: {base} ({', '.join(found)})"
    if inside and not nearby:
        fix = "A public address, or a relay (README: callbacks); MPESA_CALLBACK_BASE must name it."
        yield unwell(ROAD, f"{text}, which M-Pesa cannot reach", fix)
    else:
        yield well(ROAD, text)


def answers(base: str) -> Finding:
    """Whether our portal is what answers there."""
    try:
        # this machine's authorities, not httpx's own: a company's may be among them
        answer = httpx.get(f"{base}/api/v1/health/live", timeout=WAIT_S, verify=ssl.create_default_context())
    except httpx.HTTPError as silent:
        return unwell(ROAD, f"{base} does not answer: {silent}", "The proxy, its certificate, the firewall (443).")
    if answer.status_code != httpx.codes.OK or "application/json" not in answer.headers.get("content-type", ""):
        fix = "The proxy must hand everything to the portal (portal_bind, portal_port)."
        return unwell(ROAD, f"something else than the portal answers at {base}: {answer.status_code}", fix)
    return well(ROAD, f"the portal answers at {base}, from here")


def come(frame: Frame) -> Iterator[Finding]:
    """The proof from outside: credited payments of today have their receipt, which a callback brings."""
    if not isinstance(frame.billing_money.provider, Daraja):
        return
    ports = frame.billing.store.ports
    ids = ports.latest_on(business_day(frame.now), LATEST_MAX, frame.deadline())
    states = [kept.payment.state for kept in ports.payments(tuple(ids), frame.deadline())]
    paid, proven = states.count(PaymentState.PAID), states.count(PaymentState.PROVEN)
    if proven >= PROVEN_MIN and not paid:
        text = f"do not come: the last {proven} payments were found by asking only"
        yield unwell(ROAD, text, "deploy/runbooks/lost-callbacks.md")
    elif paid:
        yield well(ROAD, f"come: {paid} of today's last {len(states)} payments have their M-Pesa code")
    else:
        yield untold(ROAD, "whether M-Pesa reaches us cannot be told from inside: today's first payment proves it")


def certificate(base: str) -> Finding:
    """How long the certificate of our own address is good."""
    url = urlsplit(base)
    if url.scheme != "https" or not url.hostname:
        return untold(CERTIFICATE, f"{base} is no https address")
    try:
        context = ssl.create_default_context()
        with (
            socket.create_connection((url.hostname, url.port or 443), timeout=WAIT_S) as plain,
            context.wrap_socket(plain, server_hostname=url.hostname) as secure,
        ):
            found = secure.getpeercert() or {}
    except OSError as wrong:
        return unwell(CERTIFICATE, f"{url.hostname} cannot be met: {wrong}", "Its DNS, proxy and certificate.")
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)
    days = (until - datetime.now(UTC)).days
    text = f"that of {url.hostname} is good for {days} days"
    return well(CERTIFICATE, text) if days >= CERTIFICATE_DAYS_MIN else unwell(CERTIFICATE, text, "Renew it.")
