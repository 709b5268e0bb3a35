from collections.abc import Iterator

import pytest

from tests.e2e.stage import Stage
from tests.fakes.browser import Browser


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for all stories: each brings a device and a phone of its own."""
    with Stage(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()
