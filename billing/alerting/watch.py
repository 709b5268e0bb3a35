"""One look at a box, minute after minute: what is wrong, which events that makes, and who still has to be told."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from billing.alarms import COMPOSITES, Alarm, Topic
from billing.alerting import past
from billing.alerting.channels import Channel
from billing.alerting.counted import Counted
from billing.alerting.events import Event, Notice, Wrong, step
from billing.evaluation import Sample, State, judge
from radius.domain.shapes import decoder
from radius.hub.files import write
from radius.metrics import Catalogue

NOTE = "alerts.json"
TRIES_MAX = 60  # of one message by one road: an hour


class Owed(msgspec.Struct):
    """A message that a road did not take yet."""

    channel: str
    title: str
    text: str
    critical: bool
    tries: int = 0


class Kept(msgspec.Struct):
    """What outlives a restart."""

    events: list[Event] = []
    owed: list[Owed] = []


class Watch:
    """`pages` reads the processes' metrics: text by name, None for one that does not answer."""

    def __init__(
        self, alarms: Sequence[Alarm], catalogue: Catalogue, channels: Sequence[Channel], folder: Path, began_at: int
    ) -> None:
        self._alarms = alarms
        self._counted = Counted(alarms, catalogue)
        self._channels = channels
        self._note = folder / NOTE
        self._began_at = began_at
        self._samples: list[Sample] = []
        self._states: dict[str, State] = {}
        self._kept = self._read()

    def look(self, pages: Mapping[str, str | None], around: Mapping[str, Wrong], now: int) -> list[Notice]:
        """One round: what was told now. Whoever could not be reached is tried again at the next."""
        for process, page in pages.items():
            if page is not None:
                self._samples += self._counted.take(process, page, now)
        keep_s = max(alarm.period_s * (alarm.of + 1) for alarm in self._alarms)
        self._samples = [sample for sample in self._samples if sample.at > now - keep_s]
        events, notices = step(self._kept.events, {**self._judged(now), **around}, now)
        owed = [*self._kept.owed, *self._owe(notices)]
        self._kept = Kept(events, [each for each in owed if not self._sent(each)])
        write(self._note, msgspec.json.encode(self._kept), 0o600)
        past.note(self._note.parent, notices, now)
        return notices

    def _judged(self, now: int) -> dict[str, Wrong]:
        """Alarms that are on. One is judged when its whole time was seen; a composite stands for its alarms."""
        on = {}
        for alarm in self._alarms:
            if now // alarm.period_s * alarm.period_s - alarm.of * alarm.period_s < self._began_at:
                continue
            state = judge(alarm, self._samples, now, self._states.get(alarm.name, State.UNKNOWN))
            self._states[alarm.name] = state
            if state is State.ALARM:
                on[alarm.name] = Wrong(alarm.says, critical=alarm.topic is Topic.CRITICAL)
        for composite in COMPOSITES:
            inside = [on.pop(name) for name in composite.any_of if name in on]
            if inside:
                says = f"{composite.says}: {'; '.join(each.says for each in inside)}"
                on[composite.name] = Wrong(says, critical=composite.topic is Topic.CRITICAL)
        return on

    def _owe(self, notices: Iterable[Notice]) -> list[Owed]:
        return [
            Owed(channel.name, *notice)
            for notice in notices
            for channel in self._channels
            if notice.critical or not channel.critical_only
        ]

    def _sent(self, owed: Owed) -> bool:
        send: Callable[[Notice], bool] | None = next(
            (channel.send for channel in self._channels if channel.name == owed.channel), None
        )
        owed.tries += 1
        if send is None or owed.tries > TRIES_MAX:
            return True
        return send(Notice(owed.title, owed.text, owed.critical))

    def _read(self) -> Kept:
        try:
            return decoder(Kept).decode(self._note.read_bytes())
        except (OSError, msgspec.MsgspecError):
            return Kept()
