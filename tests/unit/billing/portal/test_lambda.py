"""The same app behind API Gateway: events of payload format 2.0 as it sends them."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from billing.portal import lambda_function
from billing.portal.limits import LIMITS, Gate
from radius.domain.identity import NasId
from radius.domain.nas import Family, Router
from tests.contract.billing.values import PACKAGE
from tests.fakes.portal import DEVICE, SITE, selling_process

KEY = {"idempotency-key": "a-key-of-this-page", "content-type": "application/json"}


def event(method: str, path: str, body: str = "", source: str = "198.51.100.7", **headers: str) -> dict[str, Any]:
    """Shape: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "abc.execute-api.af-south-1.amazonaws.com", **headers},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc",
            "domainName": "abc.execute-api.af-south-1.amazonaws.com",
            "domainPrefix": "abc",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": source,
                "userAgent": "Mozilla/5.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "25/Nov/2026:10:00:00 +0000",
            "timeEpoch": 1795600800000,
        },
        "body": body,
        "isBase64Encoded": False,
    }


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Stores that were opened."""
    opened = selling_process(tmp_path, monkeypatch)
    loop = asyncio.new_event_loop()  # the adapter would make one and never close it
    asyncio.set_event_loop(loop)
    yield opened
    asyncio.set_event_loop(None)
    loop.close()
    lambda_function.portal().close()
    lambda_function.portal.cache_clear()
    lambda_function._adapter.cache_clear()
    lambda_function._lines.cache_clear()
    lambda_function._edge_key.cache_clear()


def ask(*args: Any, **headers: str) -> tuple[int, Any]:
    answer = lambda_function.handler(event(*args, **headers), None)
    return answer["statusCode"], json.loads(answer["body"])


def test_it_is_wired_once_and_answers(opened: list[Any]) -> None:
    assert opened == []
    status, body = ask("GET", f"/api/v1/sites/{SITE}/packages")
    assert (status, [each["id"] for each in body["packages"]]) == (200, ["standard.1"])
    assert ask("GET", "/api/v1/health/ready") == (200, {"status": "ok"})
    assert len(opened) == 1


def test_bodies_headers_and_problems_get_through(opened: list[Any]) -> None:
    purchase = {"phone": "0712345678", "package": PACKAGE.id, "site": SITE, "device": DEVICE}
    status, body = ask("POST", "/api/v1/checkouts", json.dumps(purchase), **KEY)
    assert (status, body["code"]) == (502, "not_sent")  # no provider is set up
    status, body = ask("POST", "/api/v1/checkouts", json.dumps({**purchase, "phone": "1"}), **KEY)
    assert (status, [slip["field"] for slip in body["errors"]]) == (422, ["phone"])
    assert ask("POST", "/pay/stk/" + "0" * 32, "{}")[0] == 404


def test_a_page_its_cookie_and_its_script_get_through(opened: list[Any]) -> None:
    core = lambda_function.portal().process.core
    core.provision.router(Router(NasId("kilifi-1"), SITE, Family.MIKROTIK, ("10.8.0.2",)), "a-secret-of-it-0000")
    typed = {"content-type": "application/x-www-form-urlencoded"}
    answer = lambda_function.handler(event("POST", "/w/kilifi-1", f"mac={DEVICE}", **typed), None)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    assert "Pay with M-Pesa" in answer["body"]
    (cookie,) = answer["cookies"]
    assert cookie.startswith("wb=")
    front = lambda_function.handler({**event("GET", "/"), "cookies": [cookie.partition(";")[0]]}, None)
    assert "Pay with M-Pesa" in front["body"]
    script = re.findall(r'src="([^"]+)"', answer["body"])[0]
    assert "use strict" in lambda_function.handler(event("GET", script), None)["body"]


@pytest.fixture
def still(opened: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes: what was asked in a second is counted as such on a busy machine too."""
    now = time.monotonic() + 3_600  # no deadline that is made of it has passed by the store's own clock
    monkeypatch.setattr(time, "monotonic", lambda: now)


@pytest.mark.usefixtures("still")
def test_an_address_is_the_callers_and_no_header_changes_it(opened: list[Any]) -> None:
    lambda_function.portal()
    answers = [
        ask("GET", "/api/v1/health/live", "", "198.51.100.7", **{"x-forwarded-for": f"192.0.2.{number % 250}"})[0]
        for number in range(LIMITS[Gate.REQUESTS].burst + 200)
    ]
    assert 429 in answers
    assert ask("GET", "/api/v1/health/live", "", "198.51.100.8")[0] == 200


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(
    ("key", "limited"), [("the-edges-own-secret", False), ("guessed", True), ("", True), ("not-ascii-\u00e9", True)]
)
def test_behind_cloudfront_an_address_is_the_viewers_if_the_edge_says_so(
    opened: list[Any], monkeypatch: pytest.MonkeyPatch, key: str, limited: bool
) -> None:
    monkeypatch.setenv("EDGE", "the-edges-own-secret")
    monkeypatch.setenv("WIFIBILLING_PORTAL_EDGE_KEY_REF", "env:EDGE")
    lambda_function.portal()
    answers = set()
    for number in range(LIMITS[Gate.REQUESTS].burst + 200):
        said = {"x-edge-viewer": f"192.0.2.{number % 250}", **({"x-edge-key": key} if key else {})}
        answers.add(ask("GET", "/api/v1/health/live", "", "198.51.100.7", **said)[0])
    assert (429 in answers) is limited
