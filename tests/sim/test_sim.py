"""A handful of seeds of the simulation in the ordinary run; `tests/sim/run.py` plays as many as there is time for."""

import pytest

from tests.sim.evening import Evening

SEEDS = 24


@pytest.mark.parametrize("seed", range(SEEDS))
def test_an_evening_comes_out_right(seed: int) -> None:
    Evening(seed).run()


def test_the_evenings_hold_what_they_are_meant_to_prove() -> None:
    """Requests of the real dispatcher, and a sender that dies at each of its steps."""
    requests, died = 0, set[str]()
    for seed in range(SEEDS):
        evening = Evening(seed)
        evening.run()
        requests += evening.senders.wire.requests
        died.update(evening.senders.deaths)
    assert requests > SEEDS
    assert died == {"claimed", "sent", "answered", "judged", "recorded"}


def test_a_seed_plays_the_same_evening_whatever_was_played_before() -> None:
    stories = []
    for before in (3, 4):
        Evening(before).run()
        evening = Evening(5)
        evening.run()
        stories.append({who: list(lines) for who, lines in evening.stage.stories.items()})
    assert stories[0] == stories[1]
    assert any(len(lines) > 20 for lines in stories[0].values())
