"""A report's page in a real browser: by day and by night, on the smallest phone and on paper."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from billing.cli.report_lines import groups
from billing.reports.page import page
from tests.e2e.test_chromium import CHROMIUM, SMALL, TAGS
from tests.unit.billing.sample_report import sample

pytestmark = pytest.mark.integration

# Texts of one drawing whose boxes overlap by more than a pixel or stick out of it.
CLASHES = """() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
  const whole = svg.getBoundingClientRect();
  const boxes = [...svg.querySelectorAll('text')].filter(text => text.textContent.trim())
    .map(text => [text.textContent, text.getBoundingClientRect()]).filter(([, box]) => box.width > 0);
  const out = boxes.filter(([, box]) => box.right > whole.right + 1 || box.left < whole.left - 1).map(([text]) => text);
  const hit = boxes.flatMap(([one, a], at) => boxes.slice(at + 1).filter(([, b]) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1
  ).map(([two]) => one + ' on ' + two));
  return [...out, ...hit];
})"""

# Words of tables that go on in another line.
BROKEN = """() => [...document.querySelectorAll('td')].flatMap(cell => [...cell.childNodes].flatMap(text =>
  [...text.data.matchAll(/[^\\s-]+/g)].filter(word => {
    const range = document.createRange();
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    return range.getClientRects().length > 1;
  }).map(word => word[0])))"""


def test_it_is_legible(tmp_path: Path) -> None:
    if not Path(CHROMIUM).exists():
        pytest.skip("needs Debian's chromium")
    for name, report in {"month": sample(31), "day": sample(1), "nothing": sample(7, empty=True)}.items():
        (tmp_path / f"{name}.html").write_text(page(report, groups(report, by_day=False)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for scheme, view in (("light", {"width": 1100, "height": 800}), ("dark", SMALL)):
            context = browser.new_context(viewport=view, color_scheme=scheme)  # type: ignore[arg-type]
            for file in sorted(tmp_path.glob("*.html")):
                tab = context.new_page()
                asked: list[str] = []
                tab.on("request", lambda request, asked=asked: asked.append(request.url))
                tab.goto(file.as_uri())
                assert asked == [file.as_uri()]
                check(tab)
                tab.screenshot(path=tmp_path / f"{file.stem}-{scheme}.png", full_page=True)
                tab.close()
            context.close()
        browser.close()


def check(tab: Page) -> None:
    width = tab.viewport_size["width"] if tab.viewport_size else 0
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(CLASHES) == []
    assert tab.evaluate(BROKEN) == []
    found = Axe().run(tab, options={"runOnly": {"type": "tag", "values": TAGS}})
    assert found.violations_count == 0, found.generate_report()
