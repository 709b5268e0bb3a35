"""What RouterOS makes of the pages of its hotspot: variables and conditions, and nothing else of its words.

Source: help.mikrotik.com, Hotspot customisation: ``$(name)``, ``$(if name)``, ``$(if name == 'value')``, ``$(else)``,
``$(endif)``. A variable that is not there is empty.
"""

import re

CONDITION = re.compile(r"\$\(if ([a-z-]+)(?: (==|!=) '?([^')]*)'?)?\)((?:(?!\$\(if ).)*?)\$\(endif\)", re.DOTALL)


def servlet(text: str, said: dict[str, str]) -> str:
    """The page as a browser gets it."""

    def chosen(found: re.Match[str]) -> str:
        name, operator, value, inner = found.groups()
        there = said.get(name, "")
        holds = bool(there) if operator is None else (there == value) is (operator == "==")
        yes, _, no = inner.partition("$(else)")
        return yes if holds else no

    while CONDITION.search(text):
        text = CONDITION.sub(chosen, text)
    return re.sub(r"\$\(([a-z-]+)\)", lambda found: said.get(found.group(1), ""), text)
