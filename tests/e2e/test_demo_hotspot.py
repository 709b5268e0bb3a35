"""The demo's hotspot: phones come and go, and the router does what it is told."""

import pytest

from deploy.demo_hotspot import DemoHotspot
from tests.e2e.stage import ROUTER, Stage
from tests.integration.box import DAY, new_mac

pytestmark = pytest.mark.integration


def test_a_phone_comes_is_counted_is_cut_and_another_comes(stage: Stage) -> None:
    phone = stage.box.customer(DAY)
    with (
        stage.das() as das,
        DemoHotspot(stage.box.router(ROUTER), "http://127.0.0.1:9", new_mac(), chap=False) as hotspot,
    ):
        hotspot.told = lambda session: das.add(session, phone, hotspot.ip)
        hotspot.report()  # nobody is there
        status, _, to = hotspot.answer("/login", {"username": phone, "password": "karibu"})
        assert (status, to, hotspot.online) == (302, f"{hotspot.url}/status", True)
        hotspot.report()
        hotspot.obey(das)
        assert hotspot.online
        used = stage.box.aggregate(phone).sessions[0]
        assert (used.in_bytes, used.out_bytes, used.time_s) == (200_000, 3_000_000, 60)
        das.sessions.clear()
        hotspot.obey(das)
        assert not hotspot.online
        hotspot.answer("/login", {"username": phone, "password": "karibu"})
        before = hotspot.mac
        assert hotspot.answer("/another", {})[2] == f"{hotspot.url}/login"
        assert hotspot.mac != before
        assert before not in hotspot.router.sessions
        assert hotspot.mac in hotspot.page()
