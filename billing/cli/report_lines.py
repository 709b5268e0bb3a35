"""A report in lines: each figure under its group, as people read it."""

from collections.abc import Iterator, Mapping

from billing.cli.show import NONE, amount, size, span, when
from billing.domain.payment import BY_HAND, PaymentState
from billing.reports import people as folk
from billing.reports.figures import WAYS, Part
from billing.reports.gather import Report
from billing.reports.paying import Family
from billing.reports.running import CLOCKS, Clock

Line = tuple[str, str, str]  # figure, of what, value
Group = tuple[str, list[Line]]

UNKNOWN = "not recorded"
_FAMILIES = {Family.RESULT.value: "prompt", Family.PUSH.value: "not sent", Family.SILENCE.value: "silence"}
_CODES = {PaymentState.EXPIRED.value: "no answer", BY_HAND: "not paid by hand"}


def groups(report: Report, *, by_day: bool = True) -> Iterator[Group]:
    """All of them; without `by_day` those of the whole time alone."""
    yield "REVENUE (without tax)", _revenue(report)
    yield "SALES", _sales(report)
    yield "CUSTOMERS", _people(report, by_day=by_day and len(report.people.new_by_day) > 1)
    yield "SESSIONS", _sessions(report)
    yield "M-PESA", _paying(report)
    yield "M-PESA'S STATEMENT", _statement(report)
    yield "THE SERVICE", _running(report)
    yield "THIS REPORT", [("made", "", when(report.as_of)), ("definitions", "", f"version {report.definitions}")]


def _revenue(report: Report) -> list[Line]:
    money = report.revenue
    late = f"{money.late_entries} booked, on {', '.join(money.late_days)}" if money.late_entries else NONE
    return [
        ("gross", "", amount(money.gross_cents)),
        ("refunds", "", amount(money.refunds_cents)),
        ("net", "", amount(money.net_cents)),
        *_parts(money.by_package, ""),
        *_parts(money.by_site, "site "),
        ("tax", "", amount(money.tax_cents)),
        *(("taken", where.replace("_", " "), amount(cents)) for where, cents in money.taken_cents.items()),
        ("of it without a name", "", amount(money.unmatched_cents)),
        ("adjusted after close", late, amount(money.late_net_cents)),
    ]


def _parts(parts: Mapping[str, Part], kind: str) -> Iterator[Line]:
    for name, part in parts.items():
        of = f"{kind}{name}" if name else "no site"
        if part.refunds_cents:
            yield "gross", of, amount(part.gross_cents)
            yield "refunds", of, amount(part.refunds_cents)
        yield "net", of, amount(part.net_cents)


def _sales(report: Report) -> list[Line]:
    trade = report.trade
    return [
        ("count", "", str(trade.sales)),
        *(("count", WAYS[way], str(count)) for way, count in trade.by_way.items()),
        ("price, mean", "", amount(trade.mean_cents)),
        ("price, median", "", amount(trade.median_cents)),
        ("customers who paid", "", str(trade.payers)),
    ]


def _people(report: Report, *, by_day: bool) -> list[Line]:
    people = report.people
    return [
        ("active, mean of the days", "30 days", str(people.active)),
        ("new", "", str(people.new)),
        *(("new", day, str(count)) for day, count in people.new_by_day.items() if by_day),
        ("came back after 30 days", "", str(people.came_back)),
        ("net revenue", "an active customer (ARPU)", _maybe(people.arpu_cents)),
        ("net revenue", "a payer (ARPPU)", _maybe(people.arppu_cents)),
        *(line for churn in report.churn for line in _churn(churn)),
    ]


def _churn(churn: folk.Churn) -> Iterator[Line]:
    of = f"{churn.days} days" if churn.matured else f"{churn.days} days, provisional"
    yield "gone", of, f"{churn.gone} of {churn.at_start}"
    if churn.gone:
        yield "gone, share", of, percent(churn.share)
        yield "gone, and back later", of, str(churn.back)


def _sessions(report: Report) -> list[Line]:
    found = report.sessions
    return [
        ("ended", "", str(found.ended)),
        ("ended", "at once, not counted", str(found.empty)),
        ("length, mean", "", span(found.mean_s)),
        ("length, median", "", span(found.median_s)),
        ("length, nine of ten below", "", span(found.p90_s)),
        ("ended without a word of the router", "", str(found.reaped)),
        ("most at once", when(found.peak_at) if found.peak else "", str(found.peak)),
        ("data", "", size(found.data_bytes)),
        ("beyond what was sold", "", size(found.overspend_bytes)),
        *(("most data", customer, size(used)) for customer, used in found.top),
    ]


def _paying(report: Report) -> list[Line]:
    found = report.paying
    return [
        ("begun", "", str(found.begun)),
        ("paid", "", str(found.paid)),
        ("not decided yet", "", str(found.open)),
        ("paid", "of those decided", percent(found.success)),
        ("paid", "but for customers' own doing", percent(found.system)),
        ("paid", "of all", percent(found.conversion)),
        ("from prompt to money, median", "", span(found.wait_median_s)),
        ("from prompt to money, nine of ten below", "", span(found.wait_p90_s)),
        *(("failed", f"by {kind}", str(count)) for kind, count in found.by_class.items()),
        *(
            (
                f"failed, {_FAMILIES[each.family]}",
                f"{_CODES.get(each.code, each.code)} ({each.error_class})",
                f"{each.payments} ({percent(each.share)})",
            )
            for each in found.by_code
        ),
    ]


def _statement(report: Report) -> list[Line]:
    found = report.statement
    compared = found.compared_days
    counts = (
        ("receipts that agree", found.matched),
        ("missing here", found.missing_here),
        ("missing there", found.missing_there),
        ("another amount", found.different),
    )
    return [
        ("days compared", "", f"{compared} of {compared + len(found.open_days)}"),
        *((name, "", str(count) if compared else UNKNOWN) for name, count in counts),
    ]


def _running(report: Report) -> list[Line]:
    found = report.running
    return [
        ("days with measurements", "", f"{found.recorded_days} of {found.days}"),
        ("customers registered", "", str(sum(found.registered_by_day.values())) if found.recorded_days else UNKNOWN),
        *((CLOCKS[each.name], "50, 95, 99 of 100 within", within(each)) for each in found.clocks),
        *(
            (each.name, f"of {each.whole:,}" if each.whole else "", parts_of(each.millionths, each.part))
            for each in found.rates
        ),
    ]


def within(clock: Clock) -> str:
    """`5 ms, 25 ms, 1.5 s`; nothing recorded is said so, and is not 0."""
    if not clock.measured:
        return UNKNOWN
    return ", ".join(map(_seconds, (clock.p50_s, clock.p95_s, clock.p99_s)))


def _seconds(value: float | None) -> str:
    if value is None:
        return "longer"  # than the longest that is told apart
    return f"{value * 1000:g} ms" if value < 1 else f"{value:g} s"


def parts_of(millionths: int | None, part: int) -> str:
    """`0.02 % (7)`."""
    return UNKNOWN if millionths is None else f"{millionths / 10_000:.2f} % ({part:,})"


def _maybe(cents: int | None) -> str:
    return NONE if cents is None else amount(cents)


def percent(basis_points: int | None) -> str:
    """`98.7 %`; `-` for nothing to divide by."""
    return NONE if basis_points is None else f"{basis_points / 100:.1f} %"
