"""Whose word a correction or a gift is: an actor and a reason always, a second person above a limit."""

from typing import NamedTuple

from billing.domain.journal import Fact, business_day
from billing.domain.money import text
from radius.domain.errors import Malformed


class Word(NamedTuple):
    """Who does it and why; `approved_by`: the second person, "" for none."""

    actor: str
    reason: str
    approved_by: str = ""


def said(subject: str, word: Word, now: int, cents: int = 0, limit_cents: int = 0) -> Fact:
    """The fact, signed. Raises Malformed without actor or reason, or for more than the limit on one person's word."""
    if not (word.actor and word.reason.strip()):
        raise Malformed("reason", "must be given, with who does it")
    if cents > limit_cents and word.approved_by in {"", word.actor}:
        more = f"it is about more than {text(limit_cents)}" if limit_cents else "nothing is given by one alone"
        raise Malformed("approved-by", f"must name a second person: {more}")
    return Fact(subject, now, business_day(now), word.actor, word.reason, word.approved_by)
