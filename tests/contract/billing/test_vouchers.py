"""Vouchers from the drawing of their codes to their end, over memory and the engine."""

import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from io import BytesIO
from types import SimpleNamespace

import msgspec
import pytest

from billing.domain.agent import Agent
from billing.domain.batch import Batch, BatchRefusal, BatchState
from billing.domain.journal import Account, AccountKind, Cause
from billing.domain.ledger import Missing, cash_of
from billing.domain.voucher import CodeRules, Voucher, VoucherRefusal, VoucherState
from billing.paper.sheet import write_sheet
from billing.paper.slips import Brand, slips
from billing.services.agents import Agents
from billing.services.batches import Batches, Exported
from billing.services.codes import Codes, Paper
from billing.services.paper_care import Ended, PaperCare, Replaced
from billing.services.paper_sales import GivenCode, PaperSales, PileOrder, SoldPile, Unsold
from billing.services.redeem import Redeem, Redeemed
from billing.services.word import Word
from billing.store.ports import BillingStore
from billing.store.rows import MemoryRows
from radius.domain import subscriber as aggregate
from radius.domain.errors import Corrupt, Malformed
from radius.domain.identity import SubscriberId
from radius.domain.nas import Language
from radius.domain.request import Chap, Method
from radius.secrets import KeyRing
from radius.services.access import Granted, HandOver
from radius.store.open import Store
from tests.contract.billing.town import DEVICE, DyingRows, Killed, Town
from tests.contract.billing.values import PACKAGE
from tests.contract.values import soon
from tests.unit.billing.values import T0
from tests.unit.services.wired import Node, access_request

KEYS = KeyRing(bytes(range(32)))
B12 = Batch("B12", "standard.1", 5_000, 50, T0, "achieng")
WORD = Word("otieno", "the printer ate it")
STOCK, OWED = Account(AccountKind.STOCK, "B12"), Account(AccountKind.VOUCHERS, "B12")
YEAR_S = 365 * 86_400


class Press:
    """The services of one process."""

    def __init__(self, town: Town, seed: int = 0) -> None:
        self.town = town
        bytes_ = iter(range(seed, 10**6))

        def random(count: int) -> bytes:
            return md5(str(next(bytes_)).encode(), usedforsecurity=False).digest() * (count // 16 + 1)

        self.codes = Codes(town.book, KEYS.alias_key)
        self.batches = Batches(town.book, self.codes, KEYS, random)
        self.sales = PaperSales(town.book, self.codes, random)
        self.care = PaperCare(town.book, self.codes, self.batches, random)
        self.redeem = Redeem(town.book)

    def printed(self, count: int = 3, **fields: object) -> list[str]:
        """Codes of a batch that was made and exported."""
        batch = msgspec.structs.replace(B12, count=count, **fields)
        self.batches.make(batch, "otieno", T0)
        exported = self.batches.export("B12")
        assert isinstance(exported, Exported)
        return list(exported.codes)

    def state(self, serial: str) -> VoucherState:
        kept = self.town.billing.voucher(serial, soon())
        assert kept
        return kept.voucher.state

    def log_in(self, serial: str, at: int) -> None:
        """What `radius` does at the first log-in of a code."""
        kept = self.town.billing.voucher(serial, soon())
        assert kept

        def start(present: aggregate.Subscriber) -> None:
            present.rights[0].starts_at, present.rights[0].ends_at = at, at + 86_400

        change = self.town.book.alter(kept.subscriber, start, self.town.book.new_id(), at)
        assert change
        self.town.core.subscribers.commit(change, soon())


@pytest.fixture
def press(town: Town) -> Press:
    return Press(town)


def pile(*numbers: int, key: str = "k1", agent: str = "") -> PileOrder:
    return PileOrder(key, "achieng", "B12", tuple(f"B12-{number:04}" for number in numbers), agent)


# -- made and exported -------------------------------------------------------------------------------------------------


def test_a_batch_is_made_and_exported_once(town: Town, press: Press) -> None:
    codes = press.printed(50)
    assert len(set(codes)) == 50
    assert press.batches.export("B12") is BatchRefusal.SEEN
    kept = town.billing.thing(Batch, "B12", soon())
    assert kept
    assert (kept.thing.state, kept.thing.made, kept.thing.seed) == (BatchState.EXPORTED, 50, "")
    assert (town.cents(STOCK), town.cents(OWED)) == (250_000, -250_000)
    assert town.findings() == []
    out = BytesIO()
    assert write_sheet(slips(kept.thing, PACKAGE, codes, Language.ENGLISH), out, Brand("Plaza WiFi")) == 3


def test_no_code_and_no_seed_is_readable_at_rest(town: Town, press: Press) -> None:
    press.batches.make(B12, "otieno", T0)
    kept = town.billing.thing(Batch, "B12", soon())
    assert kept
    with pytest.raises(Corrupt):
        KeyRing(bytes(32)).unseal(kept.thing.seed, "B12", "batch_seed", 1)
    exported = press.batches.export("B12")
    assert isinstance(exported, Exported)
    vouchers = town.billing.vouchers([f"B12-{n:04}" for n in range(1, 51)], soon())
    stored = [town.core.subscribers.read(each.subscriber, soon()) for each in vouchers]
    text = msgspec.json.encode([vouchers, kept.thing]) + b"".join(each.body for each in stored if each)
    assert not any(code.encode() in text for code in exported.codes)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_who_dies_making_it_goes_on_and_the_codes_are_the_same(
    store: Store, billing: BillingStore, after: bool
) -> None:
    """The seed is drawn once; ten vouchers, one step, killed at each request."""
    town, done = Town(store, billing.rows), False
    town.found()
    for n in range(1, 60):
        victim = Press(Town(store, DyingRows(billing.rows, n, after=after), seed=10 + n), seed=n)  # type: ignore[arg-type]
        try:
            victim.printed(10)
        except Killed:
            done = False
            continue
        except AssertionError:  # killed after the export was committed: nobody has the codes
            assert after
        done = True
        break
    assert done
    assert (town.cents(STOCK), town.cents(OWED)) == (50_000, -50_000)
    assert len(town.billing.vouchers([f"B12-{number:04}" for number in range(1, 11)], soon())) == 10
    assert town.findings() == []


def test_a_batch_half_made_is_neither_exported_nor_void(town: Town, press: Press) -> None:
    press.batches._begin(B12)
    kept = press.batches._kept("B12")
    press.batches._step(kept, "otieno", T0)
    with pytest.raises(Malformed):
        press.batches.export("B12")
    with pytest.raises(Malformed):
        press.care.void_batch("B12", WORD, T0)
    assert press.batches.make(B12, "otieno", T0 + 99).made == 50
    assert town.findings() == []


def test_the_same_name_for_something_else_is_refused(press: Press) -> None:
    press.printed(3)
    with pytest.raises(Malformed):
        press.batches.make(msgspec.structs.replace(B12, count=4), "otieno", T0)


def test_two_who_make_one_batch_come_to_the_same(store: Store, billing: BillingStore) -> None:
    town = Town(store, billing.rows)
    town.found()
    with ThreadPoolExecutor(2) as pool:
        presses = [Press(Town(store, billing.rows, seed=n), seed=100 * n) for n in (1, 2)]
        for job in [pool.submit(press.batches.make, B12, "otieno", T0) for press in presses]:
            assert job.result().made == 50
    exported = presses[0].batches.export("B12")
    assert isinstance(exported, Exported)
    for serial, code in ((f"B12-{n:04}", exported.codes[n - 1]) for n in range(1, 51)):
        kept = town.billing.voucher(serial, soon())
        assert kept
        assert kept.code == presses[1].codes.key(code)
    assert town.findings() == []


def test_a_code_that_another_batch_has_is_drawn_anew(town: Town, press: Press) -> None:
    """Codes of three digits, of which a thousand are free."""
    rules, seed, paper = CodeRules(4), bytes(32), Paper("standard.1", 5_000, "achieng")
    wanted = [Voucher(batch, number) for batch in "ABCDE" for number in range(1, 61)]
    made = [press.codes.make(seed, voucher, rules, paper, T0) for voucher in wanted]
    assert len({each.code for each in made}) == 300
    assert [press.codes.make(seed, voucher, rules, paper, T0) for voucher in wanted] == made


# -- sold --------------------------------------------------------------------------------------------------------------


def test_a_pile_is_sold_once_and_whole(town: Town, press: Press) -> None:
    press.printed()
    sold = press.sales.sell(pile(1, 2), T0 + 1)
    assert isinstance(sold, SoldPile)
    assert press.sales.sell(pile(1, 2), T0 + 2) == sold._replace(again=True)
    assert press.sales.sell(pile(3, 2, key="k2"), T0 + 3) == Unsold("B12-0002", VoucherRefusal.SOLD)
    assert press.state("B12-0003") is VoucherState.STOCK
    assert town.cents(cash_of("achieng")) == 10_000
    assert town.findings() == []


def test_what_was_not_exported_is_not_sold(press: Press) -> None:
    press.batches.make(B12, "otieno", T0)
    assert press.sales.sell(pile(1), T0) is BatchRefusal.NOT_EXPORTED


def test_an_agent_takes_paper_out_of_the_float(town: Town, press: Press) -> None:
    press.printed()
    agents = Agents(town.book)
    agents.put(Agent("duka-1", {"": 500}, 7_000))
    assert press.sales.sell(pile(1, 2, agent="duka-1"), T0) == Missing(3_000)
    assert isinstance(press.sales.sell(pile(1, agent="duka-1"), T0), SoldPile)
    kept = town.billing.thing(Agent, "duka-1", soon())
    assert kept
    assert (kept.thing.float_cents, kept.thing.earned_cents) == (-5_000, 250)
    paid = press.care.void("B12-0001", WORD, T0 + 5, Account(AccountKind.FLOAT, "duka-1"))
    assert not isinstance(paid, VoucherRefusal)
    assert town.findings() == []


def test_two_sellers_of_one_voucher_are_paid_once(store: Store, billing: BillingStore) -> None:
    town = Town(store, billing.rows)
    town.found()
    press = Press(town)
    press.printed(30)
    with ThreadPoolExecutor(2) as pool:
        for number in range(1, 31):
            jobs = [pool.submit(press.sales.sell, pile(number, key=f"{number}.{n}"), T0) for n in (1, 2)]
            assert {type(job.result()) for job in jobs} == {SoldPile, Unsold}
    assert town.cents(cash_of("achieng")) == 150_000
    assert town.findings() == []


def test_a_code_on_the_spot_is_sold_once_and_shown_once(town: Town, press: Press) -> None:
    given = press.sales.sell_code("k9", "achieng", "standard.1", "", T0)
    assert isinstance(given, GivenCode)
    assert len(given.code) == 12
    assert press.sales.sell_code("k9", "achieng", "standard.1", "", T0 + 3) == given._replace(code="")
    redeemed = press.redeem.by_code(press.codes.key(given.code), town.customer, DEVICE, T0 + 60)
    assert isinstance(redeemed, Redeemed)
    assert town.cents(cash_of("achieng")) == 5_000
    assert town.findings() == []


# -- ended -------------------------------------------------------------------------------------------------------------


def test_void_takes_unsold_paper_out_and_pays_sold_paper_back(town: Town, press: Press) -> None:
    codes = press.printed()
    press.sales.sell(pile(1), T0)
    assert press.care.void("B12-0001", WORD, T0 + 1) is VoucherRefusal.SOLD
    for serial in ("B12-0001", "B12-0002"):
        press.care.void(serial, WORD, T0 + 2, cash_of("achieng"))
        assert press.state(serial) is VoucherState.VOID
    assert press.care.void("B12-0001", WORD, T0 + 3, cash_of("achieng")) is VoucherRefusal.VOID
    assert press.care.void("B12-0009", WORD, T0 + 3) is None
    assert press.redeem.by_code(press.codes.key(codes[0]), town.customer, DEVICE, T0 + 4) is VoucherRefusal.VOID
    assert (town.cents(STOCK), town.cents(OWED), town.cents(cash_of("achieng"))) == (5_000, -5_000, 0)
    kept = town.billing.voucher("B12-0002", soon())
    assert kept
    stored = town.core.subscribers.read(kept.subscriber, soon())
    assert stored
    assert aggregate.decode(stored.body).rights[0].revoked_at == T0 + 2
    assert town.findings() == []


@pytest.mark.parametrize("word", [Word("", "why"), Word("otieno", " ")])
def test_nobody_ends_a_voucher_without_a_name_and_a_reason(press: Press, word: Word) -> None:
    press.printed()
    with pytest.raises(Malformed):
        press.care.void("B12-0001", word, T0)
    with pytest.raises(Malformed):
        press.care.replace("B12-0001", word, T0)
    assert press.state("B12-0001") is VoucherState.STOCK


def test_a_void_batch_keeps_what_customers_paid_for_and_can_be_resumed(town: Town, press: Press) -> None:
    codes = press.printed(4)
    press.sales.sell(pile(1, 2), T0)
    press.log_in("B12-0003", T0 + 1)
    assert press.care.void_batch("B12", WORD, T0 + 2) == Ended(1, 2)
    assert [press.state(f"B12-000{n}").value for n in (1, 2, 3, 4)] == ["sold", "sold", "used", "void"]
    assert press.sales.sell(pile(1, key="k2"), T0) is BatchRefusal.VOID
    assert isinstance(press.redeem.by_code(press.codes.key(codes[0]), town.customer, DEVICE, T0 + 3), Redeemed)
    assert press.care.void_batch("B12", WORD, T0 + 4, cash_of("achieng")) == Ended(1, 0)
    assert town.findings() == []


def test_a_replaced_voucher_opens_nothing_and_its_heir_does(town: Town, press: Press) -> None:
    codes = press.printed()
    press.sales.sell(pile(1), T0)
    replaced = press.care.replace("B12-0001", WORD, T0 + 1)
    assert isinstance(replaced, Replaced)
    assert replaced.serial == "B12-0001.2"
    assert press.care.replace("B12-0001", WORD, T0 + 2) is VoucherRefusal.VOID
    by_code = press.redeem.by_code
    assert by_code(press.codes.key(codes[0]), town.customer, DEVICE, T0 + 3) is VoucherRefusal.VOID
    found = by_code(press.codes.key(replaced.code), town.customer, DEVICE, T0 + 4)
    assert found == Redeemed("b12-0001.2", "standard.1")
    assert town.cents(cash_of("achieng")) == 5_000
    assert town.findings() == []


def test_replacing_and_using_race_and_one_wins(store: Store, billing: BillingStore) -> None:
    """A customer types the code while staff replace it: never two rights for one price."""
    town = Town(store, billing.rows)
    town.found()
    press = Press(town)
    codes = press.printed(20)
    with ThreadPoolExecutor(2) as pool:
        for number, code in enumerate(codes, 1):
            other = Press(Town(store, billing.rows, seed=2), seed=10_000 * number)
            used = pool.submit(press.redeem.by_code, press.codes.key(code), town.customer, DEVICE, T0 + 1)
            replaced = pool.submit(other.care.replace, f"B12-{number:04}", WORD, T0 + 1)
            assert isinstance(used.result(), Redeemed) is not isinstance(replaced.result(), Replaced)
    assert town.findings() == []


def test_what_is_over_is_booked_by_the_sweep_and_sold_paper_is_revenue(town: Town, press: Press) -> None:
    press.printed(redeem_by=T0 + 600)
    press.sales.sell(pile(1), T0)
    assert press.care.round(T0 + 599) == 0
    assert press.care.round(T0 + 4_000) == 3
    assert [press.state(f"B12-000{n}") for n in (1, 2, 3)] == [VoucherState.EXPIRED] * 3
    assert (town.cents(STOCK), town.cents(OWED)) == (0, 0)
    assert town.cents(Account(AccountKind.REVENUE, "standard")) == -4_310
    assert press.care.round(T0 + YEAR_S) == 0
    assert town.billing.due_things(Batch, T0 + YEAR_S, 9, soon()) == []
    assert town.findings() == []


def test_codes_that_logged_in_are_found_and_booked_once(town: Town, press: Press) -> None:
    codes = press.printed()
    press.sales.sell(pile(1), T0)
    press.log_in("B12-0001", T0 + 5)
    press.log_in("B12-0002", T0 + 6)
    assert press.care.round(T0 + 3_600) == 2
    assert press.care.round(T0 + 7_200) == 0
    assert press.redeem.by_code(press.codes.key(codes[1]), town.customer, DEVICE, T0 + 9) is VoucherRefusal.USED
    assert press.care.replace("B12-0002", WORD, T0 + 9) is VoucherRefusal.USED
    assert (town.cents(STOCK), town.cents(OWED)) == (5_000, -5_000)
    assert town.cents(cash_of("achieng")) == 10_000
    assert town.findings() == []


# -- at the router -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Method.PAP, Method.CHAP])
def test_a_code_of_the_batch_logs_in_by_itself_and_is_booked_once(method: Method) -> None:
    """The batch, the access service that FreeRADIUS calls, the sweep: over one store."""
    node = Node()
    node.now, node.monotonic_s = T0 + 60, time.monotonic()
    core = SimpleNamespace(subscribers=node.store, catalogue=node.store)
    town = Town(core, MemoryRows(node.store))  # type: ignore[arg-type]
    town.found()
    press = Press(town)
    code = press.printed()[1]
    kept = town.billing.voucher("B12-0002", soon())
    assert kept
    typed = f"{code[:4]} {code[4:8]}-{code[8:]}"
    if method is Method.PAP:
        request = access_request(typed, "")
    else:
        response = md5(b"\x07" + code.encode() + b"challenge", usedforsecurity=False).digest()
        request = access_request(code, None, method=method, chap=Chap(7, response, b"challenge"))
    handed = node.access.authorize(request)
    assert isinstance(handed, HandOver)
    request = msgspec.structs.replace(request, token=handed.token)
    assert node.access.authenticate(request)
    assert isinstance(node.access.post_auth(request, node.now), Granted)
    assert node.home(SubscriberId(kept.subscriber)).rights[0].starts_at == T0 + 60
    assert press.care.round(T0 + 3_600) == 1
    assert press.care.round(T0 + 7_200) == 0
    entry = town.billing.entry(f"{Cause.VOUCHER_REDEEMED.value}:B12-0002", soon())
    assert entry
    assert entry.subscriber == kept.subscriber
    assert town.findings() == []
