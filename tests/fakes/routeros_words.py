"""RouterOS scripts as trees: a strict reader of the subset that our scripts keep to. What it does not know is an error.

Written from help.mikrotik.com, Scripting: line structure, data types, operators, commands. There is no other parser to
be had, so it refuses what RouterOS might read differently: a `$` that is not escaped within quotes, a comment that does
not begin its line, a bare word with a character that needs quotes.
"""

import re
from typing import Any, NamedTuple

BARE = re.compile(r"[A-Za-z0-9._/:,*+-]+")
NAME = re.compile(r"[A-Za-z0-9-]+")
PARAMETER = re.compile(r"([A-Za-z][A-Za-z0-9-]*)=")
ESCAPES = {'"': '"', "\\": "\\", "$": "$", "n": "\n", "r": "\r", "t": "\t"}
VERBS = {"add", "set", "remove", "find", "get", "print", "export", "save", "fetch", "ask", "move", "import", "run"}


class Slip(Exception):
    """The script is not one that RouterOS would read as we mean it."""


class Text(NamedTuple):
    value: str


class Variable(NamedTuple):
    name: str


class Call(NamedTuple):
    """`verb` of `menu` with arguments in order: (name, value), the name "" for what has none."""

    menu: str
    verb: str
    arguments: list[tuple[str, Any]]
    where: list[tuple[str, str, Any]]


class Ice(NamedTuple):
    """A command that begins with a colon."""

    name: str
    words: list[Any]
    parameters: dict[str, Any]


class Apply(NamedTuple):
    function: Any
    words: list[Any]


class Block(NamedTuple):
    statements: list[Any]


class Items(NamedTuple):
    values: list[Any]


class Binary(NamedTuple):
    operator: str
    left: Any
    right: Any


class Reader:
    """Reads one script. `read` gives its statements or raises Slip."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def read(self) -> Block:
        block = self.block("")
        if self.at != len(self.text):
            raise self.slip("a bracket too many")
        return block

    def slip(self, why: str) -> Slip:
        return Slip(
            f"{why} at ...{self.text[max(0, self.at - 60) : self.at]!r} >>> {self.text[self.at : self.at + 30]!r}"
        )

    # -- characters --------------------------------------------------------------------------------------------

    def peek(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def take(self, text: str) -> None:
        if not self.peek(text):
            raise self.slip(f"{text!r} is missing")
        self.at += len(text)

    def blanks(self) -> None:
        while self.peek(" ") or self.peek("\\\n"):
            self.at += 1 if self.peek(" ") else 2

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise self.slip("this cannot stand here")
        self.at = found.end()
        return found.group()

    def ends(self) -> bool:
        return self.at >= len(self.text) or self.text[self.at] in "\n;}])"

    # -- statements --------------------------------------------------------------------------------------------

    def block(self, end: str) -> Block:
        statements = []
        while True:
            self.blanks()
            while self.peek("\n") or self.peek(";"):
                self.at += 1
                self.blanks()
            if self.peek("#"):
                if self.at and self.text[self.at - 1] != "\n":
                    raise self.slip("a comment that does not begin its line")
                self.at = self.text.find("\n", self.at) if "\n" in self.text[self.at :] else len(self.text)
                continue
            if self.at >= len(self.text):
                if end:
                    raise self.slip(f"{end!r} is missing")
                return Block(statements)
            if end and self.peek(end):
                return Block(statements)
            statements.append(self.command(""))
            self.blanks()
            if not self.ends():
                raise self.slip("a command goes on where it should end")

    def command(self, menu: str) -> Any:
        if self.peek("{"):
            return self.braces()
        if self.peek(":"):
            self.at += 1
            return self.ice(self.match(NAME))
        if self.peek("$") or self.peek("["):
            function = self.value(menu)
            return Apply(function, self.words(menu)[0])
        return self.menu_command(menu)

    def braces(self) -> Block:
        self.take("{")
        block = self.block("}")
        self.take("}")
        return block

    def ice(self, name: str) -> Ice:
        words, parameters = [], {}
        while True:
            self.blanks()
            if self.ends():
                return Ice(name, words, parameters)
            found = PARAMETER.match(self.text, self.at)
            if found:
                self.at = found.end()
                parameters[found.group(1)] = (
                    self.braces() if self.peek("{") and found.group(1) != "in" else self.value("")
                )
            elif self.peek("{"):
                words.append(self.braces() if name == "do" else self.items())
            else:
                words.append(self.value(""))

    def items(self) -> Items:
        self.take("{")
        values = []
        while True:
            self.blanks()
            if self.peek("}"):
                self.take("}")
                return Items(values)
            values.append(self.value(""))
            self.blanks()
            if not self.peek("}"):
                self.take(";")

    def menu_command(self, menu: str) -> Call:
        path: list[str] = []
        if self.peek("/"):
            self.at += 1
            menu = ""
        elif not menu:
            raise self.slip("a command without a menu")
        while True:
            word = self.match(NAME)
            if word in VERBS and not (word == "import" and path) and not (word == "export" and path):
                break
            path.append(word)
            self.blanks()
        menu = "/" + " ".join(path) if path or not menu else menu
        if word == "find":
            return Call(menu, word, [], self.where(menu))
        words, parameters = self.words(menu)
        return Call(menu, word, [*(("", each) for each in words), *parameters.items()], [])

    def words(self, menu: str) -> tuple[list[Any], dict[str, Any]]:
        words: list[Any] = []
        parameters: dict[str, Any] = {}
        while True:
            self.blanks()
            if self.ends():
                return words, parameters
            found = PARAMETER.match(self.text, self.at)
            if found is None:
                words.append(self.value(menu))
                continue
            if found.group(1) in parameters:
                raise self.slip(f"{found.group(1)} is said twice")
            self.at = found.end()
            parameters[found.group(1)] = self.value(menu)

    def where(self, menu: str) -> list[tuple[str, str, Any]]:
        found: list[tuple[str, str, Any]] = []
        self.blanks()
        if self.ends():
            return found
        self.take("where")
        while True:
            self.blanks()
            name = self.match(NAME)
            operator = next((each for each in ("!=", "=", "~") if self.peek(each)), "")
            self.take(operator or "=")
            found.append((name, operator, self.value(menu)))
            self.blanks()
            if self.ends():
                return found
            self.take("and")

    # -- values ------------------------------------------------------------------------------------------------

    def value(self, menu: str) -> Any:
        if self.peek('"'):
            return self.string()
        if self.peek("$"):
            self.at += 1
            return Variable(self.match(NAME))
        if self.peek("["):
            self.take("[")
            self.blanks()
            inner = self.command(menu)
            self.blanks()
            self.take("]")
            return inner
        if self.peek("("):
            self.take("(")
            inner = self.expression(menu, 0)
            self.blanks()
            self.take(")")
            return inner
        if self.peek("{"):
            return self.items()
        return Text(self.match(BARE))

    def expression(self, menu: str, level: int) -> Any:
        levels = (("||",), ("&&",), ("!=", "=", "~", ">"), (".", ","))
        if level == len(levels):
            self.blanks()
            return self.value(menu)
        left = self.expression(menu, level + 1)
        while True:
            self.blanks()
            operator = next((each for each in levels[level] if self.peek(each)), "")
            if not operator:
                return left
            self.take(operator)
            left = Binary(operator, left, self.expression(menu, level + 1))

    def string(self) -> Text:
        self.take('"')
        raw = bytearray()
        while not self.peek('"'):
            if self.at >= len(self.text):
                raise self.slip("a string that does not end")
            char = self.text[self.at]
            self.at += 1
            if char == "$":
                raise self.slip("a variable within quotes")
            if char != "\\":
                raw += char.encode()
                continue
            code = self.text[self.at : self.at + 2]
            if re.fullmatch("[0-9A-F]{2}", code):
                raw.append(int(code, 16))
                self.at += 2
            elif code[:1] in ESCAPES:
                raw += ESCAPES[code[:1]].encode()
                self.at += 1
            else:
                raise self.slip("an escape that is none")
        self.take('"')
        return Text(raw.decode("utf-8"))
