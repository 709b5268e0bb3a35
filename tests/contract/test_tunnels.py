import threading
from collections import Counter
from ipaddress import IPv4Network

import msgspec
import pytest

from radius.domain.errors import Malformed
from radius.domain.identity import NasId
from radius.domain.tunnel import Tunnel, free_address, of_router
from radius.ports import Outcome
from radius.services.tunnels import Tunnels
from radius.store.open import Store
from tests.contract.values import soon

GATE, BARN = NasId("gate"), NasId("barn")
NETWORK = IPv4Network("10.99.0.0/24")
FIRST = Tunnel("10.99.0.2", GATE, version=1)
KEY, OTHER = "k" * 42 + "A=", "o" * 42 + "A="


@pytest.fixture
def desk(store: Store) -> Tunnels:
    return Tunnels(store.tunnels, NETWORK, soon)


def test_a_tunnel_is_written_version_by_version(store: Store) -> None:
    assert store.tunnels.put_tunnel(FIRST, soon()) is Outcome.COMMITTED
    assert store.tunnels.put_tunnel(FIRST, soon()) is Outcome.ALREADY_DONE
    assert store.tunnels.put_tunnel(msgspec.structs.replace(FIRST, router=BARN), soon()) is Outcome.STALE
    second = msgspec.structs.replace(FIRST, public_key=KEY, version=2)
    assert store.tunnels.put_tunnel(second, soon()) is Outcome.COMMITTED
    assert store.tunnels.put_tunnel(FIRST, soon()) is Outcome.STALE
    assert store.tunnels.tunnels(soon()) == [second]


def test_an_address_is_given_back_only_as_it_was_read(store: Store) -> None:
    store.tunnels.put_tunnel(FIRST, soon())
    store.tunnels.put_tunnel(msgspec.structs.replace(FIRST, public_key=KEY, version=2), soon())
    assert store.tunnels.drop_tunnel(FIRST, soon()) is Outcome.STALE
    assert store.tunnels.drop_tunnel(msgspec.structs.replace(FIRST, version=2), soon()) is Outcome.COMMITTED
    assert store.tunnels.drop_tunnel(msgspec.structs.replace(FIRST, version=2), soon()) is Outcome.ALREADY_DONE
    assert store.tunnels.tunnels(soon()) == []


def test_each_router_has_an_address_of_its_own_and_keeps_it(desk: Tunnels) -> None:
    assert desk.give(GATE).address == "10.99.0.2"
    assert desk.give(BARN).address == "10.99.0.3"
    assert desk.give(GATE).address == "10.99.0.2"
    assert [each.router for each in desk.all()] == [BARN, GATE]


def test_routers_that_join_at_once_get_an_address_each(desk: Tunnels) -> None:
    given: list[Tunnel] = []
    gate = threading.Barrier(12)

    def join(number: int) -> None:
        gate.wait()
        given.append(desk.give(NasId(f"r{number % 6}")))  # each router twice

    threads = [threading.Thread(target=join, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    standing = {each.router: each.address for each in desk.all()}
    assert len(set(standing.values())) == 6
    assert {NasId(f"r{number}") for number in range(6)} == set(standing)
    assert Counter(each.router for each in given) == Counter({NasId(f"r{number}"): 2 for number in range(6)})
    for router in standing:
        desk.give(router)  # who lost a race left an address at most until the next look
    assert {each.router: each.address for each in desk.all()} == standing


def test_of_two_addresses_the_lowest_counts_and_the_other_is_given_back(store: Store, desk: Tunnels) -> None:
    for address in ("10.99.0.10", "10.99.0.9"):
        store.tunnels.put_tunnel(Tunnel(address, GATE, version=1), soon())
    assert desk.of(GATE) == Tunnel("10.99.0.9", GATE, version=1)
    assert desk.give(GATE).address == "10.99.0.9"
    assert [each.address for each in store.tunnels.tunnels(soon())] == ["10.99.0.9"]


def test_a_key_is_kept_replaced_and_shut_out_and_the_address_stays(desk: Tunnels) -> None:
    desk.give(GATE)
    assert desk.keyed(GATE, KEY).public_key == KEY
    assert desk.keyed(GATE, KEY).version == 2
    assert desk.keyed(GATE, OTHER).public_key == OTHER
    assert desk.shut(GATE)
    assert not desk.shut(GATE)
    assert desk.of(GATE) == Tunnel("10.99.0.2", GATE, version=4)


def test_two_routers_never_have_one_key(desk: Tunnels) -> None:
    desk.give(GATE)
    desk.give(BARN)
    desk.keyed(GATE, KEY)
    with pytest.raises(Malformed, match="another router's"):
        desk.keyed(BARN, KEY)


@pytest.mark.parametrize("key", ["", "short", "k" * 44, "k" * 42 + "B=", "k" * 42 + "A=\n"])
def test_what_is_no_key_is_refused(desk: Tunnels, key: str) -> None:
    desk.give(GATE)
    with pytest.raises(Malformed):
        desk.keyed(GATE, key)


def test_a_router_without_a_tunnel_has_no_key(desk: Tunnels) -> None:
    with pytest.raises(Malformed, match="gate has no tunnel"):
        desk.keyed(GATE, KEY)
    assert not desk.shut(GATE)


def test_the_hub_and_the_ends_of_the_network_are_nobodys() -> None:
    small = IPv4Network("10.99.0.0/29")
    taken: list[str] = []
    for _ in range(5):
        taken.append(free_address(small, taken))
    assert taken == ["10.99.0.2", "10.99.0.3", "10.99.0.4", "10.99.0.5", "10.99.0.6"]
    with pytest.raises(Malformed, match="is full"):
        free_address(small, taken)


def test_addresses_sort_as_numbers() -> None:
    tunnels = [Tunnel(address, GATE) for address in ("10.99.0.10", "10.99.0.9")]
    assert [each.address for each in of_router(tunnels, GATE)] == ["10.99.0.9", "10.99.0.10"]
