"""How what is live is asked, and for how long."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from deploy.on_aws import asking, templates
from deploy.on_aws.asking import PAUSES_S, smoke, status_of
from deploy.refusal import Refusal
from tests.fakes import https
from tests.unit.on_aws.cloud import Clouded

URL = "https://wifi.example"
NAME = "wifi.example.co.ke"


class Pages:
    """Each answers what is given, its last answer again and again; a stranger's callback is not found."""

    def __init__(self, **answers: list[int]) -> None:
        self.answers, self.slept, self.stranger = answers, 0.0, [404]

    def __call__(self, url: str, body: bytes | None) -> int:
        left = self.stranger if body is not None else self.answers.get(url.rpartition("/")[2], [200])
        return left.pop(0) if len(left) > 1 else left[0]

    def smoke(self) -> None:
        smoke(URL, self, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds


def test_a_page_that_does_not_answer_is_no_success_however_often_it_is_asked() -> None:
    pages = Pages(ready=[503])
    with pytest.raises(Refusal, match="ready answers 503"):
        pages.smoke()
    assert pages.slept == sum(PAUSES_S)


def test_slow_answers_of_a_busy_minute_undo_nothing() -> None:
    pages = Pages(live=[0, 503, 0, 200], ready=[504, 200])
    pages.stranger = [0, 0, 0, 429, 404]
    pages.smoke()


def test_what_is_broken_is_not_waited_for() -> None:
    pages = Pages(live=[500])
    with pytest.raises(Refusal, match="live answers 500"):
        pages.smoke()
    assert pages.slept == sum(PAUSES_S[:2])
    pages = Pages()
    pages.stranger = [200]
    with pytest.raises(Refusal, match="answers 200 to a stranger"):
        pages.smoke()
    assert not pages.slept


def outputs(domain: str) -> dict[str, Any]:
    """Of the stack of functions, as CloudFormation resolves them."""
    template = templates.load(templates.TEMPLATE.parent / "stacks" / "api.yaml")

    def said(value: Any) -> Any:
        if "Fn::If" in value:
            name, yes, no = value["Fn::If"]
            assert name == "OwnDomain"
            return said(yes if domain else no)
        if "Fn::Sub" in value:
            return value["Fn::Sub"].replace("${DomainName}", domain).replace("${Api}", "a1")
        return value

    found = template["Outputs"].items()
    return {name: said(each["Value"]) for name, each in found if domain or each.get("Condition") != "OwnDomain"}


def test_an_api_with_a_name_of_its_own_is_asked_by_it() -> None:
    """API Gateway's own address is switched off then: whoever asked there took every good version back."""
    own, plain = outputs(NAME), outputs("")
    assert own["ApiUrl"] == f"https://{NAME}"
    assert own["ApiTarget"] == {"Fn::GetAtt": ["Domain", "RegionalDomainName"]}
    assert plain["ApiUrl"].startswith("https://a1.execute-api.")
    assert "ApiTarget" not in plain


def test_it_is_asked_where_its_name_will_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def status(url: str, body: bytes | None, through: str) -> int:
        asked.append((url, through))
        return 200 if body is None else 404

    class Named(Clouded):
        def outputs(self) -> dict[str, str]:
            return {"ApiUrl": f"https://{NAME}", "ApiTarget": "d-1.execute-api.af-south-1.amazonaws.com"}

    monkeypatch.setattr(asking, "status_of", status)
    asking.verify(Named())
    assert {through for _, through in asked} == {"d-1.execute-api.af-south-1.amazonaws.com"}
    assert asked[0][0] == f"https://{NAME}/api/v1/health/live"


def test_a_name_that_leads_nowhere_yet_answers_at_its_target(tmp_path: Path) -> None:
    ours, strange = (https.certificate(tmp_path, 30, host) for host in (NAME, "other.example.co.ke"))
    trusting = ssl.create_default_context(cafile=str(ours))
    trusting.load_verify_locations(strange)
    url = f"https://{NAME}/api/v1/health/live"
    with https.serving(ours) as address:
        target = address.rpartition("/")[2].replace("localhost", "127.0.0.1")
        assert status_of(url, None, target, trusting) == 200
        assert status_of(f"{url}/not", None, target, trusting) == 404
        assert status_of(url, None, target) == 0  # a certificate that nobody vouches for
    with https.serving(strange) as address:
        target = address.rpartition("/")[2].replace("localhost", "127.0.0.1")
        assert status_of(url, None, target, trusting) == 0
    assert status_of(url, None, target, trusting) == 0  # nobody there
