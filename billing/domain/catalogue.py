"""A catalogue to begin with: prices and names as an example. Operators make versions of their own."""

from billing.domain.package import Package, Trial, Visibility
from radius.domain.terms import ExtraDevice, PeriodUnit, Rate, Service, Terms, Window, WindowStart

GIB = 1024**3
HOUR_S = 3_600


def _mbit(up: int, down: int) -> Rate:
    return Rate(up * 1_000_000, down * 1_000_000)


def _window(count: int, unit: PeriodUnit) -> Window:
    return Window(WindowStart.PURCHASE, count, unit)


_DAY = _window(1, PeriodUnit.DAY)
_MONTH = _window(1, PeriodUnit.MONTH)

CATALOGUE = (
    Package(
        "trial",
        1,
        "Free 15 minutes",
        "Dakika 15 bure",
        0,
        Terms("trial.1", _window(900, PeriodUnit.SECOND), quota_bytes=GIB // 10, rate=_mbit(1, 2)),
        order=0,
        trial=Trial(days=30, site_a_day=50),
    ),
    Package(
        "hour",
        1,
        "1 hour",
        "Saa 1",
        1_000,
        Terms("hour.1", _window(HOUR_S, PeriodUnit.SECOND), rate=_mbit(2, 4)),
        order=10,
    ),
    Package("day", 1, "Day", "Siku", 3_000, Terms("day.1", _DAY, rate=_mbit(2, 3)), order=20),
    Package(
        "standard",
        1,
        "Standard: a day, 2 devices",
        "Kawaida: siku, vifaa 2",
        5_000,
        Terms("standard.1", _DAY, rate=_mbit(3, 6), devices=2),
        order=30,
    ),
    Package(
        "week", 1, "Week", "Wiki", 20_000, Terms("week.1", _window(1, PeriodUnit.WEEK), rate=_mbit(3, 5)), order=40
    ),
    Package("month", 1, "Month", "Mwezi", 70_000, Terms("month.1", _MONTH, rate=_mbit(3, 5)), order=50),
    Package(
        "data-1gb",
        1,
        "1 GB, 7 days",
        "GB 1, siku 7",
        5_000,
        Terms("data-1gb.1", _window(7, PeriodUnit.DAY), quota_bytes=GIB, rate=_mbit(5, 10)),
        order=60,
    ),
    Package(
        "data-5gb",
        1,
        "5 GB, 30 days",
        "GB 5, siku 30",
        20_000,
        Terms("data-5gb.1", _window(30, PeriodUnit.DAY), quota_bytes=5 * GIB, rate=_mbit(5, 10)),
        order=70,
    ),
    Package(
        "family",
        1,
        "Family: 20 GB, 5 devices, month",
        "Familia: GB 20, vifaa 5, mwezi",
        100_000,
        Terms(
            "family.1",
            _MONTH,
            quota_bytes=20 * GIB,
            rate=_mbit(5, 10),
            slow_rate=_mbit(1, 1),
            devices=5,
            extra_device=ExtraDevice.REPLACE_OLDEST,
        ),
        order=80,
    ),
    Package(
        "home",
        1,
        "Home line, month",
        "Nyumbani, mwezi",
        200_000,
        Terms("home.1", _MONTH, service=Service.PPPOE, rate=_mbit(5, 10)),
        visibility=Visibility.DESK,
        order=90,
    ),
)
