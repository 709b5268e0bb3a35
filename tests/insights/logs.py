"""CloudWatch Logs Insights: a parser that takes no more than AWS does, and what a query says of captured lines.

Source: CloudWatch Logs user guide, "CloudWatch Logs Insights language query syntax". Left out, and so rejected, are
commands that our queries do not use (pattern, diff, anomaly, unmask, join, ...) and most functions.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from math import ceil
from typing import Any, NamedTuple

from tests.insights.lex import Reader, Rejected, Token, tokens

Row = dict[str, Any]
Value = Callable[[Row], Any]
LIMIT_MAX = 10_000
_TOKENS = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)|(?P<regex>/(?:[^/\\\n]|\\.)+/)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<number>\d+(?:\.\d+)?(?![\w.]))|(?P<period>\d+(?:ms|mo|s|m|h|d|w|q|y)(?!\w))"""
    r"""|(?P<name>@?[A-Za-z_][\w.]*|`[^`]+`)|(?P<op><=|>=|!=|=~|[|(),=<>*+\-\[\]^%])"""
)
_PERIOD_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_WORDS = frozenset({"and", "or", "not", "like", "in", "as", "by", "asc", "desc"})


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _strings(value: Any) -> str:
    return "" if value is None else str(value)


FUNCTIONS: dict[str, tuple[int, int, Callable[..., Any]]] = {  # fewest and most arguments
    "ispresent": (1, 1, lambda value: value is not None),
    "isempty": (1, 1, lambda value: value in (None, "")),
    "isblank": (1, 1, lambda value: not _strings(value).strip()),
    "coalesce": (1, 99, lambda *values: next((value for value in values if value is not None), None)),
    "strlen": (1, 1, lambda value: len(_strings(value))),
    "concat": (1, 99, lambda *values: "".join(map(_strings, values))),
    "tolower": (1, 1, lambda value: _strings(value).lower()),
    "toupper": (1, 1, lambda value: _strings(value).upper()),
    "strcontains": (2, 2, lambda value, part: int(_strings(part) in _strings(value))),
    "abs": (1, 1, lambda value: None if _number(value) is None else abs(float(value))),
    "ceil": (1, 1, lambda value: None if _number(value) is None else ceil(float(value))),
}


def _percentile(values: list[Any], percent: float) -> float | None:
    ordered = sorted(each for each in map(_number, values) if each is not None)
    return ordered[max(0, ceil(percent / 100 * len(ordered)) - 1)] if ordered else None


def _of_numbers(function: Callable[[list[float]], float]) -> Callable[..., Any]:
    def aggregate(rows: list[Row], value: Value) -> float | None:
        found = [each for each in (_number(value(row)) for row in rows) if each is not None]
        return function(found) if found else None

    return aggregate


def _edge(which: int) -> Callable[..., Any]:
    def aggregate(rows: list[Row], value: Value) -> Any:
        there = sorted((row["@timestamp"], n) for n, row in enumerate(rows) if value(row) is not None)
        return value(rows[there[which][1]]) if there else None

    return aggregate


AGGREGATES: dict[str, Callable[..., Any]] = {
    "sum": _of_numbers(sum),
    "avg": _of_numbers(lambda found: sum(found) / len(found)),
    "min": _of_numbers(min),
    "max": _of_numbers(max),
    "count": lambda rows, value: sum(value(row) is not None for row in rows),
    "count_distinct": lambda rows, value: len({value(row) for row in rows} - {None}),
    "earliest": _edge(0),
    "latest": _edge(-1),
    "pct": lambda rows, value, percent: _percentile([value(row) for row in rows], percent),
}


class Column(NamedTuple):
    """A column of a stats command: its name, and how rows become its value."""

    name: str
    value: Callable[[list[Row]], Any]


Step = Callable[[list[Row]], list[Row]]


class Query(NamedTuple):
    """`shown`: what a row has in the end."""

    steps: tuple[Step, ...]
    shown: tuple[str, ...]

    def run(self, events: Iterable[Mapping[str, Any]]) -> list[Row]:
        """Rows for events with ``@timestamp`` (milliseconds) and ``@message``; JSON in messages becomes fields."""
        rows = [found(event) for event in events]
        for step in self.steps:
            rows = step(rows)
        return [{name: row.get(name) for name in self.shown} for row in rows]


def found(event: Mapping[str, Any]) -> Row:
    """An event with the fields that CloudWatch discovers by itself."""
    row = dict(event)
    try:
        line = json.loads(event["@message"])
    except ValueError:
        line = None
    if isinstance(line, dict):
        _flatten(line, "", row)
    return row


def _flatten(value: Any, name: str, row: Row) -> None:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if pairs is None:
        if value is not None:
            row[name] = value
        return
    for key, each in pairs:
        _flatten(each, f"{name}.{key}" if name else str(key), row)


def parse(text: str) -> Query:
    """Raises Rejected for what CloudWatch would not run."""
    return _Parser(tokens(text, _TOKENS)).query()


class _Parser:
    def __init__(self, found_tokens: list[Token]) -> None:
        self.read = Reader(found_tokens)
        self.shown: list[str] = []
        self.known: set[str] | None = None  # after `stats`, only what it made is there

    def query(self) -> Query:
        steps = [self.command()]
        while self.read.have("|"):
            steps.append(self.command())
        if self.read.peek().kind != "end":
            raise Rejected(f"a pipe or nothing expected, not {self.read.peek().text!r}")
        return Query(tuple(steps), tuple(self.shown or ["@timestamp", "@message"]))

    def command(self) -> Step:
        name = self.read.need_kind("name")
        made: Step | None = getattr(self, f"_{name}", lambda: None)() if name in COMMANDS else None
        if made is None:
            raise Rejected(f"{name!r} is no command")
        return made

    # -- commands ------------------------------------------------------------------------------------------------------

    def _fields(self) -> Step:
        columns = self._list(self._named)
        self.shown += [name for name, _ in columns]

        def step(rows: list[Row]) -> list[Row]:
            return [row | {name: value(row) for name, value in columns} for row in rows]

        return step

    def _display(self) -> Step:
        self.shown = []
        return self._fields()

    def _filter(self) -> Step:
        test = self._or()
        return lambda rows: [row for row in rows if test(row)]

    def _stats(self) -> Step:
        columns = self._list(self._aggregate)
        groups = self._list(self._named) if self.read.have("by") else []
        self.shown = [name for name, _ in groups] + [column.name for column in columns]
        if len(set(self.shown)) < len(self.shown):
            raise Rejected("two columns of one name")
        self.known = set(self.shown)

        def step(rows: list[Row]) -> list[Row]:
            sets: dict[tuple[Any, ...], list[Row]] = {} if groups else {(): rows}
            for row in rows if groups else ():
                sets.setdefault(tuple(value(row) for _, value in groups), []).append(row)
            return [
                dict(zip((name for name, _ in groups), key, strict=True))
                | {column.name: column.value(members) for column in columns}
                for key, members in sets.items()
            ]

        return step

    def _sort(self) -> Step:
        keys: list[tuple[Value, bool]] = self._list(self._direction)

        def step(rows: list[Row]) -> list[Row]:
            for value, descending in reversed(keys):
                rows = sorted(rows, key=lambda row: _order(value(row)), reverse=descending)
            return rows

        return step

    def _direction(self) -> tuple[Value, bool]:
        value = self._sum()
        descending = self.read.have("desc")
        if not descending:
            self.read.have("asc")
        return value, descending

    def _limit(self) -> Step:
        most = int(self.read.need_kind("number"))
        if not 1 <= most <= LIMIT_MAX:
            raise Rejected(f"a limit is 1 to {LIMIT_MAX}")
        return lambda rows: rows[:most]

    def _dedup(self) -> Step:
        names = self._list(self._field)

        def step(rows: list[Row]) -> list[Row]:
            seen: dict[tuple[Any, ...], Row] = {}
            for row in rows:
                key = tuple(row.get(name) for name in names)
                seen.setdefault(key, row)
            return [row for key, row in seen.items() if None not in key]  # nothing to compare by: left out

        return step

    def _parse(self) -> Step:
        source = self._field() if self.read.peek().kind == "name" else "@message"
        token = self.read.take()
        if token.kind == "text":
            self.read.need("as")
            names = self._list(self._field)
            if token.text.count("*") != len(names):
                raise Rejected("as many names as asterisks")
            parts = [re.escape(part) for part in token.text[1:-1].split("*")]
            pattern = re.compile(
                "(.*?)".join(parts[:-1]) + ("(.*)" if not parts[-1] else "(.*?)" + parts[-1]), re.DOTALL
            )
        elif token.kind == "regex":
            pattern = _regex(token.text)
            names = list(pattern.groupindex)
            if not names:
                raise Rejected("groups of a regular expression have names: (?<name>...)")
        else:
            raise Rejected(f"a pattern expected, not {token.text!r}")

        def step(rows: list[Row]) -> list[Row]:
            matches = [(row, pattern.search(_strings(row.get(source)))) for row in rows]
            return [row | (dict(zip(names, match.groups(), strict=True)) if match else {}) for row, match in matches]

        return step

    # -- columns -------------------------------------------------------------------------------------------------------

    def _list(self, one: Callable[[], Any]) -> list[Any]:
        found_parts = [one()]
        while self.read.have(","):
            found_parts.append(one())
        return found_parts

    def _field(self) -> str:
        name = self.read.need_kind("name").strip("`")
        if name in _WORDS or name in COMMANDS:
            raise Rejected(f"{name!r} is a word of the language")
        if self.known is not None and name not in self.known:
            raise Rejected(f"{name} is gone after stats")
        return name

    def _named(self) -> tuple[str, Value]:
        began = self.read._at
        value = self._sum()
        name = "".join(token.text for token in self.read._found[began : self.read._at])
        return (self.read.need_kind("name"), value) if self.read.have("as") else (name, value)

    def _aggregate(self) -> Column:
        function = self.read.need_kind("name")
        if function not in AGGREGATES:
            raise Rejected(f"{function} is no function of stats")
        self.read.need("(")
        more: tuple[float, ...] = ()
        if self.read.have("*"):
            if function != "count":
                raise Rejected(f"{function}(*)")
            name, value = "*", (lambda _row: True)
        else:
            name, value = self._named()
        if function == "pct":
            self.read.need(",")
            more = (float(self.read.need_kind("number")),)
        self.read.need(")")
        shown = f"{function}({', '.join([name, *(f'{each:g}' for each in more)])})"
        if self.read.have("as"):
            shown = self.read.need_kind("name")
        return Column(shown, lambda rows: AGGREGATES[function](rows, value, *more))

    # -- expressions ---------------------------------------------------------------------------------------------------

    def _or(self) -> Value:
        value = self._and()
        while self.read.have("or"):
            value = _either(value, self._and())
        return value

    def _and(self) -> Value:
        value = self._not()
        while self.read.have("and"):
            value = _both(value, self._not())
        return value

    def _not(self) -> Value:
        if self.read.have("not"):
            inner = self._not()
            return lambda row: not inner(row)
        return self._comparison()

    def _comparison(self) -> Value:
        left = self._sum()
        negated = self.read.have("not")
        if self.read.have("like") or self.read.have("=~"):
            return _negated(_like(left, self.read.take()), negated)
        if self.read.have("in"):
            self.read.need("[")
            members = self._list(self._sum)
            self.read.need("]")
            return _negated(lambda row: any(_compare("=", left(row), each(row)) for each in members), negated)
        if negated:
            raise Rejected("like or in expected after not")
        for operator in ("<=", ">=", "!=", "=", "<", ">"):
            if self.read.have(operator):
                right = self._sum()
                return lambda row: _compare(operator, left(row), right(row))
        return left

    def _sum(self) -> Value:
        value = self._product()
        while self.read.peek().text in ("+", "-") and self.read.peek().kind == "op":
            value = _arithmetic(self.read.take().text, value, self._product())
        return value

    def _product(self) -> Value:
        value = self._atom()
        while self.read.peek().text in ("*", "%", "^") and self.read.peek().kind == "op":
            value = _arithmetic(self.read.take().text, value, self._atom())
        return value

    def _atom(self) -> Value:
        if self.read.have("("):
            inner = self._or()
            self.read.need(")")
            return inner
        token = self.read.peek()
        if token.kind in ("text", "number"):
            self.read.take()
            constant = token.text[1:-1].replace('\\"', '"') if token.kind == "text" else float(token.text)
            return lambda _row: constant
        if self.read.peek(1).text == "(":
            return self._call(self.read.need_kind("name"))
        name = self._field()
        return lambda row: row.get(name)

    def _call(self, function: str) -> Value:
        self.read.need("(")
        if function == "bin":
            period = self.read.need_kind("period")
            self.read.need(")")
            seconds = _PERIOD_S.get(period.lstrip("0123456789"))
            if seconds is None:
                raise Rejected(f"bin({period}) is of no use here")
            width = int(int(re.match(r"\d+", period)[0]) * seconds * 1000)  # type: ignore[index]
            return lambda row: row["@timestamp"] // width * width
        if function not in FUNCTIONS:
            raise Rejected(f"{function} is no function")
        least, most, made = FUNCTIONS[function]
        given = [] if self.read.peek().text == ")" else self._list(self._or)
        self.read.need(")")
        if not least <= len(given) <= most:
            raise Rejected(f"{function} of {len(given)}")
        return lambda row: made(*(each(row) for each in given))


COMMANDS = frozenset({"fields", "display", "filter", "stats", "sort", "limit", "parse", "dedup"})


def _either(left: Value, right: Value) -> Value:
    return lambda row: left(row) or right(row)


def _both(left: Value, right: Value) -> Value:
    return lambda row: left(row) and right(row)


def _negated(value: Value, negated: bool) -> Value:
    return (lambda row: not value(row)) if negated else value


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text[1:-1].replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!"))
    except re.error as bad:
        raise Rejected(f"{text}: {bad}") from None


def _like(left: Value, token: Token) -> Value:
    """A regular expression minds case unless it says (?i); so does a text."""
    if token.kind == "text":
        part = token.text[1:-1]
        return lambda row: part in _strings(left(row))
    if token.kind != "regex":
        raise Rejected(f'like /.../ or like "...", not {token.text!r}')
    pattern = _regex(token.text)
    return lambda row: pattern.search(_strings(left(row))) is not None


def _compare(operator: str, left: Any, right: Any) -> bool:
    """Numbers as numbers, also in texts; a field that is not there equals nothing."""
    if left is None or right is None:
        return operator == "!=" and left is not right
    numbers = _number(left), _number(right)
    a, b = numbers if None not in numbers else (_strings(left), _strings(right))
    return bool({"=": a == b, "!=": a != b, "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}[operator])  # type: ignore[operator]


def _arithmetic(operator: str, left: Value, right: Value) -> Value:
    def value(row: Row) -> float | None:
        a, b = _number(left(row)), _number(right(row))
        if a is None or b is None or (operator == "%" and not b):
            return None
        return {"+": a + b, "-": a - b, "*": a * b, "^": a**b, "%": a % b if b else 0.0}[operator]

    return value


def _order(value: Any) -> tuple[int, float, str]:
    number = _number(value)
    return (0, 0.0, "") if value is None else (2, number, "") if number is not None else (1, 0.0, str(value))
