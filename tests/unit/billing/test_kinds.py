"""What billing keeps under one table has names that cannot meet."""

import importlib
import pkgutil

import billing.domain
from billing.domain.thing import Thing
from billing.store import keys


def test_every_kind_of_thing_has_a_prefix_of_its_own() -> None:
    for module in pkgutil.iter_modules(billing.domain.__path__):
        importlib.import_module(f"billing.domain.{module.name}")
    money = [keys.PAYMENT, keys.PROMPT, keys.JOURNAL, keys.RECEIPT, keys.CUSTOMER, keys.UNMATCHED]
    own = [*money, keys.VOUCHER, keys.BODY, keys.PAYMENT_LIST]
    kinds = [shape.KIND for shape in Thing.__subclasses__() if shape.__module__.startswith("billing.")]
    assert len(kinds) >= 10
    assert len({*own, *kinds}) == len(own) + len(kinds)
