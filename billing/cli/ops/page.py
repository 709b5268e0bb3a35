"""A page of `ops`: tasks, what is looked at for each, and how one look that fails is one line of it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from billing.cli.finding import Finding, untold
from billing.cli.frame import Frame
from billing.cli.ops.cloud import Cloud, refusal
from billing.cli.show import Facts
from radius.domain.errors import RadiusError, Unavailable

VERDICTS = {True: "ok", False: "look", None: "cannot tell"}

Here = Callable[[Frame], Iterable[Finding]]
There = Callable[[Cloud], Iterable[Finding]]


class Task(NamedTuple):
    """What is looked at for one thing: everywhere, on one box, and on AWS."""

    name: str
    everywhere: tuple[Here, ...] = ()
    box: tuple[Here, ...] = ()
    aws: tuple[There, ...] = ()


def rows(tasks: Sequence[Task], frame: Frame, cloud: Cloud | None) -> Iterator[Facts]:
    """A line for each finding, task by task."""
    for task in tasks:
        for found in _found(task, frame, cloud):
            yield {
                "task": task.name,
                "what": found.check,
                "figure": found.text,
                "verdict": VERDICTS[found.good],
                "fix": found.fix,
                "attention": needs(found),
            }


def needs(found: Finding) -> bool:
    """Whether somebody must do something: also where nothing can be told until something is done."""
    return found.good is False or (found.good is None and bool(found.fix))


def _found(task: Task, frame: Frame, cloud: Cloud | None) -> Iterator[Finding]:
    for look in (*task.everywhere, *(task.box if cloud is None else ())):
        yield from looked(_name(look), partial(look, frame), away=False)
    if cloud is not None:
        for there in task.aws:
            yield from looked(_name(there), partial(there, cloud))
    elif not task.box and not task.everywhere:
        yield untold(task.name, "only on AWS")


def looked(what: str, look: Callable[[], Iterable[Finding]], *, away: bool | None = None) -> Iterator[Finding]:
    """What a look finds until it fails, and that it failed: whatever was asked, the page goes on.

    `away`: the verdict where what was asked does not answer: False for our own store, at which somebody must look.
    """
    try:
        yield from look()
    except (ClientError, BotoCoreError) as error:
        why, fix = refusal(error)
        yield Finding(what, None, why, fix)
    except Unavailable as silent:
        yield Finding(what, away, str(silent), "wifibilling doctor")
    except (RadiusError, OSError) as error:
        yield Finding(what, None, str(error), "wifibilling doctor")


def _name(look: Here | There) -> str:
    return str(getattr(look, "__name__", "")).replace("_", " ").strip()
