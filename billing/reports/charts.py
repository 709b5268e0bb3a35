"""Charts of a report as SVG that stands in a page: no script, no font and no style from elsewhere.

A chart of nothing is None: the page says so in words. Colours of text and lines are the page's own (CSS variables), so
that they are legible by day, by night and on paper.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from pygal import PluginImportFixer
from pygal.graph.bar import Bar
from pygal.graph.horizontalbar import HorizontalBar
from pygal.graph.line import Line
from pygal.style import Style

from billing.domain.money import SHILLING_CENTS
from billing.reports.figures import WAYS
from billing.reports.gather import Report

# pygal leaves a finder for maps behind, of a kind that Python gave up: every later import would warn of it.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PluginImportFixer)]

WIDTH, HEIGHT = 400, 270  # of the drawing: a phone shows it at three quarters, and 14 is then still legible
BAR_HEIGHT, BARS_MAX = 34, 10
LABELS_MAX = 5  # of days below a chart
LABEL_CHARS_MAX = 22
CHAR_WIDTH = 8.5  # of a wide font at 14
FIGURE_GAP = 6  # between a bar and its figure
GREEN, ORANGE, BLUE, RED = "#1f8a4c", "#d9822b", "#2f6fbf", "#c0392b"
_INK, _FAINT = "var(--ink)", "var(--line)"

Series = Mapping[str, Sequence[float]]  # of each day


class Chart(NamedTuple):
    """`says`: what it shows, in a sentence. `svg` None: there is nothing to show."""

    title: str
    says: str
    svg: str | None


def charts(report: Report) -> list[Chart]:
    """All of a report; those of days only where there are several."""
    money, people, sessions, paying = report.revenue, report.people, report.sessions, report.paying
    days = list(money.by_day)
    several = len(days) > 1
    found = [
        Chart("Revenue by day", "Without tax, less what was given back that day.", _columns(
            days, {"net": [part.net_cents / SHILLING_CENTS for part in money.by_day.values()]}, [GREEN], _shillings)),
        Chart("Customers by day", "Who had a session or paid in the 30 days up to each day.", _lines(
            days, {"active": list(people.active_by_day.values())}, [BLUE])),
        Chart("New customers by day", "Who bought for the first time.", _columns(
            days, {"new": list(people.new_by_day.values())}, [GREEN], _count)),
        Chart("Customers registered by day", "Who proved a phone; a day without measurements shows nothing.", _columns(
            days, {"registered": [report.running.registered_by_day.get(day, 0) for day in days]}, [BLUE], _count)),
        Chart("Most online at once", "The busiest moment of each day.", _columns(
            days, {"online": [sessions.peak_by_day.get(day, 0) for day in days]}, [BLUE], _count)),
        Chart("Data by day", "Of sessions that ended that day.", _columns(
            days, {"GB": [sessions.bytes_by_day.get(day, 0) / 1e9 for day in days]}, [ORANGE], _gigabytes)),
    ] if several else []  # fmt: skip
    return [
        *found,
        Chart("Revenue by package", "Without tax, less refunds.", _bars(
            {name: part.net_cents / SHILLING_CENTS for name, part in money.by_package.items()}, GREEN, _shillings)),
        Chart("Revenue by site", "Of the customers who belong to each.", _bars(
            {name or "no site": part.net_cents / SHILLING_CENTS for name, part in money.by_site.items()},
            GREEN, _shillings)),
        Chart("How customers paid", "Sales, by what they were paid with.", _bars(
            {WAYS[name]: count for name, count in report.trade.by_way.items()}, BLUE, _count)),
        Chart("M-Pesa payments", "How those that were begun ended; failed by whose doing.", _bars(
            {"paid": paying.paid, "not decided yet": paying.open, **{
                f"failed: {name}": count for name, count in paying.by_class.items() if count}}, ORANGE, _count)),
        Chart("Why payments failed", "By M-Pesa's code.", _bars(
            {f"{each.code} {each.error_class}": each.payments for each in paying.by_code}, RED, _count)),
    ]  # fmt: skip


def _columns(days: Sequence[str], series: Series, colors: list[str], text: Callable[[float], str]) -> str | None:
    return _of_days(Bar(**_common(colors, text), rounded_bars=2), days, series)


def _lines(days: Sequence[str], series: Series, colors: list[str]) -> str | None:
    return _of_days(Line(**_common(colors, _count), dots_size=2, fill=True), days, series)


def _of_days(chart: Any, days: Sequence[str], series: Series) -> str | None:
    if not any(value for values in series.values() for value in values):
        return None
    dates = [date.fromisoformat(day) for day in days]
    chart.x_labels = [f"{day.day} {day:%b}" for day in dates]
    every = -(-len(days) // LABELS_MAX)
    chart.x_labels_major = chart.x_labels[::every]
    chart.show_minor_x_labels = False
    for name, values in series.items():
        chart.add(name, [round(value, 3) for value in values])
    return _svg(chart)


def _bars(values: Mapping[str, float], color: str, text: Callable[[float], str]) -> str | None:
    """The largest on top; what is beyond `BARS_MAX` is added up."""
    ordered = sorted(((name, value) for name, value in values.items() if value), key=lambda entry: -entry[1])
    if not ordered:
        return None
    rest = ordered[BARS_MAX:]
    shown = [*ordered[:BARS_MAX], *([(f"{len(rest)} others", sum(value for _, value in rest))] if rest else [])]
    common = _common([color], text) | {"height": 70 + BAR_HEIGHT * len(shown), "show_y_guides": False}
    chart: Any = HorizontalBar(
        **common, print_values=True, print_values_position="top", show_x_labels=False, rounded_bars=2
    )
    chart.x_labels = [_short(name) for name, _ in reversed(shown)]
    chart.range = _range(shown, text)
    chart.add("", [round(value, 3) for _, value in reversed(shown)])
    chart.add_xml_filter(_figures_beside)
    return _svg(chart)


def _range(shown: Sequence[tuple[str, float]], text: Callable[[float], str]) -> tuple[float, float]:
    """From the least to so much more than the most that its figure has room beside the bar."""
    values = [value for _, value in shown]
    names = max(len(_short(name)) for name, _ in shown) * CHAR_WIDTH
    room = (max(len(text(value)) for value in values) * CHAR_WIDTH + 2 * FIGURE_GAP) / (WIDTH - 30 - names)
    return min(0, *values), (max(values) / (1 - min(room, 0.7))) if max(values) > 0 else 1


def _short(name: str) -> str:
    return name if len(name) <= LABEL_CHARS_MAX else f"{name[: LABEL_CHARS_MAX - 1]}…"


def _common(colors: list[str], text: Callable[[float], str]) -> dict[str, Any]:
    style = Style(
        background="transparent", plot_background="transparent", colors=colors, transition="0s",
        foreground=_INK, foreground_strong=_INK, foreground_subtle=_INK, guide_stroke_color=_FAINT,
        major_guide_stroke_color=_FAINT, opacity=".9", font_family="inherit", label_font_size=14,
        major_label_font_size=14, value_font_size=14, value_colors=(_INK,) * 4, no_data_font_size=14,
    )  # fmt: skip
    return {
        "style": style, "width": WIDTH, "height": HEIGHT, "show_legend": False, "margin": 8, "formatter": text,
        "value_formatter": text, "include_x_axis": True, "js": (), "disable_xml_declaration": True,
        "min_scale": 3, "max_scale": 6, "truncate_label": -1,
    }  # fmt: skip


def _svg(chart: Any) -> str:
    chart.add_xml_filter(_without_scripts)
    return str(chart.render(is_unicode=True))


def _without_scripts(root: Any) -> Any:
    """Pygal's own is for tooltips, which paper and phones do not have."""
    for parent in root.iter():
        for script in [child for child in parent if str(child.tag).endswith("script")]:
            parent.remove(script)
    return root


def _figures_beside(root: Any) -> Any:
    """Pygal writes the figure across the end of its bar."""
    for text in root.iter():
        if text.get("class") == "value" and text.get("x"):  # not the hidden descriptions
            text.set("text-anchor", "start")
            text.set("x", f"{float(text.get('x')) + FIGURE_GAP:.1f}")
    return root


def _shillings(value: float) -> str:
    return f"KES {value:,.0f}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else ""  # half a customer is nobody


def _gigabytes(value: float) -> str:
    return f"{value:,.0f} GB" if value >= 10 or not value else f"{value:.2g} GB"
