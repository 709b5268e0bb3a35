"""A controller without a log-in page of its own: the payer is let in by a request, and the page waits for that."""

import pytest

from radius.domain.nas import Family
from tests.e2e.stage import Stage
from tests.e2e.test_buy_and_log_in import look_until, pay
from tests.fakes.browser import Browser
from tests.fakes.router_das import FakeDas
from tests.integration.box import SECRET, new_mac, new_phone, wait_until

pytestmark = pytest.mark.integration


def test_a_payer_behind_a_controller_is_let_in_and_the_page_says_so(stage: Stage, browser: Browser) -> None:
    name, address, mac = "cisco-1", "127.0.0.10", new_mac()
    with FakeDas(SECRET.encode(), bind=address, nas_ip=address) as das:
        stage.box.add_router(name, address, family=Family.CISCO, coa_port=das.port)
        stage.box.await_router(name, address)
        stage.await_pages(name)
        controller = stage.box.router(name, address)
        das.add("0000A1", mac)
        browser.open(f"{stage.url}/w/{name}?client_mac={mac}&session=0000A1")
        pay(stage, browser, new_phone())
        stage.box.coa.start()
        try:
            stage.daraja.step()
            look_until(browser, "Paid. Thank you!")
            wait_until(lambda: das.heard, "the controller is asked to authenticate it again")
        finally:
            assert stage.box.coa.stop() == 0
    assert b"subscriber:command=reauthenticate" in das.heard[0].data
    assert controller.login(mac, mac, mac)[0]  # as it is asked to
    controller.start(mac)
    assert "You are online" in look_until(browser, "You are online")
