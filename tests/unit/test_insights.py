"""Saved queries and widgets: CloudWatch would take them, and of lines that the real code wrote they say what is so."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.log_queries import QUERIES
from deploy.stacks import REVENUE_BY_PACKAGE
from radius.domain.identity import NasId, ReservationId
from radius.domain.subscriber import Session, SessionState
from radius.log import FIELDS, Pseudonyms, open_log
from radius.metrics import Recording
from radius.rlm.news import News
from radius.store.memory import MemoryStore
from radius.store.open import memory_store
from tests.fakes.portal import Stand
from tests.insights import logs, metrics
from tests.insights.lex import Rejected

ROOT = Path(__file__).parents[2]
RESERVED = ReservationId("res0000000")
BY_NAME = {query.name: query for query in QUERIES}
HOUR_MS = 3_600_000


def ask(name: str, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a saved query says of lines, one a minute."""
    events = [{"@timestamp": n * 60_000, "@message": json.dumps(line)} for n, line in enumerate(lines)]
    return logs.parse(BY_NAME[name].text).run(events)


# -- the queries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_a_saved_query_is_one_and_asks_for_what_lines_have(query: Any) -> None:
    assert logs.parse(query.text).shown
    assert set(re.findall(r"details\.(\w+)", query.text)) <= set(FIELDS)
    source = "".join(path.read_text() for room in ("radius", "coa", "billing") for path in (ROOT / room).rglob("*.py"))
    for message in re.findall(r'"([A-Z][a-z][^"]+)"', query.text):
        assert f'"{message}"' in source, f"nobody writes {message!r}"


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Stand(tmp_path, memory_store(MemoryStore()), monkeypatch)
    yield made
    made.close()


def test_of_payments_that_the_portal_took(stand: Stand) -> None:
    for number, code in enumerate(("0", "1032", "0", "1037", "1032", "26", "4711"), 1):
        stand.buy(f"a-key-of-this-page-{number}", phone=f"071234567{number}", device=f"02:00:00:00:00:0{number}")
        stand.callback(number, code=code, receipt=f"TKP000000{number}")
    lines = stand.lines()
    assert ask("Top revenue packages", lines) == [{"details.package": "standard", "revenue": 100, "payments": 2}]
    failed = ask("Failed payments", lines)
    ours = [line for line in lines if line["message"] == "Payment failed" and line["level"] == "ERROR"]
    assert ours, "a busy M-Pesa is no customer's fault"
    assert [row["details.transactionId"] for row in failed] == [line["details"]["transactionId"] for line in ours[::-1]]
    assert all(row["details.errorCode"] and row["details.errorMessage"] for row in failed)
    by_code = {(row["details.errorCode"], row["level"]): row["times"] for row in ask(*by_code_of(lines))}
    assert by_code["1032", "WARN"] == 2, "who cancels is no error"
    assert sum(by_code.values()) == sum(line["message"] == "Payment failed" for line in lines)


def by_code_of(lines: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    return "Payments that ended badly, by code", lines


def test_the_guides_own_words_find_nothing() -> None:
    """`like` minds case, and the message is written with a capital."""
    event = {"@timestamp": 0, "@message": '{"level": "ERROR", "message": "Payment failed"}'}
    guides = 'fields @timestamp | filter level = "ERROR" and message like /payment failed/'
    assert logs.parse(guides).run([event]) == []
    assert len(logs.parse(guides.replace("/payment", "/(?i)payment")).run([event])) == 1


def test_of_sessions_that_ended(tmp_path: Path) -> None:
    told = open_log(tmp_path / "log", strict=True)
    news = News(Recording(), told.logger)
    for number, length_s in enumerate((600, 1_200, 3_600)):
        session = Session(
            RESERVED, NasId("kilifi-1"), "aabbccddeeff", SessionState.CLOSED, 0, length_s, 0, time_s=length_s
        )
        news.ended(session, Pseudonyms(b"k").of("user", str(number)), "kilifi", "kilifi-1", f"r{number}")
    told.sink.close()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    hours = [{"@timestamp": at, "@message": json.dumps(line)} for at, line in zip((1, 2, HOUR_MS), lines, strict=True)]
    assert logs.parse(BY_NAME["Average session duration"].text).run(hours) == [
        {"hour": 0, "avgDuration": 900, "sessions": 2},
        {"hour": HOUR_MS, "avgDuration": 3_600, "sessions": 1},
    ]


def test_of_what_a_person_must_look_after_each_thing_once() -> None:
    def line(message: str, transaction: str) -> dict[str, Any]:
        return {"level": "ERROR", "message": message, "details": {"transactionId": transaction, "reason": "r"}}

    lines = [line("Payment needs a person", "p1"), line("Payment needs a person", "p1"), line("Payment failed", "p2")]
    rows = ask("Who must be looked after", [*lines, line("Paid and not online", "p1")])
    assert [(row["message"], row["@timestamp"]) for row in rows] == [
        ("Paid and not online", 180_000),
        ("Payment needs a person", 60_000),
    ]


def test_of_the_apis_own_access_log_and_of_functions_reports() -> None:
    lines: list[dict[str, Any]] = [{"route": "POST /buy", "status": "200", "ms": str(10 * n)} for n in range(1, 21)]
    assert ask("API: answers and their time (ms)", [*lines, {"level": "INFO"}]) == [
        {"route": "POST /buy", "status": "200", "answers": 20, "p95": 190, "most": 200}
    ]
    runs = [{"@timestamp": n, "@message": "REPORT", "@type": "REPORT"} for n in range(9)]
    runs[3]["@initDuration"] = 812.5
    (row,) = logs.parse(BY_NAME["Functions: cold starts"].text).run([*runs, {"@timestamp": 0, "@message": "START"}])
    assert (row["runs"], row["coldStarts"], row["slowest"]) == (9, 1, 812.5)


# -- what CloudWatch would not take ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "select * from logs",
        "filter message like payment",
        "filter message like /(unclosed/",
        "filter (level = 'ERROR'",
        "filter level = 'ERROR' | | limit 5",
        "filter level = 'ERROR' |",
        "fields @timestamp sort @timestamp",
        "stats avg(details.duration) by bin(1hour)",
        "stats avg(details.duration) by bin(60)",
        "stats mean(details.duration)",
        "stats sum(*)",
        "stats count(*) as n, sum(x) as n",
        "stats count(*) as n by message | sort details.duration desc",
        "sort @timestamp descending",
        "limit 0",
        "limit 10001",
        "limit ten",
        "filter ispresent()",
        "filter message in ('a', 'b')",
        "filter message in ['a', 'b'",
        "filter message not 'a'",
        "parse @message 'user=* took=*' as user",
        "parse @message /user=(\\w+)/",
        "filter message = 'never closed",
        "filter strlenn(message) > 3",
        "fields user-name; limit 1",
        "dedup",
    ],
)
def test_what_logs_insights_would_not_take(bad: str) -> None:
    with pytest.raises(Rejected):
        logs.parse(bad)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("filter a = 1", [0, 3]),
        ("filter a != 1 and ispresent(a)", [1]),
        ("filter not ispresent(a)", [2]),
        ("filter a >= 2 or b like 'x'", [0, 1]),
        ("filter b not like /X/", [0, 1, 2, 3]),
        ("filter b like /(?i)X/", [0]),
        ("filter b in ['x', 'y'] and a not in [2]", [0]),
        ("filter a + 1 = 2 # a comment | limit 1", [0, 3]),
        ("sort a desc, n desc | limit 2", [1, 3]),
        ("dedup a", [0, 1]),
        ("filter concat(b, 'z') = 'xz'", [0]),
        ("parse b /^(?<first>.)/ | filter first = 'y'", [1]),
    ],
)
def test_what_a_query_finds(query: str, wanted: list[int]) -> None:
    rows: list[dict[str, Any]] = [{"a": 1, "b": "x"}, {"a": "2", "b": "y"}, {}, {"a": 1.0}]
    events = [{"@timestamp": n, "@message": "", "n": n, **row} for n, row in enumerate(rows)]
    found = logs.parse(f"fields n | {query}").run(events)
    assert [row["n"] for row in found] == wanted


@pytest.mark.parametrize(
    "bad",
    [
        "SELECT SUM(Revenue) FROM \"WiFiBilling\" WHERE Package = 'standard' GROUP BY BIN(1d)",  # the guide's
        'SELECT SUM(Revenue) AS total FROM "WiFiBilling"',
        'SELECT P95(Latency) FROM "WiFiBilling"',
        'SELECT SUM() FROM "WiFiBilling"',
        'SELECT SUM(Revenue), SUM(Transactions) FROM "WiFiBilling"',
        "SELECT SUM(Errors) FROM AWS/Lambda",
        "SELECT SUM(Revenue) FROM \"WiFiBilling\" WHERE Package LIKE 'st%'",
        'SELECT SUM(Revenue) FROM "WiFiBilling" WHERE Package = "standard"',
        "SELECT SUM(Revenue) FROM \"WiFiBilling\" WHERE Package = 'a' OR Package = 'b'",
        'SELECT SUM(Revenue) FROM "WiFiBilling" ORDER BY SUM(Revenue)',
        'SELECT SUM(Revenue) FROM "WiFiBilling" LIMIT 501',
        'SELECT SUM(Revenue) FROM "WiFiBilling" GROUP BY Package HAVING SUM() > 1',
        "SUM(Revenue)",
    ],
)
def test_what_metrics_insights_would_not_take(bad: str) -> None:
    with pytest.raises(Rejected):
        metrics.parse(bad)


def test_revenue_by_package_counts_nothing_twice() -> None:
    """The same money is in two series, alone and by package: without a schema it would be added up."""
    here = {"Environment": "${Environment}"}
    data = [
        ("Revenue", here, [150.0]),
        ("Revenue", {**here, "Package": "day"}, [50.0]),
        ("Revenue", {**here, "Package": "week"}, [60.0, 40.0]),
        ("Revenue", {"Environment": "staging", "Package": "day"}, [999.0]),
    ]
    assert metrics.run(metrics.parse(REVENUE_BY_PACKAGE), data) == [(("week",), 100.0), (("day",), 50.0)]
    loose = metrics.parse("SELECT SUM(Revenue) FROM \"WiFiBilling\" WHERE Environment = '${Environment}'")
    assert metrics.run(loose, data) == [((), 300.0)]


# -- one box -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
def test_the_readmes_questions_have_answers_on_one_box(stand: Stand, tmp_path: Path) -> None:
    for number, code in enumerate(("0", "26"), 1):
        stand.buy(f"a-key-of-this-page-{number}", phone=f"071234567{number}", device=f"02:00:00:00:00:0{number}")
        stand.callback(number, code=code, receipt=f"TKP000000{number}")
    first = stand.lines()[0]
    ends = {"message": "Session terminated", "details": {"duration": 60}}
    refused = {"message": "Access rejected", "details": {"reason": "blocked"}}
    logs_folder = tmp_path / "log"
    logs_folder.mkdir()
    (logs_folder / "portal.log").write_text(stand.log_path.read_text())
    (logs_folder / "billing.log").touch()
    plain = "Wed Nov 25 14:51:15 2026 : Info: Ready\n42\n"  # FreeRADIUS's own, and JSON that is no object
    ours = "".join(f"{json.dumps(first | each)}\n{plain}" for each in (ends, refused))
    (logs_folder / "freeradius.log").write_text(plain + ours)
    (logs_folder / "engine.log").write_text(plain)
    asked = [line.strip() for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("    jq ")]
    assert len(asked) >= 6
    for line in asked:
        said = subprocess.run(
            ["bash", "-c", line.replace("user_0123456789abcdef", first["userId"])],
            cwd=logs_folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (said.returncode, said.stderr) == (0, ""), line
        assert said.stdout.strip() not in ("", "[]", "null"), line
