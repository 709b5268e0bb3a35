"""Metrics Insights: what CloudWatch takes, and nothing else.

Source: CloudWatch user guide, "Metrics Insights query components and syntax"::

    SELECT FUNCTION(metricName) FROM namespace | SCHEMA(namespace [, labelKey [, ...]])
    [WHERE labelKey = | != 'value' [AND ...]] [GROUP BY labelKey [, ...]]
    [ORDER BY FUNCTION() [ASC | DESC]] [LIMIT number]
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tests.insights.lex import Reader, Rejected, tokens

FUNCTIONS = frozenset({"AVG", "COUNT", "MAX", "MIN", "SUM"})
LIMIT_MAX = 500
CHARACTERS_MAX = 10_000
_TOKENS = re.compile(
    r"""(?P<space>\s+)|(?P<text>'[^']*')|(?P<quoted>"[^"]+")|(?P<number>\d+)|(?P<name>[A-Za-z_]\w*)|(?P<op>!=|[=(),])"""
)
_WORDS = frozenset({"SELECT", "FROM", "SCHEMA", "WHERE", "AND", "GROUP", "ORDER", "BY", "LIMIT", "ASC", "DESC"})


Datum = tuple[str, Mapping[str, str], Iterable[float]]  # name, all dimensions, values


class Query(NamedTuple):
    """`schema`: the exact set of dimensions, None for any."""

    function: str
    metric: str
    namespace: str
    schema: tuple[str, ...] | None
    where: tuple[tuple[str, str, str], ...]
    group_by: tuple[str, ...]
    descending: bool | None
    limit: int | None


def parse(text: str) -> Query:
    """Raises Rejected for what CloudWatch would not run."""
    if len(text) > CHARACTERS_MAX:
        raise Rejected("longer than 10,000 characters")
    reader = Reader([t._replace(text=t.text.upper()) if t.text.upper() in _WORDS else t for t in tokens(text, _TOKENS)])
    reader.need("SELECT")
    function, metric = _call(reader)
    if not metric:
        raise Rejected(f"{function} of what")
    reader.need("FROM")
    namespace, schema = _source(reader)
    where = _where(reader)
    group_by = _names(reader) if reader.have("GROUP", "BY") else ()
    descending = _order(reader)
    limit = int(reader.need_kind("number")) if reader.have("LIMIT") else None
    if limit is not None and not 0 < limit <= LIMIT_MAX:
        raise Rejected(f"a limit is 1 to {LIMIT_MAX}")
    if reader.peek().kind != "end":
        raise Rejected(f"nothing more expected, not {reader.peek().text!r}")
    return Query(function, metric, namespace, schema, where, group_by, descending, limit)


def _label(reader: Reader) -> str:
    token = reader.take()
    if token.kind == "quoted":
        return token.text[1:-1]
    if token.kind != "name" or token.text in _WORDS:
        raise Rejected(f"a name expected, not {token.text!r}; others than [A-Za-z0-9_] go in double quotes")
    return token.text


def _call(reader: Reader) -> tuple[str, str]:
    function = reader.take().text.upper()
    if function not in FUNCTIONS:
        raise Rejected(f"{function} is no function")
    reader.need("(")
    metric = "" if reader.peek().text == ")" else _label(reader)
    reader.need(")")
    return function, metric


def _source(reader: Reader) -> tuple[str, tuple[str, ...] | None]:
    if not reader.have("SCHEMA"):
        return _label(reader), None
    reader.need("(")
    namespace, labels = _label(reader), []
    while reader.have(","):
        labels.append(_label(reader))
    reader.need(")")
    return namespace, tuple(labels)


def _where(reader: Reader) -> tuple[tuple[str, str, str], ...]:
    found: list[tuple[str, str, str]] = []
    while reader.have("AND") if found else reader.have("WHERE"):
        label, operator = _label(reader), reader.take().text
        if operator not in ("=", "!="):
            raise Rejected(f"{operator!r}: only = and !=")
        found.append((label, operator, reader.need_kind("text")[1:-1]))
    return tuple(found)


def _names(reader: Reader) -> tuple[str, ...]:
    found = [_label(reader)]
    while reader.have(","):
        found.append(_label(reader))
    if reader.peek().text == "(":
        raise Rejected(f"{found[-1]}(...): there are no functions over time, the period of the widget is the bin")
    return tuple(found)


def _order(reader: Reader) -> bool | None:
    if not reader.have("ORDER", "BY"):
        return None
    _, metric = _call(reader)
    if metric:
        raise Rejected("ORDER BY takes a function without a name")
    descending = reader.have("DESC")
    if not descending:
        reader.have("ASC")
    return descending


def run(query: Query, data: Iterable[Datum]) -> list[tuple[tuple[str, ...], float]]:
    """What a query says of data of one period and one namespace: labels and value, in its order."""
    groups: dict[tuple[str, ...], list[float]] = {}
    for name, dims, values in data:
        if name != query.metric or (query.schema is not None and set(dims) != set(query.schema)):
            continue
        if all((dims.get(label) == value) == (operator == "=") for label, operator, value in query.where):
            groups.setdefault(tuple(dims.get(label, "") for label in query.group_by), []).extend(values)
    how = {"SUM": sum, "MAX": max, "MIN": min, "COUNT": len, "AVG": lambda values: sum(values) / len(values)}
    rows = [(labels, float(how[query.function](values))) for labels, values in groups.items()]
    if query.descending is not None:
        rows.sort(key=lambda row: row[1], reverse=query.descending)
    return rows[: query.limit]
