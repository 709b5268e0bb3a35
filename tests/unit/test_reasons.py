"""The closed list of refusals: every reason has a way to it, and whoever adds one must show the way."""

from collections.abc import Callable

import msgspec
import pytest

from radius.domain import policy
from radius.domain.entitlement import Right
from radius.domain.errors import Malformed
from radius.domain.policy import Accept, Reason
from radius.domain.request import Method
from radius.domain.subscriber import Subscriber
from radius.domain.terms import Hours, Service
from radius.rlm import attributes
from radius.services.access import HandOver, Refused
from tests.unit.domain.builders import LAPTOP, MIB, T0, Catalogue, ask, day_terms, live, nas, right, subscriber, world
from tests.unit.services.wired import Node, access_request


def decide(home: Subscriber, **terms: object) -> Reason | None:
    answer = policy.reserve(home, ask(), nas(), world(T0, Catalogue(day_terms(**terms))))  # type: ignore[arg-type]
    return None if isinstance(answer, Accept) else answer.reason


def used(used_bytes: int, used_s: int) -> Right:
    one = right()
    one.used_bytes, one.used_s = used_bytes, used_s
    return one


def blocked() -> Reason | None:
    home = subscriber(right())
    home.blocked = "chargeback"
    return decide(home)


def another_caller() -> Reason | None:
    home = subscriber(right())
    home.caller = LAPTOP
    return decide(home)


def all_leased() -> Reason | None:
    home = subscriber(right())
    other = ask(LAPTOP, "res0000002")
    terms = {"quota_bytes": 10 * MIB, "devices": 2}
    policy.reserve(home, other, nas(), world(T0, Catalogue(day_terms(**terms))))  # type: ignore[arg-type]
    return decide(home, **terms)


def wrong_secret() -> Reason | None:
    node = Node()
    node.customer()
    handed = node.access.authorize(access_request(password="wrong"))
    assert isinstance(handed, HandOver)
    refused = node.access.wrong_secret(msgspec.structs.replace(access_request(), token=handed.token))
    return refused.reason if refused else None


def hashed_by_chap() -> Reason | None:
    node = Node()
    node.customer(hashed=True)
    answer = node.access.authorize(access_request(method=Method.CHAP))
    return answer.reason if isinstance(answer, Refused) else None


def guessing() -> Reason | None:
    node = Node()
    answers = [node.access.authorize(access_request(f"code{number:04d}", "")) for number in range(11)]
    return answers[-1].reason if isinstance(answers[-1], Refused) else None


def no_name() -> Reason | None:
    try:
        attributes.parse_access(attributes.index((("User-Name", ""),)))
    except Malformed:
        return Reason.MALFORMED  # what the edge makes of it: `test_edge`
    return None


WAYS: dict[Reason, Callable[[], Reason | None]] = {
    Reason.BAD_CREDENTIALS: wrong_secret,
    Reason.BLOCKED: blocked,
    Reason.NO_PACKAGE: lambda: decide(subscriber()),
    Reason.EXPIRED: lambda: decide(subscriber(right(ends_at=T0))),
    Reason.QUOTA_USED: lambda: decide(subscriber(used(5, 0)), quota_bytes=5),
    Reason.TIME_USED: lambda: decide(subscriber(used(0, 5)), quota_s=5),
    Reason.QUOTA_LEASED: all_leased,
    Reason.OUTSIDE_HOURS: lambda: decide(subscriber(right()), hours=(Hours(127, 6 * 60, 12 * 60),)),
    Reason.WRONG_SITE: lambda: decide(subscriber(right()), sites=("westlands",)),
    Reason.WRONG_SERVICE: lambda: decide(subscriber(right()), service=Service.PPPOE),
    Reason.DEVICE_LIMIT: lambda: decide(subscriber(right(), sessions=[live(LAPTOP, "res0000009")])),
    Reason.CALLER_MISMATCH: another_caller,
    Reason.TOO_MANY_ATTEMPTS: guessing,
    Reason.METHOD_UNSUPPORTED: hashed_by_chap,
    Reason.MALFORMED: no_name,
}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_way_to_it(reason: Reason) -> None:
    assert WAYS[reason]() is reason


def test_the_order_of_telling_leaves_none_out_that_a_right_can_give() -> None:
    of_rights = set(Reason) - {
        Reason.BAD_CREDENTIALS,
        Reason.BLOCKED,
        Reason.CALLER_MISMATCH,
        Reason.TOO_MANY_ATTEMPTS,
        Reason.METHOD_UNSUPPORTED,
        Reason.MALFORMED,
    }
    assert set(policy._TELLING) == of_rights
