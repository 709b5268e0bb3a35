"""The ledger's check by itself: only what is found twice counts, and large books are not read."""

from billing.domain.books import Finding, Rule
from billing.services.books_watch import BooksWatch, Checked
from billing.services.check import LedgerCheck
from tests.contract.billing.town import DAY_BEFORE, Town
from tests.unit.billing.values import DAY, T0

ODD = Finding(Rule.RIGHT, "r1", "it is odd")
LASTS = Finding(Rule.PAYMENT, "p1", "it is wrong")


class Findings:
    """A check that finds what the test says, one answer a look."""

    def __init__(self, *answers: list[Finding] | None) -> None:
        self.answers = list(answers)

    def check_at_most(self, _journals: int, _first: str, _last: str, _now: int) -> list[Finding] | None:
        return self.answers.pop(0)


def verdicts(*answers: list[Finding] | None) -> list[Checked | None]:
    watch = BooksWatch(Findings(*answers), DAY_BEFORE)  # type: ignore[arg-type]
    assert watch.round(T0) is None, "nobody asked"
    watch.ask()
    return [watch.round(T0 + 600 * number) for number in range(len(answers) + 1)]


def test_what_is_found_once_was_being_booked_and_what_is_found_twice_is_so() -> None:
    assert verdicts([ODD, LASTS], [LASTS]) == [None, Checked((LASTS,)), None]
    assert verdicts([ODD], [LASTS]) == [None, Checked(()), None]
    assert verdicts([ODD], []) == [None, Checked(()), None]
    assert verdicts([]) == [Checked(()), None]
    assert verdicts(None) == [Checked(whole=False), None]


def test_books_are_read_up_to_so_many_journals(town: Town) -> None:
    town.buy()
    town.callback()
    check = LedgerCheck(town.book)
    assert check.check_at_most(1, DAY_BEFORE, DAY, T0 + 60) == []
    assert check.check_at_most(0, DAY_BEFORE, DAY, T0 + 60) is None
