"""The public status page: one file that needs nothing else, so that it can lie where it is up when we are not."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from billing.domain.brand import EVERYWHERE, FAULTS, Brand, SiteNotice, shown
from billing.portal.pages.render import Renderer
from billing.portal.pages.texts import text
from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.nas import Language


def status_page(brand: Brand, notices: Sequence[SiteNotice], now: int) -> str:
    """HTML of what is told now, in both languages, with times in East Africa and in UTC."""
    english, swahili = (partial(_text, language) for language in Language)
    told = [
        {
            "where": english("everywhere") if each.of == EVERYWHERE else each.of,
            "state": each.state.value,
            "bad": each.state in FAULTS,
            "english": each.english,
            "swahili": each.swahili,
            "at": _times(each.at),
            "until": _times(each.until),
        }
        for each in sorted(notices, key=lambda each: (each.state not in FAULTS, each.at))
        if shown(each, now)
    ]
    written = english("written", at=_times(now))
    return Renderer().file("status.html", brand, t=english, t_sw=swahili, told=told, written=written)


def _times(at: int) -> str:
    """``25/11 16:00 EAT (13:00 UTC)``."""
    return f"{calendar.local(at, ZONE_DEFAULT):%d/%m %H:%M} EAT ({datetime.fromtimestamp(at, UTC):%H:%M} UTC)"


def _text(language: Language, key: str, **values: object) -> str:
    return text(key, language, **values)
