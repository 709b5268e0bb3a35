"""Things of all kinds lie in one table."""

from collections import Counter
from importlib import import_module
from pkgutil import iter_modules

import billing.domain
from billing.domain.thing import Thing


def test_no_two_kinds_have_one_key() -> None:
    for module in iter_modules(billing.domain.__path__, "billing.domain."):
        import_module(module.name)
    kinds = Counter(each.KIND for each in Thing.__subclasses__() if each.__module__.startswith("billing.domain."))
    assert len(kinds) > 10
    assert [kind for kind, count in kinds.items() if count > 1] == []
