"""A share that is given back is a share: whatever was used, whatever the clock says."""

from hypothesis import given
from hypothesis import strategies as st

from billing.domain.refund import unused_cents
from radius.domain.entitlement import Right
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart

T0 = 1_795_600_800
DAY_S = 86_400
GIB = 1024**3
TERMS = Terms("day.1", Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY), quota_bytes=2 * GIB, quota_s=7_200)


def right(used_bytes: int, used_s: int) -> Right:
    return Right("r1", "day.1", T0, T0, T0 + DAY_S, used_bytes=used_bytes, used_s=used_s)


@given(
    st.integers(0, 10**7),
    st.integers(0, 10**7),
    st.integers(0, 3 * GIB),
    st.integers(0, 10_000),
    st.integers(-10, 2 * DAY_S),
)
def test_never_more_than_was_paid_and_never_less_than_nothing(
    paid: int, refunded: int, used_bytes: int, used_s: int, after_s: int
) -> None:
    given_back = unused_cents(right(used_bytes, used_s), TERMS, paid, refunded, T0 + after_s)
    assert 0 <= given_back <= max(0, paid - refunded)
    later = unused_cents(right(used_bytes + 1, used_s + 1), TERMS, paid, refunded, T0 + after_s + 1)
    assert later <= given_back
