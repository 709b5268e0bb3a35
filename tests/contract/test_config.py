import threading
from collections import Counter

import msgspec

from radius.domain.identity import NasId
from radius.domain.nas import Family, Language, Router, Site
from radius.domain.terms import Hours, PeriodUnit, Rate, Terms, Window, WindowStart
from radius.ports import UNKNOWN_KEPT_S, Node, Outcome
from radius.store.open import Store
from tests.contract.values import soon

TERMS = Terms(
    "day.3",
    Window(WindowStart.FIRST_LOGIN, 1, PeriodUnit.DAY),
    quota_bytes=2**40,
    rate=Rate(2_000_000, 5_000_000, burst_s=8),
    hours=(Hours(0b11, 60, 600),),
    sites=("lodge",),
)
ROUTER = Router(NasId("gate"), "lodge", Family.MIKROTIK, ("192.0.2.1", "198.51.100.0/24"), version=1)


def test_terms_come_back_whole(store: Store) -> None:
    assert store.catalogue.terms(TERMS.id, soon()) is None
    assert store.catalogue.add(TERMS, soon()) is Outcome.COMMITTED
    assert store.catalogue.terms(TERMS.id, soon()) == TERMS


def test_terms_never_change(store: Store) -> None:
    store.catalogue.add(TERMS, soon())
    assert store.catalogue.add(TERMS, soon()) is Outcome.ALREADY_DONE
    assert store.catalogue.add(msgspec.structs.replace(TERMS, devices=9), soon()) is Outcome.CONFLICT
    assert store.catalogue.terms(TERMS.id, soon()) == TERMS


def test_a_router_is_written_version_by_version(store: Store) -> None:
    assert store.routers.put_router(ROUTER, soon()) is Outcome.COMMITTED
    assert store.routers.put_router(ROUTER, soon()) is Outcome.ALREADY_DONE
    second = msgspec.structs.replace(ROUTER, site="annex", version=2, overrides={"rate": False, "octet_view": "client"})
    assert store.routers.put_router(second, soon()) is Outcome.COMMITTED
    assert store.routers.put_router(second, soon()) is Outcome.ALREADY_DONE
    assert store.routers.put_router(ROUTER, soon()) is Outcome.STALE
    assert store.routers.put_router(msgspec.structs.replace(second, site="x"), soon()) is Outcome.STALE
    assert store.routers.put_router(msgspec.structs.replace(second, version=4), soon()) is Outcome.STALE
    assert store.routers.routers(soon()) == [second]


def test_a_router_that_is_not_there_has_no_second_version(store: Store) -> None:
    assert store.routers.put_router(msgspec.structs.replace(ROUTER, version=2), soon()) is Outcome.STALE
    assert store.routers.routers(soon()) == []


def test_one_winner_for_each_version_of_a_router(store: Store) -> None:
    outcomes: list[Outcome] = []
    gate = threading.Barrier(8)

    def race(number: int) -> None:
        gate.wait()
        mine = msgspec.structs.replace(ROUTER, site=f"site{number}")
        outcomes.append(store.routers.put_router(mine, soon()))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(outcomes) == Counter({Outcome.COMMITTED: 1, Outcome.STALE: 7})


def test_more_routers_than_a_page_holds(store: Store) -> None:
    long = "x" * 20_000
    routers = [Router(NasId(f"r{n:03d}"), "lodge", Family.COOVA, (), secret_a=long, version=1) for n in range(60)]
    for router in routers:
        store.routers.put_router(router, soon())
    assert store.routers.routers(soon()) == routers


def test_sites_last_writer_wins(store: Store) -> None:
    store.routers.put_site(Site("lodge"), soon())
    swahili = Site("lodge", language=Language.SWAHILI)
    assert store.routers.put_site(swahili, soon()) is Outcome.COMMITTED
    store.routers.put_site(Site("annex"), soon())
    assert store.routers.sites(soon()) == [Site("annex"), swahili]


def test_a_boot_only_moves_forward(store: Store) -> None:
    gate = NasId("gate")
    assert store.routers.boots(soon()) == {}
    assert store.routers.boot(gate, 1_000, soon()) is Outcome.COMMITTED
    assert store.routers.boot(gate, 1_000, soon()) is Outcome.ALREADY_DONE
    assert store.routers.boot(gate, 999, soon()) is Outcome.ALREADY_DONE
    assert store.routers.boot(gate, 1_001, soon()) is Outcome.COMMITTED
    store.routers.boot(NasId("b"), 5, soon())
    assert store.routers.boots(soon()) == {gate: 1_001, NasId("b"): 5}


def test_unheard_sources_add_up_latest_first(store: Store) -> None:
    store.routers.note_unknown([("192.0.2.9", 3, 1_000, "no such client"), ("192.0.2.8", 1, 1_500, "bad")], soon())
    store.routers.note_unknown([("192.0.2.9", 4, 2_000, "no Message-Authenticator")], soon())
    store.routers.note_unknown([("192.0.2.9", 5, 1_800, "told late by another node")], soon())
    assert store.routers.unknown(2_000, soon()) == [
        ("192.0.2.9", 12, 2_000, "no Message-Authenticator"),
        ("192.0.2.8", 1, 1_500, "bad"),
    ]


def test_unheard_sources_are_forgotten_whether_or_not_they_were_collected(store: Store) -> None:
    store.routers.note_unknown([("192.0.2.9", 3, 1_000, "x"), ("192.0.2.8", 1, 1_500, "x")], soon())
    assert [entry[0] for entry in store.routers.unknown(1_000 + UNKNOWN_KEPT_S, soon())] == ["192.0.2.8"]


def test_nodes_replace_their_own_heartbeat(store: Store) -> None:
    first = Node("n1", 1_000, 900, (NasId("gate"),))
    store.nodes.publish(first, soon())
    store.nodes.publish(Node("n2", 1_000, 0, ()), soon())
    later = first._replace(at=1_060, spool_oldest_at=0, routers=(NasId("gate"), NasId("b")))
    store.nodes.publish(later, soon())
    assert store.nodes.nodes(soon()) == [later, Node("n2", 1_000, 0, ())]
