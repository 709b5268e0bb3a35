"""Tokens of the two query languages of CloudWatch."""

import re
from typing import NamedTuple


class Rejected(ValueError):
    """AWS would not run it."""


class Token(NamedTuple):
    """`kind`: name, number, text, regex, op."""

    kind: str
    text: str


def tokens(text: str, pattern: re.Pattern[str]) -> list[Token]:
    """All of them; raises Rejected at what is none."""
    found, at = [], 0
    while at < len(text):
        match = pattern.match(text, at)
        if match is None:
            raise Rejected(f"not understood: {text[at : at + 20]!r}")
        if match.lastgroup not in (None, "space"):
            found.append(Token(match.lastgroup or "", match[match.lastgroup or 0]))
        at = match.end()
    return found


class Reader:
    """Reads tokens one after the other."""

    def __init__(self, found: list[Token]) -> None:
        self._found, self._at = found, 0

    def peek(self, ahead: int = 0) -> Token:
        at = self._at + ahead
        return self._found[at] if at < len(self._found) else Token("end", "")

    def take(self) -> Token:
        token = self.peek()
        self._at += 1
        return token

    def have(self, *texts: str) -> bool:
        """Take these tokens if they come now; texts in quotes are none of them."""
        if all(self.peek(n).text == text and self.peek(n).kind in ("op", "name") for n, text in enumerate(texts)):
            self._at += len(texts)
            return True
        return False

    def need(self, text: str) -> None:
        if not self.have(text):
            raise Rejected(f"{text!r} expected, not {self.peek().text!r}")

    def need_kind(self, kind: str) -> str:
        token = self.take()
        if token.kind != kind:
            raise Rejected(f"a {kind} expected, not {token.text!r}")
        return token.text
