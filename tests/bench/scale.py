"""Scale: a million live sessions with five-minute interims (3,333 a second) on one box, store included.

An open loop: packets are due on a clock, and latency counts from the moment a packet was due. One line a minute; after
the hold the rate goes up in steps until p99 passes 100 ms or answers are missing, to say where it breaks; if the first
minute breaks already, it goes down in steps until it holds. "us" only.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.cells import Tools
from tests.bench.packets import Customer
from tests.bench.processes import Load
from tests.bench.table import BAD_SHARE_MAX, render
from tests.bench.us import Filler, Ours

INTERIM_S = 300  # one packet a session in five minutes
P99_MS_MAX = 100.0
WINDOW_S = 60.0
STEP_WINDOW_S = 20.0
STEPS = (1.25, 1.5, 2.0, 2.5, 3.0)  # of the held rate
STEPS_DOWN = (0.75, 0.5, 0.4, 0.3, 0.2)  # where it does not hold: down to where it does
LINE = ("packets/s", "answered/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "radiusd CPU us", "store CPU us",
        "wrong or missing", "without store", "others' CPU")  # fmt: skip


@dataclass(frozen=True)
class Window:
    """One line of the report."""

    rate: float
    load: Load
    aside: int  # answers that the store had no part in

    @property
    def bad_share(self) -> float:
        """Share of answers that are wrong, missing, or given without the store."""
        return self.load.bad_share + self.aside / max(self.load.answered, 1)

    @property
    def holds(self) -> bool:
        """All answered, and in time."""
        return self.load.p99_ms < P99_MS_MAX and self.bad_share <= BAD_SHARE_MAX

    def line(self) -> list[str]:
        """The texts under LINE."""
        load = self.load
        return [
            f"{self.rate:,.0f}",
            f"{load.rate:,.0f}",
            f"{load.p50_ms:.1f}",
            f"{load.p99_ms:.1f}",
            f"{load.p999_ms:.1f}",
            f"{load.max_ms:.0f}",
            f"{load.cpu_us_request:.0f}",
            f"{load.store_cpu_us / max(load.answered, 1):.0f}",
            f"{load.bad_share:.2%}",
            str(self.aside),
            f"{load.others_share:.0%}",
        ]


def run(tools: Tools, ours: Ours, sessions: int, minutes: float) -> list[Window]:
    """Seed, hold, then step up until it breaks."""
    filler = Filler(subscribers=sessions, live=True)
    tools.say(f"seeding {sessions:,} live sessions")
    subject = ours.filled("scale", f"{sessions:,} live sessions", filler)
    windows: list[Window] = []
    folder = tools.folder / "scale"
    with subject.store(folder / "store", [Customer(0), Customer(1)]) as store:
        templates = ours.filler_templates(folder, filler)
        with subject.serve(folder, store.port, 0) as server:
            position, began_at = 0, int(time.time())

            def window(rate: float, seconds: float) -> Window:
                nonlocal position
                before = subject.set_aside(server)
                load = tools.generator.run(
                    templates.interim,
                    port=server.acct_port,
                    secret=server.secret,
                    radiusd_pid=server.pid,
                    store_pids=store.pids(),
                    rate=rate,
                    warm_s=0,
                    seconds=seconds,
                    timeout_s=5,
                    start=position,
                    since=began_at,
                )
                position = load.next
                windows.append(Window(rate, load, subject.set_aside(server) - before))
                tools.say(
                    "  " + ", ".join(f"{name} {text}" for name, text in zip(LINE, windows[-1].line(), strict=True))
                )
                return windows[-1]

            _hold(window, sessions / INTERIM_S, minutes)
    return windows


def _hold(window: Callable[[float, float], Window], rate: float, minutes: float) -> None:
    for minute in range(max(1, round(minutes * 60 / WINDOW_S))):
        if not window(rate, WINDOW_S).holds and minute == 0:
            any(window(rate * step, STEP_WINDOW_S).holds for step in STEPS_DOWN)
            return
    for step in STEPS:
        if not window(rate * step, STEP_WINDOW_S).holds:
            return


def report(windows: list[Window], rate: float, *, markdown: bool) -> tuple[str, bool]:
    """The table and a verdict; True when the held rate kept its promise in every window."""
    held = [window for window in windows if window.rate == rate]
    holds = all(window.holds for window in held)
    beyond = [window for window in windows if window.rate > rate]
    lines = [render(LINE, [window.line() for window in windows], markdown=markdown), ""]
    worst = max(window.load.p99_ms for window in held)
    lines.append(
        f"{rate:,.0f} interims/s held for {sum(w.load.seconds for w in held) / 60:.0f} min:"
        f" {'p99 below' if holds else 'NOT below'} {P99_MS_MAX:.0f} ms (worst minute {worst:.1f} ms)"
    )
    below = next((window.rate for window in windows if window.rate < rate and window.holds), None)
    if below is not None:
        lines.append(f"it holds at {below:,.0f}/s")
    broken = next((window.rate for window in beyond if not window.holds), None)
    if broken is not None:
        lines.append(f"it breaks at {broken:,.0f}/s")
    elif beyond:
        lines.append(f"it still holds at {beyond[-1].rate:,.0f}/s")
    return "\n".join(lines), holds
