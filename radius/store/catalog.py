"""ConfigTable over boto3: terms, routers, sites, boots, unheard sources, nodes. Bodies are JSON text."""

from collections.abc import Iterable, Mapping
from typing import Any

from radius.domain.deed import DEED_KEPT_S, Deed
from radius.domain.identity import NasId
from radius.domain.nas import Router, Site
from radius.domain.terms import Terms
from radius.domain.tunnel import Tunnel
from radius.ports import TALLY_KEPT_S, UNKNOWN_KEPT_S, Node, Outcome, Tally
from radius.store import keys
from radius.store.desk import Desk
from radius.store.dynamo import move_forward
from radius.store.errors import Refused
from radius.store.records import Item, attributes, body_item, decode_body, readable, values

TERMS, ROUTER, SITE, BOOT, NODE, UNKNOWN, DEED = "terms", "router", "site", "boot", "node", "unknown", "deed"
TUNNEL, TALLY = "tunnel", "tally"
NOTED_MAX = 100  # sources noted in one call: a flood of forged addresses must not become a flood of writes


class ConfigTable:
    """Items of ConfigTable: by key, by kind, and whole writes."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.name = desk.table(keys.CONFIG)

    def get(self, kind: str, name: str, deadline: float) -> Item | None:
        """Strongly consistent item, or None."""
        key = attributes({"kind": kind, "id": name})
        reply = self.desk.ask(deadline, "get_item", TableName=self.name, Key=key, ConsistentRead=True)
        return values(reply["Item"]) if "Item" in reply else None

    def all(self, kind: str, deadline: float, *, strong: bool = True) -> list[Item]:
        """All items of a kind, by id."""
        items = self.desk.items(
            deadline,
            TableName=self.name,
            KeyConditionExpression="kind = :kind",
            ExpressionAttributeValues={":kind": {"S": kind}},
            ConsistentRead=strong,
        )
        return [values(item) for item in items]

    def put(self, item: Item, deadline: float, **condition: Any) -> None:
        """Write an item whole. Raises Refused when its condition is false."""
        self.desk.ask(deadline, "put_item", TableName=self.name, Item=attributes(item), **condition)

    def put_version(self, kind: str, name: str, thing: Router | Tunnel, deadline: float) -> Outcome:
        """Write what has versions, if the one before is there: COMMITTED, ALREADY_DONE or STALE. 1 is the first."""
        version = thing.version
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(id)"}
        if version != 1:
            condition = {
                "ConditionExpression": "version = :before",
                "ExpressionAttributeValues": {":before": {"N": str(version - 1)}},
            }
        item = {**body_item(kind, name, thing), "version": version}
        try:
            self.put(item, deadline, **condition, ReturnValuesOnConditionCheckFailure="ALL_OLD")
        except Refused as refused:
            there = values(refused.there())
            return Outcome.ALREADY_DONE if there and decode_body(there, type(thing)) == thing else Outcome.STALE
        return Outcome.COMMITTED


class DynamoCatalogue:
    """`Catalogue`."""

    def __init__(self, table: ConfigTable) -> None:
        self._table = table

    def terms(self, terms_id: str, deadline: float) -> Terms | None:
        """See `Catalogue.terms`."""
        item = self._table.get(TERMS, terms_id, deadline)
        return None if item is None else decode_body(item, Terms)

    def add(self, terms: Terms, deadline: float) -> Outcome:
        """See `Catalogue.add`."""
        try:
            self._table.put(
                body_item(TERMS, terms.id, terms),
                deadline,
                ConditionExpression="attribute_not_exists(id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except Refused as refused:
            same = decode_body(values(refused.there()), Terms) == terms
            return Outcome.ALREADY_DONE if same else Outcome.CONFLICT
        return Outcome.COMMITTED


class DynamoRouters:
    """`Routers`."""

    def __init__(self, table: ConfigTable) -> None:
        self._table = table

    def routers(self, deadline: float, broken: dict[str, str] | None = None) -> list[Router]:
        """See `Routers.routers`; by id."""
        return readable(self._table.all(ROUTER, deadline), Router, broken)

    def sites(self, deadline: float, broken: dict[str, str] | None = None) -> list[Site]:
        """See `Routers.sites`; by id."""
        return readable(self._table.all(SITE, deadline), Site, broken)

    def boots(self, deadline: float) -> dict[NasId, int]:
        """See `Routers.boots`."""
        return {NasId(str(item["id"])): int(item["at"]) for item in self._table.all(BOOT, deadline)}

    def put_router(self, router: Router, deadline: float) -> Outcome:
        """See `Routers.put_router`."""
        return self._table.put_version(ROUTER, router.id, router, deadline)

    def put_site(self, site: Site, deadline: float) -> Outcome:
        """See `Routers.put_site`."""
        self._table.put(body_item(SITE, site.id, site), deadline)
        return Outcome.COMMITTED

    def boot(self, nas: NasId, at: int, deadline: float) -> Outcome:
        """See `Routers.boot`."""
        return move_forward(self._table.desk, BOOT, nas, at, deadline)

    def note_unknown(self, seen: Iterable[tuple[str, int, int, str]], deadline: float) -> None:
        """See `Routers.note_unknown`. Of more than `NOTED_MAX` sources the loudest are noted."""
        for source, packets, last, why in sorted(seen, key=lambda entry: -entry[1])[:NOTED_MAX]:
            try:
                self._note(source, packets, last, why, deadline)
            except Refused:  # another node heard it later: only the packets count
                self._update(source, "ADD packets :packets", {":packets": {"N": str(packets)}}, deadline)

    def unknown(self, now: int, deadline: float) -> list[tuple[str, int, int, str]]:
        """See `Routers.unknown`."""
        items = self._table.all(UNKNOWN, deadline, strong=False)
        heard = [
            (str(item["id"]), int(item["packets"]), int(item["last"]), str(item["why"]))
            for item in items
            if int(item["expires_at"]) > now
        ]
        return sorted(heard, key=lambda entry: (-entry[2], entry[0]))

    def _note(self, source: str, packets: int, last: int, why: str, deadline: float) -> None:
        bound = {
            ":packets": {"N": str(packets)},
            ":last": {"N": str(last)},
            ":why": {"S": why},
            ":expires": {"N": str(last + UNKNOWN_KEPT_S)},
        }
        expression = "ADD packets :packets SET #last = :last, why = :why, expires_at = :expires"
        condition = {
            "ConditionExpression": "attribute_not_exists(#last) OR #last <= :last",
            "ExpressionAttributeNames": {"#last": "last"},
        }
        self._update(source, expression, bound, deadline, **condition)

    def _update(self, source: str, expression: str, bound: dict[str, Any], deadline: float, **more: Any) -> None:
        self._table.desk.ask(
            deadline,
            "update_item",
            TableName=self._table.name,
            Key=attributes({"kind": UNKNOWN, "id": source}),
            UpdateExpression=expression,
            ExpressionAttributeValues=bound,
            **more,
        )


class DynamoTunnels:
    """`Tunnels`."""

    def __init__(self, table: ConfigTable) -> None:
        self._table = table

    def tunnels(self, deadline: float) -> list[Tunnel]:
        """See `Tunnels.tunnels`."""
        return [decode_body(item, Tunnel) for item in self._table.all(TUNNEL, deadline)]

    def put_tunnel(self, tunnel: Tunnel, deadline: float) -> Outcome:
        """See `Tunnels.put_tunnel`."""
        return self._table.put_version(TUNNEL, tunnel.address, tunnel, deadline)

    def drop_tunnel(self, tunnel: Tunnel, deadline: float) -> Outcome:
        """See `Tunnels.drop_tunnel`."""
        try:
            self._table.desk.ask(
                deadline,
                "delete_item",
                TableName=self._table.name,
                Key=attributes({"kind": TUNNEL, "id": tunnel.address}),
                ConditionExpression="version = :mine",
                ExpressionAttributeValues={":mine": {"N": str(tunnel.version)}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except Refused as refused:
            return Outcome.STALE if refused.there() else Outcome.ALREADY_DONE
        return Outcome.COMMITTED


class DynamoNodes:
    """`Nodes`."""

    def __init__(self, table: ConfigTable) -> None:
        self._table = table

    def publish(self, node: Node, deadline: float) -> None:
        """See `Nodes.publish`."""
        self._table.put(body_item(NODE, node.id, node), deadline)

    def nodes(self, deadline: float) -> list[Node]:
        """See `Nodes.nodes`; by id."""
        return [decode_body(item, Node) for item in self._table.all(NODE, deadline)]


class DynamoTallies:
    """`Tallies`."""

    def __init__(self, table: ConfigTable) -> None:
        self._table = table

    def tally(self, day: str, process: str, counts: Mapping[str, int], now: int, deadline: float) -> None:
        """See `Tallies.tally`. Each series is an attribute of its own."""
        names = {f"#{at}": name for at, name in enumerate(counts)}
        bound = {f":{at}": {"N": str(count)} for at, count in enumerate(counts.values())}
        added = ", ".join(f"#{at} :{at}" for at in range(len(counts)))
        self._table.desk.ask(
            deadline,
            "update_item",
            TableName=self._table.name,
            Key=attributes({"kind": TALLY, "id": f"{day}#{process}"}),
            UpdateExpression=f"ADD {added} SET expires_at = :expires",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={**bound, ":expires": {"N": str(now + TALLY_KEPT_S)}},
        )

    def tallied(self, first: str, last: str, now: int, deadline: float) -> list[Tally]:
        """See `Tallies.tallied`."""
        items = self._table.desk.items(
            deadline,
            TableName=self._table.name,
            KeyConditionExpression="kind = :kind AND id BETWEEN :first AND :last",
            ExpressionAttributeValues={":kind": {"S": TALLY}, ":first": {"S": first}, ":last": {"S": f"{last}$"}},
        )
        found = [values(item) for item in items]
        return [_tally(item) for item in found if int(item["expires_at"]) > now]


def _tally(item: Item) -> Tally:
    day, _, process = str(item["id"]).partition("#")
    own = {"kind", "id", "expires_at"}
    return Tally(day, process, {name: int(count) for name, count in item.items() if name not in own})


class DynamoDeeds:
    """`Deeds`."""

    def __init__(self, table: ConfigTable) -> None:
        self._table = table

    def note(self, deed: Deed, deadline: float) -> None:
        """See `Deeds.note`."""
        name = keys.attempt_key(deed.at_ms, deed.id)
        item = body_item(f"{DEED}#{deed.day}", name, deed)
        self._table.put({**item, "expires_at": deed.at_ms // 1000 + DEED_KEPT_S}, deadline)

    def on(self, day: str, now: int, deadline: float) -> list[Deed]:
        """See `Deeds.on`."""
        items = self._table.all(f"{DEED}#{day}", deadline)
        return [decode_body(item, Deed) for item in items if int(item["expires_at"]) > now]
