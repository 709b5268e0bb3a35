"""A site was down: who had a package gets one for it, once, whoever asks and however often it was interrupted."""

import pytest

from billing.cli.exits import Exit
from billing.services.grants import Grants
from radius.domain.identity import SubscriberId
from tests.contract.cli.isp import World

HOURS = ("--since", "2026-11-25 12:00", "--until", "2026-11-25 13:30")
SIGNED = ("--reason", "fibre cut", "--approved-by", "otieno", "--apply")
HERE = ("--site", "kilimani")
COUNTED = ("given", "before", "none")


@pytest.fixture
def down(world: World) -> World:
    """Two of Kilimani had a package and one had none; one of the lodge had one. It is later now."""
    world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")
    world("packages", "add", "hour", "--name", "Hour", "--price", "10", "--lasts", "1h")
    for number, site in enumerate(("kilimani", "kilimani", "lodge")):
        world.buys(customer(world, number, site), "daily.1", f"TKP000000{number}", phone=f"071234567{number}")
    world.clock.now += 7_200
    late = customer(world, 3, "kilimani")
    world.clock.now -= 60
    world.buys(late, "hour.1", "TKP0000009", phone="0712345673")
    world.clock.now += 60
    return world


def customer(world: World, number: int, site: str) -> SubscriberId:
    return world.registered(f"071234567{number}", site=site)


def rights(world: World, phone: str) -> list[str]:
    return [each["package"] for each in world("customers", "show", phone, "--json").json()["packages"]]


def counted(world: World, *words: str) -> tuple[int, ...]:
    row = world("sites", "credit", "hour", "--site", "kilimani", *HOURS, "--json", *words).json()
    return tuple(row[name] for name in COUNTED)


def test_it_is_counted_first_and_given_once_with_apply(down: World) -> None:
    ran = down("sites", "credit", "hour", "--site", "kilimani", *HOURS)
    assert (ran.code, "Dry run: 2 customers of kilimani would get hour.1, worth KES 20 together" in ran.out) == (
        0,
        True,
    )
    assert rights(down, "0712345670") == ["daily.1"]
    assert counted(down, *SIGNED) == (2, 0, 1)
    assert rights(down, "0712345670") == ["hour.1", "daily.1"]
    assert rights(down, "0712345672") == ["daily.1"]
    assert counted(down, *SIGNED) == (0, 2, 1)
    assert counted(down, *SIGNED, "--as", "otieno", "--approved-by", "mary") == (0, 2, 1)
    assert down("ledger", "check").code == Exit.DONE
    credits_ = sorted(outcome for _, what, _, outcome in down.deeds() if what == "sites credit")
    assert credits_ == ["done: 0 given, 2 had it", "done: 0 given, 2 had it", "done: 2 given, 0 had it"]


def test_what_was_interrupted_goes_on(down: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, given = Grants._give, []

    def until_the_second(grants: Grants, *rest: object) -> bool:
        if given:
            raise KeyboardInterrupt
        given.append(rest)
        return whole(grants, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Grants, "_give", until_the_second)
        ran = down("sites", "credit", "hour", "--site", "kilimani", *HOURS, *SIGNED)
        assert (ran.code, ran.out) == (Exit.INTERRUPTED, "")
    assert [outcome for _, what, _, outcome in down.deeds() if what == "sites credit"] == ["interrupted"]
    assert counted(down, *SIGNED) == (1, 1, 1)


REFUSED = [
    (("hour", *HERE, *HOURS, "--apply"), Exit.USAGE, "reason"),
    (("hour", *HERE, *HOURS, "--apply", "--reason", "x"), Exit.USAGE, "approved-by: must name a second person"),
    (("hour", *HERE, *HOURS, "--apply", "--reason", "x", "--approved-by", "mary"), Exit.USAGE, "second person"),
    (("hour", *HOURS, "--site", "nairobi"), Exit.USAGE, "nairobi is not known"),
    (("hour", *HOURS), Exit.USAGE, "site: say which was down"),
    (("gold", *HOURS, *HERE), Exit.USAGE, "gold"),
    (("hour", *HERE, *HOURS[:3], "2026-11-25 11:00"), Exit.USAGE, "until: must be after --since"),
    (("hour", *HERE, *HOURS[:3], "2026-11-26 11:00"), Exit.USAGE, "not in the future"),
    (("hour", *HERE, *HOURS[:3], "noon"), Exit.USAGE, "noon must be like"),
]


def test_what_is_not_done_is_said_and_nobody_gets_anything(down: World) -> None:
    for words, code, said in REFUSED:
        ran = down("sites", "credit", *words)
        assert (ran.code, ran.out) == (code, ""), words
        assert said in ran.err
    assert rights(down, "0712345670") == ["daily.1"]
