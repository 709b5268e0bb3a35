"""Packages: what may be sold, what a version may say, what costs nothing."""

import msgspec
import pytest

from billing.domain.catalogue import CATALOGUE
from billing.domain.package import (
    DAY_S,
    Door,
    Package,
    Trial,
    TrialRefusal,
    Tried,
    Visibility,
    check_next,
    check_package,
    for_sale,
    refuse_trial,
)
from radius.domain.errors import Malformed
from radius.domain.nas import Language
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart

NOW = 1_795_600_800
DAY = Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY)


def package(version: int = 1, **changes: object) -> Package:
    one = Package("day", version, "Day", "Siku", 3_000, Terms(f"day.{version}", DAY))
    return msgspec.structs.replace(one, **changes)


def test_the_default_catalogue_can_be_sold_and_the_portal_shows_it_in_order() -> None:
    for each in CATALOGUE:
        assert check_next(each, ()) is each
    offered = [each.code for each in for_sale(CATALOGUE, "kilimani", Door.PORTAL, NOW)]
    assert offered == ["trial", "hour", "day", "standard", "week", "month", "data-1gb", "data-5gb", "family"]
    assert [each.code for each in for_sale(CATALOGUE, "kilimani", Door.DESK, NOW)] == [*offered, "home"]
    assert {each.code: each.price_cents for each in CATALOGUE}["standard"] == 5_000


def test_a_package_has_a_name_in_each_language() -> None:
    assert package().id == "day.1"
    assert package().name(Language.ENGLISH) == "Day"
    assert package().name(Language.SWAHILI) == "Siku"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"code": ""}, "code: must be 1 to 24"),
        ({"code": "Day"}, "code: must be 1 to 24"),
        ({"code": "1day"}, "code: must be 1 to 24"),
        ({"code": "day.x"}, "code: must be 1 to 24"),
        ({"code": "d" * 25}, "code: must be 1 to 24"),
        ({"version": 0}, "version: must be at least 1"),
        ({"name_en": " "}, "name_en: must be 1 to 40"),
        ({"name_sw": "s" * 41}, "name_sw: must be 1 to 40"),
        ({"name_sw": "a\nb"}, "name_sw: must be 1 to 40"),
        ({"terms": Terms("day.2", DAY)}, "terms.id: must be day.1"),
        ({"terms": Terms("day.1", DAY, devices=0)}, "devices: must be at least 1"),
        ({"price_cents": 0}, "price_cents: must be more than 0; what costs nothing is a trial"),
        ({"price_cents": -100}, "price_cents: must be more than 0"),
        ({"price_cents": 3_050}, "price_cents: must be whole shillings up to 250,000"),
        ({"price_cents": 25_000_100}, "price_cents: must be whole shillings up to 250,000"),
        ({"trial": Trial(30, 5)}, "price_cents: must be 0 for a trial"),
        ({"trial": Trial(0, 5), "price_cents": 0}, "trial.days: must be 1 to 366"),
        ({"trial": Trial(367, 5), "price_cents": 0}, "trial.days: must be 1 to 366"),
        ({"trial": Trial(30, 0), "price_cents": 0}, "trial.site_a_day: must be at least 1"),
        ({"sale_starts_at": NOW, "sale_ends_at": NOW}, "sale_ends_at: must be after"),
        ({"terms": Terms("day.1", DAY, sites=("a", "b"))}, "sites: must be among a, b"),
        ({"terms": Terms("day.1", DAY, sites=("a",)), "sites": ("a", "b")}, "sites: must be among a"),
    ],
)
def test_what_cannot_be_sold_names_the_field_and_the_fix(changes: dict[str, object], words: str) -> None:
    with pytest.raises(Malformed) as refused:
        check_package(package(**changes))
    assert str(refused.value).startswith(words)


@pytest.mark.parametrize(
    "changes",
    [
        {"price_cents": 25_000_000},
        {"trial": Trial(366, 1), "price_cents": 0},
        {"terms": Terms("day.1", DAY, sites=("a", "b")), "sites": ("a",)},
        {"sites": ("a",)},
        {"sale_ends_at": NOW},
    ],
)
def test_what_can_be_sold(changes: dict[str, object]) -> None:
    assert check_package(package(**changes)).code == "day"


def test_versions_follow_each_other_and_never_change() -> None:
    first = package()
    assert check_next(first, ()) is first
    assert check_next(first, (first,)) is first
    assert check_next(package(2, price_cents=3_500), (first,)).id == "day.2"
    with pytest.raises(Malformed, match=r"version: day\.1 was sold with other content; make it 3"):
        check_next(package(price_cents=3_500), (first, package(2)))
    with pytest.raises(Malformed, match="version: must be 2, the next of day"):
        check_next(package(3), (first,))
    with pytest.raises(Malformed, match="version: must be 1, the next of day"):
        check_next(package(2), CATALOGUE[:2])


def ids(*packages: Package, site: str = "a", door: Door = Door.PORTAL) -> list[str]:
    return [each.id for each in for_sale(packages, site, door, NOW)]


def test_the_newest_version_that_has_begun_is_sold() -> None:
    assert ids(package(2), package()) == ["day.2"]
    assert ids(package(), package(2, sale_starts_at=NOW + 1)) == ["day.1"]
    assert ids(package(), package(2, sale_starts_at=NOW)) == ["day.2"]


def test_what_is_hidden_over_or_elsewhere_is_not_sold() -> None:
    assert ids(package(), package(2, visibility=Visibility.HIDDEN)) == []
    assert ids(package(), package(2, sale_ends_at=NOW)) == []
    assert ids(package(sale_ends_at=NOW + 1)) == ["day.1"]
    assert ids(package(sites=("b",))) == []
    assert ids(package(sites=("b",)), site="b") == ["day.1"]
    assert ids(package(visibility=Visibility.DESK)) == []
    assert ids(package(visibility=Visibility.DESK), door=Door.DESK) == ["day.1"]
    assert ids(package(visibility=Visibility.HIDDEN), door=Door.DESK) == []


@pytest.mark.parametrize(
    ("tried", "refusal"),
    [
        (Tried(phone_verified=True, device_at=0, phone_at=0, site_today=0), None),
        (Tried(phone_verified=False, device_at=0, phone_at=0, site_today=0), TrialRefusal.NO_PHONE),
        (Tried(phone_verified=True, device_at=NOW - 30 * DAY_S, phone_at=0, site_today=0), None),
        (Tried(phone_verified=True, device_at=NOW - 30 * DAY_S + 1, phone_at=0, site_today=0), TrialRefusal.DEVICE),
        (Tried(phone_verified=True, device_at=0, phone_at=NOW - 30 * DAY_S, site_today=0), None),
        (Tried(phone_verified=True, device_at=0, phone_at=NOW - 30 * DAY_S + 1, site_today=0), TrialRefusal.PHONE),
        (Tried(phone_verified=True, device_at=0, phone_at=0, site_today=4), None),
        (Tried(phone_verified=True, device_at=0, phone_at=0, site_today=5), TrialRefusal.SITE),
    ],
)
def test_a_trial_is_given_once_and_so_often_a_day(tried: Tried, refusal: TrialRefusal | None) -> None:
    assert refuse_trial(Trial(days=30, site_a_day=5), tried, NOW) is refusal
