"""Whether an alarm of the list is on, judged as CloudWatch judges it (its user guide, "Evaluating an alarm").

Periods are aligned to the clock; a series is found by exactly its dimensions and never added over one; a period without
values is what `Missing` says. One box uses this; on AWS the same list is judged by CloudWatch itself.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from math import ceil
from typing import NamedTuple

from billing.alarms import Alarm, Figure, Missing, Series


class State(StrEnum):
    """Of an alarm, as CloudWatch names it."""

    OK = "OK"
    ALARM = "ALARM"
    UNKNOWN = "INSUFFICIENT_DATA"


class Sample(NamedTuple):
    """Values of one series that came at one instant (UTC seconds); `counts` says how often each."""

    at: int
    series: Series
    values: tuple[float, ...]
    counts: tuple[int, ...]


def judge(alarm: Alarm, samples: Iterable[Sample], now: int, before: State = State.UNKNOWN) -> State:
    """The alarm's state over the last complete periods. `before`: what it was, for `Missing.AS_BEFORE`."""
    newest = now // alarm.period_s * alarm.period_s
    oldest = newest - alarm.of * alarm.period_s
    wanted = {*alarm.figure.parts, *alarm.figure.whole}
    inside = [sample for sample in samples if oldest <= sample.at < newest and sample.series in wanted]
    judged = [
        _breaches(alarm, [sample for sample in inside if start <= sample.at < start + alarm.period_s])
        for start in range(oldest, newest, alarm.period_s)
    ]
    if alarm.missing is Missing.AS_BEFORE and all(each is None for each in judged):
        return before
    bad = sum(alarm.missing is Missing.BAD if each is None else each for each in judged)
    return State.ALARM if bad >= alarm.periods else State.OK


def _breaches(alarm: Alarm, samples: Sequence[Sample]) -> bool | None:
    value = _value(alarm.figure, samples)
    if value is None:
        return None
    return value > alarm.threshold if alarm.above else value < alarm.threshold


def _value(figure: Figure, samples: Sequence[Sample]) -> float | None:
    """None without data. In arithmetic (several parts, a percentage) a series without data is 0."""
    alone = len(figure.parts) == 1 and not figure.whole
    parts = [statistic(figure.stat, samples, series) for series in figure.parts]
    if alone:
        return parts[0]
    if all(part is None for part in parts) and not samples:
        return None
    top = sum(part or 0.0 for part in parts)
    if not figure.whole:
        return top
    bottom = sum(statistic(figure.stat, samples, series) or 0.0 for series in figure.whole)
    return 100 * top / bottom if bottom >= figure.at_least and bottom else 0.0


def statistic(stat: str, samples: Sequence[Sample], series: Series) -> float | None:
    """Sum, Minimum, Maximum or a percentile like p95; None without values."""
    pairs = sorted(
        pair for each in samples if each.series == series for pair in zip(each.values, each.counts, strict=True)
    )
    if not pairs:
        return None
    if stat == "Sum":
        return sum(value * count for value, count in pairs)
    if stat == "Minimum":
        return pairs[0][0]
    if stat == "Maximum":
        return pairs[-1][0]
    rank = ceil(float(stat.removeprefix("p")) / 100 * sum(count for _, count in pairs))
    for value, count in pairs:
        rank -= count
        if rank <= 0:
            return value
    return pairs[-1][0]
