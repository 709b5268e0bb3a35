"""The bench of selling in small: each part comes to its end, and what it counts is what was done. Nothing is timed.

It starts an engine for each part, a portal and a process that checks: some ten seconds.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from billing.domain.payment import PaymentState
from billing.ports import Posting
from tests.bench import billing, engines
from tests.bench.processes import BenchError
from tests.bench.selling import Shop, box_settings
from tests.fixtures_engine import find_dynoxide


def test_a_credit_costs_what_was_aimed_at(tmp_path: Path) -> None:
    """As the engine counts it: the settlement, and that the callback is put away."""
    header, lines = billing.units(Path(find_dynoxide()), tmp_path, quick=True)
    assert [line[0] for line in lines] == list(billing.STEPS)
    written = {line[0]: float(line[header.index("write units")]) for line in lines}
    assert written == {"checkout": 18, "callback stored": 2, "credited": 16}


@pytest.mark.parametrize(("part", "rows"), [("settle", 3), ("callbacks", 3), ("check", 1)])
def test_a_part_comes_to_its_end(part: str, rows: int, tmp_path: Path) -> None:
    header, lines = billing.PARTS[part](Path(find_dynoxide()), tmp_path, quick=True)
    assert len(lines) == rows
    assert {len(line) for line in lines} == {len(header)}


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Settings of a box whose engine runs."""
    with engines.dynoxide(Path(find_dynoxide()), tmp_path / "engine") as engine:
        yield box_settings(tmp_path, engine.port)


def test_what_is_not_as_it_must_be_fails_the_run(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Shop(path) as shop:
        shop.open()
        sold = shop.sold(2)
        shop.finish(shop.take(sold[0]))
        with pytest.raises(BenchError, match="1 of 2 were not credited"):
            billing._all_paid(shop, sold)
        book = shop.billing.book
        kept = book.stores.payments.payment(sold[1].payment, book.deadline())
        assert kept
        paid = msgspec.structs.replace(kept.payment, state=PaymentState.PAID)
        book.post(Posting("by-hand", kept._replace(payment=paid, version=kept.version + 1)))
    assert billing.check_in(path) == 1
    assert "is paid and was credited 0 times" in capsys.readouterr().out
