"""What an operator's dashboard sees of a node and its worker: each fact once, by the process that knows it."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.ports import free_port
from tests.integration.box import Box, new_mac, wait_until
from tests.integration.freeradius_lab import missing_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
NODE, WORKER = "metrics_port", "worker_metrics_port"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    ports = {NODE: free_port(), WORKER: free_port()}
    with Box(tmp_path / "box", proxied=True, overrides={**ports, "environment": "test"}) as one:
        yield one


def scrape(box: Box, who: str) -> dict[str, float]:
    """Series as `name` or `name{dimension}`; all of them say which environment they are of."""
    connection = HTTPConnection("127.0.0.1", box.overrides[who], timeout=5)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels.pop("environment") == "test"
            name = sample.name.removeprefix("wifibilling_").removesuffix("_total")
            found[name + "".join(f"{{{value}}}" for value in sample.labels.values())] = sample.value
    return found


def answers(box: Box, who: str) -> bool:
    try:
        return bool(scrape(box, who))
    except ConnectionRefusedError:
        return False


def terminated(path: Path) -> list[int]:
    lines = [json.loads(line) for line in path.read_text().splitlines() if "Session terminated" in line]
    return [line["details"]["duration"] for line in lines]


def test_each_fact_is_told_once_by_the_process_that_knows_it(box: Box) -> None:
    terms = box.terms("small.1", quota_bytes=5_000)
    (first, first_mac), (second, second_mac) = ((box.customer(terms), new_mac()) for _ in range(2))
    router = box.router()
    for phone, mac in ((first, first_mac), (second, second_mac)):
        assert router.login(phone, "karibu", mac)[0]
        router.start(mac)
        router.use(mac, 1_000, 2_000, 60)
        router.interim(mac)
    assert not router.login(first, "guessed", new_mac())[0]
    router.use(first_mac, 1_000, 1_500, 30)  # 500 more than there were
    router.interim(first_mac)
    router.stop(first_mac)
    box.worker.start()
    wait_until(lambda: answers(box, WORKER), "the worker is up")
    wait_until(lambda: scrape(box, WORKER).get("active_sessions") == 1, "one session is counted")

    assert box.proxy is not None
    box.proxy.refuse()
    router.use(second_mac, 0, 1_000, 40)
    router.stop(second_mac)
    wait_until(lambda: scrape(box, NODE).get("breaker_open") == 1, "the breaker opens")
    wait_until(lambda: scrape(box, NODE).get("spool_oldest_age_seconds", 0) > 0, "the spool has an age")
    box.proxy.listen_again()
    wait_until(lambda: scrape(box, WORKER)["replayed_packets"] == 1, "the worker plays the spool back")
    wait_until(lambda: scrape(box, NODE).get("breaker_open") == 0, "the breaker closes")

    node, worker = scrape(box, NODE), scrape(box, WORKER)
    assert (node["new_sessions"], worker["new_sessions"]) == (2, 0)
    assert (node["data_usage_bytes"], worker["data_usage_bytes"]) == (8_500, 1_000)
    assert (node["terminated_sessions"], worker["terminated_sessions"]) == (1, 1)
    assert (node["session_duration_seconds_sum"], worker["session_duration_seconds_sum"]) == (90, 100)
    assert (terminated(box.root / "radius.log"), terminated(box.root / "worker.log")) == ([90], [100])
    assert "active_sessions" not in node, "one publisher"
    assert (node["access_accepts"], node["access_rejects{bad_credentials}"]) == (2, 1)
    assert (node["overspend_bytes"], node["intents_committed{quota}"]) == (500, 1)
    assert node["spooled_packets"] == 1
    assert node["store_unanswered"] > 0
    for name in ("store_requests", "store_write_units", "store_grouped{write}", "cache_hits{subscriber}"):
        assert node[name] > 0, name
    assert node["store_wait_seconds"] / node["store_requests"] < 5, "seconds"
    for who in (node, worker):
        assert (who["metrics_dropped"], who["log_fields_dropped"], who["log_lines_dropped"]) == (0, 0, 0)


def test_the_age_of_an_empty_spool_is_nothing(box: Box) -> None:
    wait_until(lambda: scrape(box, NODE).get("spool_oldest_age_seconds") == 0, "a round")
