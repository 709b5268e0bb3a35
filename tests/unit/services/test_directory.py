"""Who may speak from where, answered from memory; one bad record silences one router."""

import msgspec
import pytest

from radius.domain.errors import Malformed, Unavailable
from radius.domain.identity import NasId
from radius.domain.nas import CoaScope, Family, Language, PortPair, Router, Site
from radius.ports import Node as Heartbeat
from radius.rlm import vendors
from radius.services.directory import NODE_KEPT_S, Directory, parse_network
from radius.store.memory import MemoryStore
from tests.unit.domain.builders import NAS, T0
from tests.unit.services.wired import SECRET, Node

A, B = PortPair.A, PortPair.B


def router(name: str, *addresses: str, **fields: object) -> Router:
    plain: dict[str, object] = {"secret_a": f"sealed-{name}", **fields}
    return Router(NasId(name), "kilimani", Family.MIKROTIK, addresses, **plain)  # type: ignore[arg-type]


def directory(
    *routers: Router, sites: tuple[Site, ...] = (), nodes: tuple[Heartbeat, ...] = (), at: int = T0
) -> Directory:
    store = MemoryStore()
    made = Directory(store, store, lambda sealed, *_: sealed.replace("sealed", "open"), vendors.capabilities_of)
    made.put(routers, sites, {}, nodes, at)
    return made


def owner(made: Directory, source: str, pair: PortPair = A) -> str | None:
    found = made.client(source, pair)
    return found.router.id if found is not None else None


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("10.8.0.2", "exact"),
        ("10.8.0.3", "near"),
        ("10.8.0.9", "near"),
        ("10.8.9.9", "far"),
        ("10.9.0.1", None),
        ("2001:db8::5", "six"),
        ("2001:0db8:0000::5", "six"),
        ("2001:db8::6", None),
        ("", None),
        ("no address", None),
    ],
)
def test_the_exact_address_first_then_the_longest_network(source: str, found: str | None) -> None:
    made = directory(
        router("far", "10.8.0.0/16"),
        router("near", "10.8.0.0/24"),
        router("exact", "10.8.0.2", "192.0.2.7"),
        router("six", "2001:db8::5"),
    )
    assert owner(made, source) == found


def test_two_that_claim_one_address_are_both_silenced_there_and_only_there() -> None:
    made = directory(router("one", "10.8.0.2", "10.8.0.7"), router("two", "10.8.0.2"), router("net", "10.8.0.0/24"))
    assert [owner(made, source) for source in ("10.8.0.2", "10.8.0.7")] == [None, "one"]
    wide = directory(router("one", "10.8.0.0/24"), router("two", "10.8.0.0/24"), router("three", "10.8.0.0/16"))
    assert owner(wide, "10.8.0.5") is None


def test_one_that_is_switched_off_is_silent_and_may_be_replaced_at_its_own_address() -> None:
    off = router("old", "10.8.0.2", disabled=True)
    assert owner(directory(off), "10.8.0.2") is None
    assert owner(directory(off, router("new", "10.8.0.2")), "10.8.0.2") == "new"
    assert owner(directory(off, router("net", "10.8.0.0/24")), "10.8.0.2") is None, (
        "it still claims what nobody else does"
    )


def test_each_pair_of_ports_answers_its_own_secret() -> None:
    made = directory(router("one", "10.8.0.2", secret_a="sealed-old", secret_b="sealed-new"))
    secrets = [client.secret for pair in (A, B) if (client := made.client("10.8.0.2", pair)) is not None]
    assert secrets == ["open-old", "open-new"]
    rotated = directory(router("one", "10.8.0.2", secret_a="", secret_b="sealed-new"))
    assert (owner(rotated, "10.8.0.2", A), owner(rotated, "10.8.0.2", B)) == (None, "one")


def test_a_fresh_table_is_answered_from_at_once() -> None:
    made = directory(router("one", "10.8.0.2"))
    assert owner(made, "10.8.0.2") == "one"
    made.put([router("two", "10.8.0.2")], [], {}, (), T0 + 10)
    assert owner(made, "10.8.0.2") == "two"
    assert (made.nas("one"), made.router("one"), made.refreshed_at) == (None, None, T0 + 10)


@pytest.mark.parametrize(
    "bad", [router("bad", "10.8.0.300"), router("bad", "10.8.0.9", overrides={"coa": "sometimes"})]
)
def test_one_bad_record_is_named_and_keeps_no_other_from_being_refreshed(bad: Router) -> None:
    made = directory(bad, router("good", "10.8.0.2"))
    assert list(made.broken) == ["bad"]
    assert (made.nas("bad"), owner(made, "10.8.0.2")) == (None, "good")
    made.put([router("bad", "10.8.0.9"), router("good", "10.8.0.2")], [], {}, (), T0 + 10)
    assert (made.broken, owner(made, "10.8.0.9")) == ({}, "bad")


def test_a_router_is_joined_with_its_site_its_family_and_what_differs_on_it() -> None:
    site = Site("kilimani", "Africa/Kampala", Language.SWAHILI)
    made = directory(router("one", "10.8.0.2", overrides={"coa": "none"}), sites=(site,))
    nas = made.nas("one")
    assert nas is not None
    assert (nas.site, nas.family, nas.capabilities.coa) == (site, Family.MIKROTIK, CoaScope.NONE)
    assert (list(made.all_nas()), [one.id for one in made.all_routers()], made.all_sites()) == ([nas], ["one"], [site])


def test_a_site_that_is_not_there_yet_has_the_defaults() -> None:
    nas = directory(router("one", "10.8.0.2")).nas("one")
    assert nas is not None
    assert nas.site == Site("kilimani", "Africa/Nairobi", Language.ENGLISH)


# -- boots -------------------------------------------------------------------------------------------------------


def test_a_boot_that_this_node_heard_is_not_forgotten_by_a_refresh_and_never_goes_back() -> None:
    made = directory(router("one", "10.8.0.2"))
    made.booted(NasId("one"), T0 + 50)
    made.booted(NasId("one"), T0 + 20)
    assert made.boots == {"one": T0 + 50}
    made.put([router("one", "10.8.0.2")], [], {NasId("one"): T0 + 40, NasId("two"): T0}, (), T0 + 60)
    assert made.boots == {"one": T0 + 50, "two": T0}
    nas = made.nas("one")
    assert nas is not None
    assert nas.boot_at == T0 + 50
    made.put([router("one", "10.8.0.2")], [], {NasId("one"): T0 + 70}, (), T0 + 80)
    assert made.boots["one"] == T0 + 70


# -- what has been heard of a router -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "until"),
    [
        ([], T0 + 999),  # nobody publishes anything of it: as asked
        ([Heartbeat("a", T0 + 90, 0, (NasId("one"),))], T0 + 90),
        ([Heartbeat("a", T0 + 90, T0 + 5, (NasId("one"),))], T0 + 5),  # the oldest packet in its spool
        ([Heartbeat("a", T0 + 90, 0, (NasId("one"),)), Heartbeat("b", T0 + 60, 0, (NasId("one"),))], T0 + 60),
        ([Heartbeat("a", T0 + 90, 0, (NasId("two"),))], T0 + 999),
        # One that published nothing for a day was taken down.
        ([Heartbeat("a", T0 + 100 - NODE_KEPT_S - 1, 0, (NasId("one"),))], T0 + 999),
        ([Heartbeat("a", T0 + 100 - NODE_KEPT_S, 0, (NasId("one"),))], T0 + 100 - NODE_KEPT_S),
    ],
)
def test_up_to_when_a_router_was_heard(nodes: list[Heartbeat], until: int) -> None:
    made = directory(router("one", "10.8.0.2"), nodes=tuple(nodes), at=T0 + 100)
    assert made.heard_until(NasId("one"), T0 + 999) == until


# -- the store ---------------------------------------------------------------------------------------------------


def test_a_store_that_is_away_leaves_the_old_table_standing() -> None:
    node = Node()
    before = node.directory.refreshed_at
    node.store.faults.before = lambda method: method == "nodes"
    with pytest.raises(Unavailable):
        node.directory.refresh(T0 + 60, node.deadline)
    assert owner(node.directory, "10.8.0.2") == "kilimani-03"
    assert node.directory.refreshed_at == before


def test_the_secret_is_opened_for_its_router_only() -> None:
    node = Node()
    client = node.directory.client("10.8.0.2", A)
    assert client is not None
    assert client.secret == SECRET
    assert SECRET not in str(msgspec.json.encode(client.router))


@pytest.mark.parametrize("text", ["", "10.8.0.300", "kilimani", "10.8.0.0/33"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(Malformed):
        parse_network(text)


def test_a_network_may_be_written_from_any_of_its_addresses() -> None:
    assert str(parse_network(" 10.8.0.77/24 ")) == "10.8.0.0/24"


def test_a_record_that_cannot_be_read_silences_what_it_is_about_and_nothing_else() -> None:
    node = Node()
    node.store.put_site(Site("annex", language="fr"), node.deadline)  # type: ignore[arg-type]  # another version's word
    node.store.put_router(Router(NasId("inside"), "annex", Family.UNIFI, ("10.8.0.8",), version=1), node.deadline)
    odd = Router(NasId("odd"), "kilimani", "later", ("10.8.0.9",), version=1)  # type: ignore[arg-type]  # as above
    node.store.put_router(odd, node.deadline)
    node.provision.router(Router(NasId("new"), "kilimani", Family.UNIFI, ("10.8.0.10",)), SECRET)
    node.directory.refresh(T0 + 10, node.deadline)
    assert node.directory.refreshed_at == T0 + 10
    assert {one.id for one in node.directory.all_nas()} == {NAS, "new"}
    assert {name: why.split(":")[0] for name, why in node.directory.broken.items()} == {
        "inside": "site annex",
        "odd": "router odd",
    }
    assert node.directory.client("10.8.0.8", PortPair.A) is None
