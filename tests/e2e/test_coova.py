"""The same story with a CoovaChilli: its challenge and response, with and without a secret, and no made-up address."""

from collections.abc import Iterator

import pytest

from radius.domain.nas import Family
from tests.e2e.stage import Stage
from tests.e2e.test_buy_and_log_in import look_until, pay
from tests.fakes.browser import Browser
from tests.fakes.chilli import Chilli
from tests.fakes.router_das import FakeDas, Manners
from tests.integration.box import SECRET as SHARED
from tests.integration.box import new_mac, new_phone, wait_until

pytestmark = pytest.mark.integration
SECRET = "uam-secret-of-the-site"


@pytest.fixture(scope="module", params=["", SECRET], ids=["bare", "secret"])
def chilli(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Chilli]:
    name, address = ("coova-keyed", "127.0.0.8") if request.param else ("coova-bare", "127.0.0.7")
    router = stage.box.add_router(name, address, family=Family.COOVA)
    stage.box.await_router(name, address)
    with Chilli(stage.box.router(name, address), f"{stage.url}/w/{name}", new_mac(), request.param) as made:
        stage.box.core.provision.login_page(router, [made.host], request.param)
        stage.await_pages(name)
        yield made


def test_a_customer_of_a_coova_pays_and_is_online(stage: Stage, chilli: Chilli, browser: Browser) -> None:
    chilli.mac = new_mac()
    browser.open(chilli.url)
    assert "Choose a package" in browser.text
    pay(stage, browser, new_phone())
    stage.daraja.step()
    look_until(browser, "Paid. Thank you!")
    assert "You are online" in browser.go()
    assert chilli.online
    assert "response" in chilli.logins[-1]
    again = Browser()
    chilli.router.stop(chilli.mac)
    again.open(chilli.url)
    assert "You are online" in again.go()
    again.close()


def test_an_address_that_somebody_changed_is_not_believed(chilli: Chilli, browser: Browser) -> None:
    chilli.mac = new_mac()
    changed = chilli.redirect("notyet").replace("10.1.0.9", "10.1.0.8")
    shown = browser.open(changed)
    if chilli.secret:
        assert browser.page.status_code == 422
        assert "cannot be used" in shown
    else:
        assert "Choose a package" in shown


def test_who_closed_the_page_is_let_in_by_a_request_to_the_router(stage: Stage, browser: Browser) -> None:
    """No page is open when the money comes: the sender names the entry that the redirect told of, with all limits."""
    name, address = "coova-closed", "127.0.0.9"
    with FakeDas(SHARED.encode(), Manners.COOVA, bind=address, nas_ip=address) as das:
        router = stage.box.add_router(name, address, family=Family.COOVA, coa_port=das.port)
        stage.box.await_router(name, address)
        with Chilli(stage.box.router(name, address), f"{stage.url}/w/{name}", new_mac()) as chilli:
            stage.box.core.provision.login_page(router, [chilli.host])
            stage.await_pages(name)
            entry = das.add(chilli.session, chilli.mac.replace(":", "-"), chilli.ip)
            entry.authorized = False
            browser.open(chilli.url)
            pay(stage, browser, new_phone())
            browser.close()
            stage.box.coa.start()
            try:
                stage.daraja.step()
                wait_until(lambda: entry.authorized, "the router is asked to let it in")
            finally:
                assert stage.box.coa.stop() == 0
    assert entry.limits["Session-Timeout"] == pytest.approx(3_600, abs=60)
    assert entry.limits["ChilliSpot-Max-Total-Octets"] == 500_000_000
