"""The page of a report: whole in itself, whatever operators call things, and in words where there is nothing."""

import re
import sys
from html.parser import HTMLParser

import pytest

from billing.cli.report_lines import groups
from billing.reports.charts import charts
from billing.reports.page import page
from tests.unit.billing.sample_report import NAME, sample


def made(count: int = 30, *, empty: bool = False) -> str:
    report = sample(count, empty=empty)
    return page(report, groups(report, by_day=False))


class Tags(HTMLParser):
    """What a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        asks = {"src", "href", "xlink:href"}
        self.found += [f"{name}={value}" for name, value in attrs if name.startswith("on") or name in asks]
        self.found += [tag] if tag in {"script", "link", "img", "iframe", "object", "use", "image"} else []


@pytest.mark.parametrize("count", [1, 7, 31])
def test_it_runs_nothing_and_asks_nobody(count: int) -> None:
    tags = Tags()
    tags.feed(made(count))
    assert tags.found == []
    assert not re.search(r"url\(|@import|@font-face", made(count))


def test_the_plotting_library_leaves_imports_alone() -> None:
    assert [finder for finder in sys.meta_path if type(finder).__module__.startswith("pygal")] == []


def test_a_package_may_be_called_anything() -> None:
    text = made()
    assert NAME not in text
    assert "&lt;b&gt;day &amp; night&lt;/b&gt;" in text


def test_one_day_has_no_charts_of_days() -> None:
    assert {chart.title for chart in charts(sample(7))} - {chart.title for chart in charts(sample(1))} == {
        "Revenue by day", "Customers by day", "New customers by day", "Customers registered by day",
        "Most online at once", "Data by day",
    }  # fmt: skip
    assert "Sunday, 1 November 2026" in made(1)


def test_nothing_is_said_in_words() -> None:
    assert all(chart.svg is None for chart in charts(sample(7, empty=True)))
    text = made(7, empty=True)
    assert text.count("Nothing in this time.") == len(charts(sample(7, empty=True)))
    assert "<svg" not in text


def test_every_figure_of_the_terminal_is_on_it() -> None:
    report = sample()
    text = made()
    for _, lines in groups(report, by_day=False):
        for _, _, value in lines:
            assert f"<td>{value}</td>" in text


def test_what_came_late_and_days_that_are_not_over_are_marked() -> None:
    assert "Adjusted after close: KES 50 net of 2026-11-01" in made()
    assert "not over yet" not in made()
    report = sample()._replace(as_of=sample().as_of - 3 * 86_400)
    assert "not over yet" in page(report, [])
