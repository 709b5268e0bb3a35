"""A router that runs our scripts: RouterOS as its manual has it, for the menus and properties that we use and no other.

It refuses what the real one refuses (a property that is not there, a second item of the same name, a reference to
nothing), and keeps no more than it is told. The key of its tunnel is made here; `server` answers what it fetches.
"""

import copy
import re
from collections.abc import Callable
from typing import Any

from tests.fakes.routeros_words import Apply, Binary, Block, Call, Ice, Items, Reader, Text, Variable

Server = Callable[[str, str], str]  # address and body of a POST -> the answer; raises RouterError

# Menus with items: their properties, from help.mikrotik.com. "name!" is one that must be unique.
LISTS = {
    "/interface": "name! type",
    "/interface bridge": "name! comment",
    "/interface bridge port": "interface bridge comment",
    "/interface wireguard": "name! comment mtu listen-port private-key public-key",
    "/interface wireguard peers": "interface comment public-key endpoint-address endpoint-port allowed-address "
    "persistent-keepalive",
    "/interface pppoe-server server": "service-name interface default-profile authentication one-session-per-host "
    "disabled",
    "/ip address": "address interface comment",
    "/ip pool": "name! ranges",
    "/ip dhcp-server": "name! interface address-pool lease-time disabled",
    "/ip dhcp-server network": "address gateway dns-server dhcp-option comment",
    "/ip dhcp-server option": "name! code value",
    "/ip hotspot": "name! interface address-pool profile addresses-per-mac disabled",
    "/ip hotspot profile": "name! hotspot-address dns-name html-directory login-by use-radius radius-accounting "
    "radius-interim-update mac-auth-mode ssl-certificate",
    "/ip hotspot walled-garden": "action dst-host comment",
    "/ip hotspot walled-garden ip": "action dst-host comment",
    "/ip firewall filter": "chain action protocol dst-port src-address dst-address connection-state comment dynamic",
    "/ip firewall nat": "chain action src-address out-interface comment",
    "/ppp profile": "name! local-address remote-address dns-server change-tcp-mss",
    "/radius": "service address secret timeout authentication-port accounting-port src-address disabled "
    "require-message-auth comment",
    "/system script": "name! source comment dont-require-permissions",
    "/system scheduler": "name! interval on-event comment",
    "/file": "name! type contents",
}
SINGLES = {
    "/radius incoming": {"accept": False, "port": "3799"},
    "/ppp aaa": {"use-radius": False, "accounting": True, "interim-update": "0s"},
    "/system ntp client": {"enabled": False, "servers": "", "server-dns-names": ""},
    "/system clock": {"date": "2026-11-25"},
    "/system resource": {"version": "7.15.3 (stable)"},
    "/system device-mode": {"hotspot": True, "fetch": True},
    "/certificate settings": {"builtin-trust-anchors": "not-trusted"},
}
FLAGS = {
    "disabled",
    "dynamic",
    "accept",
    "use-radius",
    "accounting",
    "enabled",
    "radius-accounting",
    "hotspot",
    "fetch",
}
ARRAYS = {"login-by"}
# (menu, property): what it names must be there.
NAMES = {
    ("/interface bridge port", "interface"): "/interface",
    ("/interface bridge port", "bridge"): "/interface bridge",
    ("/interface wireguard peers", "interface"): "/interface wireguard",
    ("/ip hotspot", "profile"): "/ip hotspot profile",
    ("/ip hotspot", "address-pool"): "/ip pool",
    ("/ip hotspot", "interface"): "/interface",
    ("/ip address", "interface"): "/interface",
    ("/ip dhcp-server", "interface"): "/interface",
    ("/interface pppoe-server server", "interface"): "/interface",
    ("/ip firewall nat", "out-interface"): "/interface",
}
ALSO_INTERFACES = ("/interface bridge", "/interface wireguard")
DEFAULTS = {
    "/ip hotspot profile": {"use-radius": False, "radius-accounting": True, "radius-interim-update": "received",
                            "login-by": ["cookie", "http-chap"], "html-directory": "hotspot",
                            "mac-auth-mode": "mac-as-username", "ssl-certificate": "none"},
    "/radius": {"disabled": False},
    "/ip firewall filter": {"dynamic": False},
}  # fmt: skip


class RouterError(Exception):
    """What the terminal would show in red."""


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


class FakeRouterOs:
    """One router. `answers` are typed where a script asks; `said` is what the terminal showed."""

    def __init__(self, server: Server, ports: tuple[str, ...] = ("ether1", "ether2", "ether3", "ether4")) -> None:
        self.server = server
        self.lists: dict[str, list[dict[str, Any]]] = {menu: [] for menu in LISTS}
        self.singles = copy.deepcopy(SINGLES)
        self.lists["/interface"] = [{"name": port, "type": "ether"} for port in ports]
        self.answers: list[str] = []
        self.said: list[str] = []
        self.unknown: set[str] = set()  # properties that this version does not have
        self._globals: dict[str, Any] = {}

    def paste(self, text: str) -> None:
        """Type a line or a script. Raises RouterError, or Slip for what cannot be read; then nothing was done."""
        self._block(Reader(text).read(), [{}])

    def state(self) -> Any:
        """All that is configured, without what only a backup would miss."""
        files = [each for each in self.lists["/file"] if "-before." not in each["name"]]
        return copy.deepcopy((self.lists | {"/file": files}, self.singles))

    def all(self, menu: str) -> list[dict[str, Any]]:
        return self.lists[menu]

    # -- statements --------------------------------------------------------------------------------------------

    def _block(self, block: Block, scopes: list[dict[str, Any]]) -> None:
        inner = [*scopes, {}]
        for statement in block.statements:
            self._value(statement, inner)

    def _value(self, node: Any, scopes: list[dict[str, Any]]) -> Any:  # noqa: PLR0911 - a case for each kind
        match node:
            case Text(value):
                return value
            case Variable(name):
                return self._scope(name, scopes)[name]
            case Items(values):
                return [self._value(each, scopes) for each in values]
            case Binary(operator, left, right):
                return _operate(operator, self._value(left, scopes), self._value(right, scopes))
            case Block():
                return self._block(node, scopes)
            case Apply(function, words):
                return self._apply(self._value(function, scopes), [self._value(each, scopes) for each in words])
            case Ice():
                return self._ice(node, scopes)
            case Call():
                return self._call(node, scopes)
        raise AssertionError(node)

    def _scope(self, name: str, scopes: list[dict[str, Any]]) -> dict[str, Any]:
        for scope in reversed(scopes):
            if name in scope:
                return self._globals if scope[name] is self._globals else scope
        raise RouterError(f"no such variable {name}")

    def _apply(self, function: Any, words: list[Any]) -> Any:
        if not isinstance(function, Block):
            return function  # [[:parse ...]] was run by the inner brackets
        try:
            self._block(function, [{str(number): word for number, word in enumerate(words, 1)}])
        except _Return as returned:
            return returned.value
        return ""

    def _ice(self, node: Ice, scopes: list[dict[str, Any]]) -> Any:  # noqa: C901 - a case for each command
        match node.name:
            case "local" | "global":
                self._declare(node, scopes)
            case "set":
                self._scope(node.words[0].value, scopes)[node.words[0].value] = self._value(node.words[1], scopes)
            case "if":
                branch = node.parameters.get("do" if _true(self._value(node.words[0], scopes)) else "else")
                if branch is not None:
                    self._block(branch, scopes)
            case "foreach":
                for each in self._value(node.parameters["in"], scopes):
                    self._block(node.parameters["do"], [*scopes, {node.words[0].value: each}])
            case "do":
                self._attempt(node, scopes)
            case "put":
                self.said.append(_text(self._value(node.words[0], scopes)))
            case "error":
                raise RouterError(_text(self._value(node.words[0], scopes)))
            case "return":
                raise _Return(self._value(node.words[0], scopes))
            case _:
                return _tool(node.name, [self._value(each, scopes) for each in node.words])
        return None

    def _declare(self, node: Ice, scopes: list[dict[str, Any]]) -> None:
        name = node.words[0].value
        value = node.parameters["do"] if "do" in node.parameters else self._value(node.words[1], scopes)
        if node.name == "global":
            self._globals[name] = value
            scopes[-1][name] = self._globals
        else:
            scopes[-1][name] = value

    def _attempt(self, node: Ice, scopes: list[dict[str, Any]]) -> None:
        try:
            self._block(node.words[0], scopes)
        except RouterError:
            self._block(node.parameters["on-error"], scopes)

    # -- menus -------------------------------------------------------------------------------------------------

    def _call(self, node: Call, scopes: list[dict[str, Any]]) -> Any:  # noqa: PLR0911 - a case for each command
        words = [self._value(value, scopes) for name, value in node.arguments if not name]
        said = {name: self._value(value, scopes) for name, value in node.arguments if name}
        where = [(name, operator, self._value(value, scopes)) for name, operator, value in node.where]
        match node.menu, node.verb:
            case "/tool", "fetch":
                return self._fetch(said)
            case "/terminal", "ask":
                return self.answers.pop(0)
            case "/", "export":
                return self._put_file(f"{said['file']}.rsc", "")
            case "/system backup", "save":
                return self._put_file(f"{said['name']}.backup", "")
            case "/", "import":
                return self._block(Reader(self._file(words[0])).read(), [{}])
            case "/system script", "run":
                source = next(each["source"] for each in self.lists["/system script"] if each["name"] == words[0])
                return self._block(Reader(source).read(), [{}])
        if node.menu in self.singles:
            return self._single(node.menu, node.verb, words, said)
        if node.menu not in self.lists:
            raise RouterError(f"bad command name {node.menu}")
        return self._list(node.menu, node.verb, words, said, where)

    def _single(self, menu: str, verb: str, words: list[Any], said: dict[str, Any]) -> Any:
        if verb == "get":
            return self.singles[menu][self._known(menu, words[0])]
        for name, value in said.items():
            self.singles[menu][self._known(menu, name)] = _kept(name, value)
        return None

    def _known(self, menu: str, name: str) -> str:
        known = self.singles[menu] if menu in self.singles else LISTS[menu].replace("!", "").split()
        if name not in known or name in self.unknown:
            raise RouterError(f"bad parameter {name} of {menu}")
        return name

    def _list(  # noqa: C901 - a case for each verb
        self, menu: str, verb: str, words: list[Any], said: dict[str, Any], where: list[Any]
    ) -> Any:
        items = self.lists[menu]
        match verb:
            case "print":
                return None
            case "find":
                return [each for each in items if all(self._fits(menu, each, *one) for one in where)]
            case "get":
                found = words[0] if isinstance(words[0], list) else [words[0]]
                if len(found) != 1:
                    raise RouterError(f"no such item in {menu}")
                return found[0].get(self._known(menu, words[1]), "")
            case "add":
                return self._add(menu, said)
            case "set":
                for each in words[0] if isinstance(words[0], list) else [words[0]]:
                    self._put(menu, each, said)
            case "remove":
                gone = words[0] if isinstance(words[0], list) else [each for each in items if each["name"] == words[0]]
                if not isinstance(words[0], list) and not gone:
                    raise RouterError(f"no such item in {menu}")
                self.lists[menu] = [each for each in items if all(each is not one for one in gone)]
            case "move":
                (moved,) = words[0]
                self.lists[menu] = [each for each in items if each is not moved]
                at = next(at for at, each in enumerate(self.lists[menu]) if each is said["destination"])
                self.lists[menu].insert(at, moved)
            case _:
                raise RouterError(f"bad command name {verb} of {menu}")
        return None

    def _fits(self, menu: str, item: dict[str, Any], name: str, operator: str, value: Any) -> bool:
        there, wanted = item.get(self._known(menu, name), ""), _kept(name, value)
        if operator == "~":
            return re.search(_text(wanted), _text(there)) is not None
        return (there == wanted) is (operator == "=")

    def _add(self, menu: str, said: dict[str, Any]) -> None:
        item: dict[str, Any] = copy.deepcopy(DEFAULTS.get(menu, {}))
        before = said.pop("place-before", None)
        if menu == "/interface wireguard":
            item |= {"public-key": "K" * 42 + "A="}
        self._put(menu, item, said)
        at = len(self.lists[menu])
        if before is not None:
            at = next(at for at, each in enumerate(self.lists[menu]) if each is before)
        self.lists[menu].insert(at, item)

    def _put(self, menu: str, item: dict[str, Any], said: dict[str, Any]) -> None:
        for name, value in said.items():
            kept = _kept(self._known(menu, name), value)
            if f"{name}!" in LISTS[menu].split() and any(
                each.get(name) == kept and each is not item for each in self.lists[menu]
            ):
                raise RouterError(f"{menu} {kept} exists already")
            wanted = NAMES.get((menu, name))
            places = (wanted, *ALSO_INTERFACES) if wanted == "/interface" else (wanted,)
            if wanted and all(each["name"] != kept for place in places for each in self.lists[place]):
                raise RouterError(f"{name}={kept} of {menu} names nothing")
            item[name] = kept
        if menu == "/interface bridge port" and any(
            each["interface"] == item["interface"] and each is not item for each in self.lists[menu]
        ):
            raise RouterError(f"{item['interface']} is in a bridge already")

    # -- files -------------------------------------------------------------------------------------------------

    def _fetch(self, said: dict[str, Any]) -> None:
        if not self.singles["/system device-mode"]["fetch"]:
            raise RouterError("not allowed by device-mode")
        assert said["http-method"] == "post"
        text = self.server(said["url"], said["http-data"])
        if said.get("output") != "none":
            self._put_file(said["dst-path"], text)

    def _put_file(self, name: str, text: str) -> None:
        self.lists["/file"] = [each for each in self.lists["/file"] if each["name"] != name]
        self.lists["/file"].append({"name": name, "contents": text})

    def _file(self, name: str) -> str:
        return next(str(each["contents"]) for each in self.lists["/file"] if each["name"] == name)


def _kept(name: str, value: Any) -> Any:
    if name in FLAGS:
        if value in {"yes", "true", True}:
            return True
        if value in {"no", "false", False}:
            return False
        raise RouterError(f"{name}={value} is neither yes nor no")
    if name in ARRAYS and isinstance(value, str):
        return value.split(",")
    return value


def _true(value: Any) -> bool:
    if value not in {True, False, "true", "false"}:
        raise RouterError(f"{value!r} is no condition")
    return value in {True, "true"}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ";".join(map(_text, value)) if isinstance(value, list) else str(value)


def _operate(operator: str, left: Any, right: Any) -> Any:  # noqa: PLR0911 - a case for each operator
    match operator:
        case ".":
            return _text(left) + _text(right)
        case ",":
            return [*(left if isinstance(left, list) else [left]), *(right if isinstance(right, list) else [right])]
        case "=":
            return _text(left) == _text(right)
        case "!=":
            return _text(left) != _text(right)
        case "~":
            return re.search(right, left) is not None
        case ">":
            return int(left) > int(right)
        case "&&":
            return _true(left) and _true(right)
    return _true(left) or _true(right)


def _tool(name: str, words: list[Any]) -> Any:
    match name:
        case "len":
            return str(len(words[0]))
        case "toarray":
            return words[0] if isinstance(words[0], list) else [each for each in words[0].split(",") if words[0]]
        case "pick" if len(words) == 2:
            return words[0][int(words[1])]
        case "pick":
            return words[0][int(words[1]) : int(words[2])]
        case "parse":
            return Reader(words[0]).read()
    raise RouterError(f"bad command name :{name}")
