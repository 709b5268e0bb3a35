"""What tests of the stack share: the package for the Python that is here, and an emulator of AWS."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.on_aws import package
from tests.emulator.lab import Emulator, python_of_the_emulator
from tests.fakes.daraja import Daraja


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> package.Package:
    """An extension module fits one Python only: what Lambda's would be if it were the one that is here."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"  # which starts functions in the emulator
    return package.build(tmp_path_factory.mktemp("package") / "here.zip", python)


@pytest.fixture(scope="session")
def emulator_python() -> Path:
    return python_of_the_emulator()


@pytest.fixture(scope="module")
def emulator(emulator_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with Daraja() as daraja, Emulator(emulator_python, tmp_path_factory.mktemp("emulator"), daraja) as started:
        yield started
