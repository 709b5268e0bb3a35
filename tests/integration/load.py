"""Customers who go on and off line as real ones do, and a tally of what they were acknowledged.

The tally is kept by the customers' own fake routers: it shares nothing with the product.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from tests.fakes.nas import FakeRouter, NoAnswer, Session
from tests.integration.box import Box, new_mac

MEGABYTE = 1_000_000
PAUSE_S = 0.03


class Evening:
    """One customer with one device: logs in, reports, logs out, logs in again, on a thread of its own.

    `settled` are the bytes of all sessions before this one whose last packet was acknowledged, `acknowledged` those of
    this one's last answer, `said` those of the last packet sent: what the product has charged must lie between.
    """

    def __init__(self, phone: str, router: FakeRouter, seed: int, password: str = "karibu") -> None:
        self.phone, self.mac = phone, new_mac()
        self.password = password
        self.router = router
        self.settled = self.acknowledged = self.said = 0
        self.answered: list[float] = []  # when what was answered had been asked (monotonic seconds)
        self.logins = self.refusals = 0
        self._random = random.Random(seed)
        self._session: Session | None = None  # what is to be reported of, also after its Stop was sent

    def live(self, stop: threading.Event) -> None:
        """Until told to stop; an answer that does not come is asked for again with the next packet."""
        while not stop.wait(PAUSE_S):
            try:
                self._step()
            except NoAnswer:
                continue

    def finish(self, timeout_s: float) -> None:
        """Say the last word of a session that is still open."""
        self.router.timeout_s = timeout_s
        if self._session is not None:
            self._stop()

    def _step(self) -> None:
        if self._session is None:
            self._login()
        elif not self._session.open or self._random.random() < 0.1:
            self._stop()
        else:
            self._session.up_bytes += self._random.randrange(1, MEGABYTE)
            self._session.down_bytes += self._random.randrange(1, MEGABYTE)
            self._account("Interim-Update")

    def _login(self) -> None:
        self.logins += 1
        if not self.router.login(self.phone, self.password, self.mac)[0]:
            self.refusals += 1
            return
        self._session = self.router.sessions.pop(self.mac)
        self._account("Start")

    def _stop(self) -> None:
        assert self._session is not None
        self._session.open = False
        self._account("Stop", **{"Acct-Terminate-Cause": "User-Request"})
        self.settled += self.acknowledged
        self._session, self.acknowledged, self.said = None, 0, 0

    def _account(self, status: str, **more: str) -> None:
        session = self._session
        assert session is not None
        self.said = session.up_bytes + session.down_bytes
        # No faster than the clock: from instant and session time the product tells counts apart.
        session.seconds = int(time.time() - session.started_at)
        asked = time.monotonic()
        self.router.account(session, status, **more)
        self.answered.append(asked)
        if status != "Start":
            self.acknowledged = self.said

    def answers_since(self, instant: float) -> int:
        """How much was answered that it asked after the instant (monotonic seconds)."""
        return sum(at > instant for at in self.answered)

    def owed(self) -> tuple[int, int]:
        """The least and the most that may be charged now."""
        return self.settled + self.acknowledged, self.settled + self.said


def evenings(box: Box, count: int, timeout_s: float) -> list[Evening]:
    """So many customers with more data than they can use, each at a router of its own."""
    terms = box.terms("wide.1", quota_bytes=1 << 40)
    return [Evening(box.customer(terms), box.router(timeout_s=timeout_s), seed) for seed in range(count)]


def served_since(customers: list[Evening], instant: float) -> bool:
    """Whether all of them were answered something that they asked after the instant (monotonic seconds)."""
    return all(one.answers_since(instant) for one in customers)


@contextmanager
def beside(works: Iterable[Callable[[], None]], stop: threading.Event) -> Iterator[None]:
    """Each of them in a thread of its own, until the end of the block: then `stop` is set, and they are waited for."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def running(evenings: list[Evening]) -> Iterator[None]:
    """All of them at once, until the end of the block; an error of one is an error of the test."""
    stop, errors = threading.Event(), list[BaseException]()

    def live(one: Evening) -> None:
        try:
            one.live(stop)
        except BaseException as error:  # noqa: BLE001 - a thread's error must reach the test
            errors.append(error)

    with beside([partial(live, one) for one in evenings], stop):
        yield
    assert not errors, errors
