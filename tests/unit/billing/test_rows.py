"""Questions to DynamoDB that the embedded engine answers and DynamoDB would refuse."""

from typing import Any

import pytest

from billing.store.rows import DynamoRows


class Asked:
    """A desk that notes what it is asked for."""

    def __init__(self) -> None:
        self.request: dict[str, Any] = {}

    def table(self, name: str) -> str:
        return name

    def ask(self, deadline: float, operation: str, **request: Any) -> dict[str, Any]:
        self.request = request
        return {"Items": []}


@pytest.mark.parametrize(
    ("after", "newest", "condition"),
    [
        ("", False, "pk = :pk"),
        ("0007", False, "pk = :pk AND sk > :after"),
        ("", True, "pk = :pk"),
        ("0007", True, "pk = :pk AND sk < :after"),
    ],
)
def test_no_bound_is_an_empty_text_and_every_value_is_used(after: str, newest: bool, condition: str) -> None:
    """ValidationException: a key attribute cannot contain an empty string value."""
    desk = Asked()
    assert DynamoRows(desk).partition("K1", after, 5, 0.0, newest=newest) == []  # type: ignore[arg-type]
    assert desk.request["KeyConditionExpression"] == condition
    values = desk.request["ExpressionAttributeValues"]
    assert {"S": ""} not in values.values()
    assert set(values) == {word for word in condition.split() if word.startswith(":")}
