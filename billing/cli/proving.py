"""`routers test`: whether a router can be told to end a session, and with a device in hand the whole round.

The round is what a customer's evening is made of: a log-in and its Start, an interim update, a Disconnect and its Stop,
each seen in the store, where only FreeRADIUS puts it.
"""

import secrets
import time
from collections.abc import Callable
from typing import Annotated, NamedTuple

import typer

from billing.cli import routers
from billing.cli.exits import Exit
from billing.cli.frame import Frame, command
from coa import hand
from coa.families import WAYS
from coa.pace import Pace
from coa.reach import road
from coa.sender import Sender
from radius.domain import subscriber as aggregate
from radius.domain.errors import Malformed
from radius.domain.identity import MacAddress, NasId, SubscriberId, parse_mac, parse_written
from radius.domain.nas import Nas, Router
from radius.domain.subscriber import Session, SessionState
from radius.domain.terms import INTERIM_S_MIN, PeriodUnit, Terms, Window, WindowStart

app = routers.app

DEVICE_WAIT_S = 300.0  # to switch a phone's WiFi off and on
INTERIM_WAIT_S = 2.5 * INTERIM_S_MIN  # one may be lost
STOP_WAIT_S = 30.0
POLL_S = 1.0
GONE = "gone"  # how a session ends that its router says it does not have
CLOCKS_APART_S = 60  # a session that began before the question is none of it, but clocks differ
TEST_TERMS = Terms(
    "router-test.1",
    Window(WindowStart.PURCHASE, 600, PeriodUnit.SECOND),
    quota_bytes=20_000_000,
    interim_s=INTERIM_S_MIN,
)


def pause(seconds: float) -> None:
    """Between two looks."""
    time.sleep(seconds)


class Step(NamedTuple):
    """One thing that was looked at."""

    name: str
    good: bool
    text: str


@command(app, "test", "routers test kilimani-01\nrouters test kilimani-01 --device AA:BB:CC:DD:EE:FF")
def prove(
    frame: Frame,
    router: Annotated[str, typer.Argument(metavar="ROUTER", help="A registered name.")],
    device: Annotated[
        str, typer.Option(metavar="MAC", help="A phone in your hand: it gets ten minutes, and a real round is made.")
    ] = "",
    wait: Annotated[float, typer.Option(help="Seconds before a try is lost.")] = routers.PROBE_WAIT_S,
    patience: Annotated[float, typer.Option(help="Seconds to wait for the device.")] = DEVICE_WAIT_S,
    reason: Annotated[str, typer.Option("--reason", help="Kept with the round.")] = "",
) -> Exit:
    """Ask a router to end a session that cannot exist: says whether real ones could be ended, and ends none.

    With --device a log-in, an interim update and a Disconnect go round for real. Exit code 1 if not all is well.
    """
    mac = parse_mac(device) if device else None
    if device and mac is None:
        raise Malformed("device", "must be a MAC address such as AA:BB:CC:DD:EE:FF")
    found = routers.find(frame, router)
    steps = [*_tunnel(frame, found), _probe(frame, found, wait)]
    if mac is not None and steps[-1].good:
        frame.sure(f"Give {device} ten minutes, and end its session on {router} when it has reported?")
        with frame.deed(router, reason) as came:
            steps += _round(frame, found.id, mac, patience, wait)
            came("done" if all(step.good for step in steps) else "not done")
    good = all(step.good for step in steps)
    text = "\n".join(step.text for step in steps)
    frame.show.done(text, {"router": router, "good": good, "steps": [step._asdict() for step in steps]})
    return Exit.DONE if good else Exit.NOT


def _tunnel(frame: Frame, router: Router) -> list[Step]:
    """What the hub on this machine says; nothing where it is elsewhere, or there is no tunnel."""
    heard = routers.tunnel_of(frame, router.id) if router.tunnel else None
    if heard is None:
        return []
    age_s = frame.now - heard.handshake_at
    if heard.alive(frame.now):
        return [Step("tunnel", good=True, text=f"Its tunnel is up: heard {age_s} s ago from {heard.endpoint}.")]
    since = f"for {age_s} s" if heard.handshake_at else "ever"
    return [Step("tunnel", good=False, text=f"Nothing came through its tunnel {since}: look at its power and uplink.")]


def _probe(frame: Frame, router: Router, wait: float) -> Step:
    found, nas, das = hand.registered(frame.core, router.id)
    lines = [road(found, nas, das)]
    good = das is None and nas.capabilities.by_answer
    if das is not None:
        findings = hand.find(das, WAYS[nas.family], Pace(first_wait_s=wait, tries_max=routers.PROBE_TRIES_MAX))
        lines += findings.lines
        good = findings.good
    return Step("probe", good, "\n".join(lines))


def _round(frame: Frame, router: NasId, mac: MacAddress, patience: float, wait: float) -> list[Step]:
    """Up to the first step that fails."""
    nas = hand.registered(frame.core, router)[1]
    subscriber = _guest(frame, mac, nas)
    frame.note("Now join the WiFi with that device; if it has joined, switch its WiFi off and on.")
    session = _seen(frame, subscriber, router, mac, patience)
    if session is None:
        text = f"It did not come online within {patience:.0f} s. See: wifibilling routers unknown; FreeRADIUS's log."
        return [Step("log-in", good=False, text=text)]
    steps = [Step("log-in", good=True, text="It logged in, and its Start was counted.")]
    frame.note("Online. Now its first report, which takes a minute or two; use the internet with it meanwhile.")
    if not _until(lambda: _has(frame, subscriber, session, lambda one: one.interim_seen), INTERIM_WAIT_S):
        text = f"No interim update in {INTERIM_WAIT_S:.0f} s: radius-interim-update must be `received` on its profile."
        return [*steps, Step("interim", good=False, text=text)]
    steps.append(Step("interim", good=True, text="Its interim update was counted."))
    return [*steps, _cut(frame, subscriber, session, wait)]


def _guest(frame: Frame, mac: MacAddress, nas: Nas) -> SubscriberId:
    """Whose that device is, with ten minutes more; a stranger's device becomes a customer of its own."""
    core = frame.core
    core.provision.terms(TEST_TERMS)
    owner = core.names.resolve(core.names.alias(parse_written(mac)), frame.deadline())
    subscriber = owner or core.provision.device(mac, frame.now, site=nas.site.id)
    core.provision.grant(subscriber, TEST_TERMS.id, frame.now, f"t{secrets.token_hex(4)}", nas.site.zone)
    return subscriber


def _seen(frame: Frame, subscriber: SubscriberId, router: NasId, mac: MacAddress, patience: float) -> Session | None:
    """Its session on that router, once its Start was counted."""
    found: list[Session] = []

    def there() -> bool:
        for session in _sessions(frame, subscriber):
            here = session.nas == router and session.device == mac and session.opened_at >= frame.now - CLOCKS_APART_S
            if here and session.state is SessionState.OPEN:
                found.append(session)
        return bool(found)

    _until(there, patience)
    return found[-1] if found else None


def _sessions(frame: Frame, subscriber: SubscriberId) -> list[Session]:
    stored = frame.core.store.subscribers.read(subscriber, frame.deadline())
    return aggregate.decode(stored.body).sessions if stored is not None else []


def _has(frame: Frame, subscriber: SubscriberId, session: Session, what: Callable[[Session], bool]) -> bool:
    """Whether that holds of the session as it is now; one that is there no more has ended."""
    now = next((each for each in _sessions(frame, subscriber) if each.uid == session.uid), None)
    return what(now) if now is not None else False


def _until(holds: Callable[[], bool], patience: float) -> bool:
    """Look until it holds, or the time is over."""
    over_at = time.monotonic() + patience
    while not holds():
        if time.monotonic() >= over_at:
            return False
        pause(POLL_S)
    return True


def _cut(frame: Frame, subscriber: SubscriberId, session: Session, wait: float) -> Step:
    record = frame.core.store.sessions.find(session.uid, frame.deadline())[-1]
    sender = Sender(Pace(first_wait_s=wait, tries_max=routers.PROBE_TRIES_MAX))
    try:
        told = hand.cut(frame.core, sender, record)
    finally:
        sender.close()
    if not told.good:
        return Step("disconnect", good=False, text=told.line)
    if not _until(lambda: not _has(frame, subscriber, session, _is_open), STOP_WAIT_S):
        text = f"{told.line} But no Stop came in {STOP_WAIT_S:.0f} s: it may still be online."
        return Step("disconnect", good=False, text=text)
    if _has(frame, subscriber, session, lambda one: one.cause == GONE):
        text = f"{told.line} But it had just reported that session: it does not know it by what a Disconnect names."
        return Step("disconnect", good=False, text=text)
    return Step("disconnect", good=True, text="It was disconnected, and its Stop was counted. The round is whole.")


def _is_open(session: Session) -> bool:
    return session.state is SessionState.OPEN
