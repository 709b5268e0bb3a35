"""A handful of seeds of the simulation in the ordinary run; `tests/sim/run.py` plays as many as there is time for."""

import pytest

from tests.sim.evening import Evening

SEEDS = 24


@pytest.mark.parametrize("seed", range(SEEDS))
def test_an_evening_comes_out_right(seed: int) -> None:
    Evening(seed).run()


def test_a_seed_plays_the_same_evening_whatever_was_played_before() -> None:
    stories = []
    for before in (3, 4):
        Evening(before).run()
        evening = Evening(5)
        evening.run()
        stories.append({who: list(lines) for who, lines in evening.stage.stories.items()})
    assert stories[0] == stories[1]
    assert any(len(lines) > 20 for lines in stories[0].values())
