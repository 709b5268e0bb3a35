"""Amounts, lengths and times in plain words of a language."""

from billing.domain.money import text as money_text
from billing.domain.package import Package
from billing.portal.pages.texts import text
from radius.domain import calendar
from radius.domain.nas import Language
from radius.domain.terms import PeriodUnit, Terms, WindowStart

_UNITS = {PeriodUnit.DAY: ("day", "days"), PeriodUnit.WEEK: ("week", "weeks"), PeriodUnit.MONTH: ("month", "months")}
KILO = 1_000
HOUR_S, DAY_S = 3_600, 86_400


def money(cents: int, language: Language) -> str:
    """``Ksh 50``, as on M-Pesa's messages."""
    return money_text(cents, language)


def length(seconds: int, language: Language) -> str:
    """A length of time in the largest unit that tells it well; what is begun counts as whole."""
    if seconds >= 2 * DAY_S:
        return text("days", language, count=-(-seconds // DAY_S))
    if seconds == HOUR_S:
        return text("hour", language)
    if seconds > HOUR_S and (seconds % HOUR_S == 0 or seconds >= 6 * HOUR_S):
        return text("hours", language, count=-(-seconds // HOUR_S))
    return text("minutes", language, count=-(-seconds // 60))


def size(count: int) -> str:
    """Bytes as mobile operators count them: ``850 MB``, ``1.5 GB``."""
    mega = count / KILO**2
    if mega < KILO:
        return f"{int(mega)} MB"
    return f"{mega / KILO:.1f}".removesuffix(".0") + " GB"


def speed(bps: int) -> str:
    """Bits per second: ``5 Mbps``."""
    if bps < KILO**2:
        return f"{bps // KILO} kbps"
    return f"{bps / KILO**2:.1f}".removesuffix(".0") + " Mbps"


def instant(at: int, now: int, zone: str, language: Language) -> str:
    """A time on the wall of the site: ``today 18:30``, ``26/11 18:30``."""
    there, here = calendar.local(at, zone), calendar.local(now, zone)
    days = (there.date() - here.date()).days
    clock = f"{there:%H:%M}"
    if days in {0, 1}:
        return text("tomorrow" if days else "today", language, time=clock)
    return f"{there:%d/%m} {clock}" if there.year == here.year else f"{there:%d/%m/%Y}"


def lasts(terms: Terms, language: Language) -> str:
    """How long a package is good for."""
    window = terms.window
    if window.unit is PeriodUnit.SECOND:
        return length(window.count, language)
    one, many = _UNITS[window.unit]
    return text(one, language) if window.count == 1 else text(many, language, count=window.count)


def gets(package: Package, language: Language) -> list[str]:
    """What one gets, a few words each."""
    terms = package.terms
    said = [lasts(terms, language)]
    if terms.window.start is WindowStart.FIRST_LOGIN:
        said[0] += " " + text("from_first", language)
    if terms.quota_bytes is None:
        said.append(text("unlimited", language))
    else:
        said.append(text("data", language, size=size(terms.quota_bytes)))
    if terms.quota_s is not None:
        said.append(text("use_time", language, length=length(terms.quota_s, language)))
    if terms.period is not None:
        said[-1] += " " + text(f"per_{terms.period.value}", language)
    if terms.rate is not None:
        said.append(text("speed", language, speed=speed(terms.rate.down_bps)))
    if terms.devices > 1:
        said.append(text("devices", language, count=terms.devices))
    return said
