"""A small blackout in the ordinary run; `tests/sim/run_blackout.py` plays 20,000 sessions and tells what grows."""

import pytest

from tests.sim.blackout import LIT_S, Blackout
from tests.sim.plan import T0

ROUTERS = 12


def test_after_a_blackout_everybody_is_back_and_nothing_of_before_stays() -> None:
    report = Blackout(ROUTERS).run()
    assert report.sessions > 9 * ROUTERS
    assert 0 < report.back_s <= report.right_s
    assert report.to_routers > 0  # some were cut: blocked, or out of data


def test_who_is_kept_out_is_told_of() -> None:
    world = Blackout(ROUTERS)

    def deaf() -> None:
        for node in world.stage.nodes:
            node.packets_per_s = 0

    world.stage.at(T0 + LIT_S, deaf)
    with pytest.raises(AssertionError, match="who may be online are not"):
        world.run()
