"""The document is true: nothing else is answered than it says, and everything that it says can be answered."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis import GenerationMode

from billing.domain.one_time import QUIET_S
from billing.portal import shield
from billing.portal.callbacks import Gate
from billing.portal.limits import LIMITS
from billing.portal.pages.visit import Seat
from billing.provider import Refused as PushRefused
from billing.store.rows import MemoryRows
from radius.domain.errors import Unavailable
from radius.domain.identity import MacAddress, parse_mac
from radius.store.memory import MemoryStore
from radius.store.open import memory_store
from tests.fakes.portal import API, DEVICE, PATH, SITE, Stand
from tests.unit.billing.portal.test_buying import customer
from tests.unit.billing.portal.test_me import code_of
from tests.unit.billing.portal.test_vouchers import CODE, printed
from tests.unit.billing.values import T0

EXAMPLES = 25  # of an operation, good and bad ones
ADDRESS = "198.51.100.7"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        stand = Stand(tmp_path_factory.mktemp("document"), memory_store(MemoryStore()), patch)
        found: dict[str, Any] = stand.ask("GET", f"{API}/openapi.json").json()
        stand.close()
    return found


def promises(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    """(method, path, status or code)."""
    found = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                codes = re.findall(r"`(\w+)`:", response["description"]) or [status]
                found |= {(method.upper(), path, code) for code in codes}
    return found


# -- everything that it says can be answered ---------------------------------------------------------------------------


def plain(stand: Stand, path: str, **fields: Any) -> httpx.Response:
    """A request of this operation that goes well if nothing is wrong."""
    if path == f"{API}/checkouts":
        return stand.buy(**fields)
    if path == f"{API}/vouchers/redeem":
        return stand.redeem(**{"code": CODE, **fields})
    if path in ACCOUNT:
        return stand.ask("POST", path, json={**ACCOUNT[path], **fields})
    return asked(stand, path, address(stand, path))


HERE = {"phone": "0712 345 678", "site": SITE, "device": DEVICE}
ACCOUNT = {
    f"{API}/sign-in": HERE,
    f"{API}/sign-in/confirm": {**HERE, "code": "000000"},
    f"{API}/me/devices/remove": {"device": DEVICE},
    f"{API}/me/notices": {"wanted": True},
}


def bearer(stand: Stand) -> dict[str, str]:
    signed = stand.deps.pages.signer.sign(Seat(customer(stand).id, MacAddress(parse_mac(DEVICE) or ""), stand.now))
    return {"Authorization": f"Bearer {signed}"}


def asked(stand: Stand, path: str, there: str) -> httpx.Response:
    """The operation of a path, at an address of it."""
    if path.endswith("/receipt"):
        return stand.ask("POST", there, json={"receipt": "TKP0000009"})
    if path.startswith("/pay/sms/") and path.endswith("/in"):
        return stand.ask("POST", there, content=b"from=%2B254712345678&text=STOP")
    if path.startswith("/pay/sms/"):
        return stand.ask("POST", there, content=b"id=ATX1&phoneNumber=%2B254712345678&status=Success")
    return stand.ask("POST" if path.startswith("/pay/") else "GET", there)


def address(stand: Stand, path: str) -> str:
    if "{token}" in path:
        push = stand.provider.pushes[0].token
        status = stand.deps.tokens.of(stand.billing.callbacks._stores.payments.due(T0 + 99, 1, 1e9)[0][0])
        path = path.replace("{token}", push if path.startswith("/pay") else status)
    return path.replace("{site}", SITE).replace("{secret}", PATH)


def limited(stand: Stand, path: str) -> httpx.Response:
    gate = Gate.STRANGERS if path.startswith("/pay") else Gate.REQUESTS
    for _ in range(LIMITS[gate].burst):
        stand.deps.gates.count(gate, ADDRESS)
    return plain(stand, path)


def away(stand: Stand, path: str, patch: pytest.MonkeyPatch) -> httpx.Response:
    there = address(stand, path) if "{" in path else path

    def fail(*_: object, **__: object) -> None:
        raise Unavailable("away")

    for name in ("get", "many", "partition", "due", "put_new", "transact"):
        patch.setattr(MemoryRows, name, fail)
    return plain(stand, path) if there == path else asked(stand, path, there)


def refused(stand: Stand, path: str, code: str) -> httpx.Response:
    """The rest: what one operation or two can answer."""
    strange = path.replace("{token}", "0" * 48).replace("{secret}", "0" * 32).replace("{site}", "elsewhere")
    if strange != path and code != "no_right":
        return asked(stand, path, strange)
    if code == "no_site":
        return plain(stand, path, site="elsewhere")
    if code in {"blocked", "code_over"}:
        printed(stand, redeem_by=T0 if code == "code_over" else 0)
        stand.core.provision.block(customer(stand).id, "chargeback" if code == "blocked" else "", T0)
    if code == "not_signed_in":
        del stand._client.headers["Authorization"]
    if code == "not_sent":
        stand.provider.answer = PushRefused("500.003.02", again=True)
    return plain(stand, path, **OTHERWISE.get(code, {}))


OTHER = "another-key-of-a-page"
OTHERWISE = {
    "not_sold": {"package": "other.1"},
    "phone_busy": {"key": OTHER},
    "not_sent": {"key": OTHER, "phone": "0110345678"},
}


async def slow() -> AsyncIterator[bytes]:
    await asyncio.sleep(30)
    yield b"{}"


def answer(stand: Stand, path: str, code: str, patch: pytest.MonkeyPatch) -> httpx.Response:
    if code == "too_many":
        return limited(stand, path)
    if code == "away":
        return away(stand, path, patch)
    if code in {"too_large", "too_slow", "invalid"}:
        patch.setattr(shield, "BODY_S_MAX", 0.01 if code == "too_slow" else 10.0)
        body = b"x" * (20_000 if code == "too_large" else 1)
        return stand.ask("POST", address(stand, path), content=slow() if code == "too_slow" else body)
    if code.isdigit():
        if path.endswith("/usage"):
            token = address(stand, path)
            stand.callback()
            return stand.ask("GET", token)
        if path.endswith("/redeem"):
            printed(stand)
        proof = {}
        if path.endswith("/confirm"):
            plain(stand, f"{API}/sign-in")
            proof = {"code": code_of(stand)}
        return plain(stand, path, **proof)
    return refused(stand, path, code)


def test_all_that_is_promised_can_happen(
    document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = []
    for number, (method, path, code) in enumerate(sorted(promises(document) - KEY_REUSED)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with monkeypatch.context() as patch:
            stand = Stand(folder, memory_store(MemoryStore()), patch)
            stand.buy()
            stand._client.headers.update(bearer(stand))
            found = answer(stand, path, code, patch)
        stand.close()
        shown = str(found.status_code) if code.isdigit() else found.json().get("code", found.text)
        if (found.request.method, shown) != (method, code):
            missing.append((method, path, code, shown))
    assert missing == []


KEY_REUSED = {("POST", f"{API}/checkouts", "key_reused")}  # proven in test_buying


# -- nothing else is answered than it says -----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_nothing_else_is_answered(stand: Stand) -> None:
    stand.buy()
    schema = schemathesis.openapi.from_asgi(f"{API}/openapi.json", stand.app)
    tried = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        tried.add((operation.method.upper(), operation.path))
        # A path is any text, and so is a callback's body: only what has a shape can be wrong.
        for mode in GenerationMode if path_has_shape(operation.path) else [GenerationMode.POSITIVE]:
            examine(stand, operation.as_strategy(generation_mode=mode))
    assert tried == {(method, path) for method, path, _ in promises(stand.app.openapi())}


def path_has_shape(path: str) -> bool:
    return path in {f"{API}/checkouts", f"{API}/vouchers/redeem", *ACCOUNT}


def examine(stand: Stand, cases: Any) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=cases)
    def run(case: schemathesis.Case) -> None:
        stand.monotonic += 60  # limits are tested elsewhere
        stand.now += QUIET_S  # so is how often a phone is sent a code
        case.call_and_validate(headers=bearer(stand))

    run()
