"""What logs on AWS say of a month: status codes of the API, cold starts of the functions."""

from collections.abc import Iterator
from functools import partial

from billing.cli.finding import Finding, untold, unwell, well
from billing.cli.ops.cloud import DAY_S, FUNCTIONS, Cloud
from billing.cli.ops.page import looked

COLD_MS_MAX, COLD_PERCENT_MAX = 5_000, 10
FAILED_PERCENT_MAX = 5
_REPORT = (
    'filter @type = "REPORT" | stats count(*) as runs, count(@initDuration) as cold, '
    "pct(@initDuration, 95) as slow, max(@maxMemoryUsed / @memorySize) as memory"
)
_STATUS = "stats count(*) as requests by status | sort requests desc | limit 20"


def api_log(cloud: Cloud) -> Iterator[Finding]:
    """Status codes of a month, the most frequent first."""
    rows = list(cloud.insights([f"/aws/apigateway/wifi-billing{cloud.suffix}"], _STATUS, 30 * DAY_S))
    counts = {row.get("status", "none"): int(row["requests"]) for row in rows}
    whole = sum(counts.values())
    if not whole:
        yield unwell("API log", "no line in 30 days", "Does the stage write access logs (AccessLogSettings)?")
        return
    for status, count in counts.items():
        text = f"{count:,} requests, {100 * count / whole:.1f} %"
        bad = status.startswith("5") and count * 100 > whole * FAILED_PERCENT_MAX
        yield (
            unwell(f"status {status}", text, "deploy/runbooks/portal-slow.md")
            if bad
            else well(f"status {status}", text)
        )


def cold_starts(cloud: Cloud) -> Iterator[Finding]:
    """Of each function, in the week that its log is kept."""
    for logical in FUNCTIONS:
        name = cloud.function(logical)
        yield from looked(f"cold starts of {name}", partial(_cold, cloud, name))


def _cold(cloud: Cloud, function: str) -> Iterator[Finding]:
    rows = list(cloud.insights([f"/aws/lambda/{function}"], _REPORT, 7 * DAY_S))
    row = rows[0] if rows else {}
    runs, cold = int(float(row.get("runs", 0))), int(float(row.get("cold", 0)))
    if not runs:
        yield untold(f"cold starts of {function}", "its log has no run of 7 days")
        return
    slow, memory = float(row.get("slow") or 0), float(row.get("memory") or 0)
    text = f"{cold:,} of {runs:,} runs, {100 * cold / runs:.1f} %, 95 of 100 within {slow:.0f} ms"
    text += f"; {memory:.0%} of its memory used at most"
    bad = slow > COLD_MS_MAX or cold * 100 > runs * COLD_PERCENT_MAX
    fix = "More MemorySize starts faster; a function that customers wait for may keep some warm."
    yield unwell(f"cold starts of {function}", text, fix) if bad else well(f"cold starts of {function}", text)
