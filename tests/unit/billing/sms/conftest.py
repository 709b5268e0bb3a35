from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.sms_gateway import SmsGateway


@pytest.fixture
def gateway() -> Iterator[SmsGateway]:
    double = SmsGateway()
    yield double
    double.close()


@pytest.fixture
def transport() -> Iterator[httpx.HTTPTransport]:
    with httpx.HTTPTransport() as opened:
        yield opened
