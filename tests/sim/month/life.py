"""A town's life, seeded: who buys, pays, fails, comes late, is online over midnight, is given back. And its diary.

All goes through the product's own services over the embedded engine, in the order in which it happens.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from billing.domain.give_back import Way
from billing.domain.payment import PaymentEvent
from billing.domain.settle import Proof
from billing.provider import Refused
from billing.services.checkout import Begun, Buy
from billing.services.redeem import Redeemed
from billing.services.refunds import Ask
from billing.services.renew import Bought
from billing.services.sell import Order
from billing.services.word import Word
from radius.domain.identity import MacAddress, NasId, SubscriberId, parse_code
from radius.domain.request import Status
from radius.wiring import build_accounting, build_sweep
from tests.contract.billing.town import checkout_of
from tests.contract.cli.isp import ANNEX, GATE, Nobody, World
from tests.contract.values import soon
from tests.sim.month.diary import Back, Diary, Sale, Stay, TopUp, Try
from tests.unit.services.wired import accounting_request

DAY = 86_400
BEGIN = 1_784_062_800  # 2026-07-15 00:00 in Nairobi
CROWD = 40  # days later most arrive: before, there are only those who come back after a long time
END = BEGIN + 124 * DAY  # 2026-11-16: reports of October are asked for
CUTS = (80 * DAY, 107 * DAY)  # after `BEGIN`, when the lodge's power may fail
PACKAGES = {"hour": (1_500, 3_600), "daily": (5_000, DAY), "week": (25_000, 7 * DAY), "month": (99_900, 30 * DAY)}
CAPPED = "capped"  # a day, and a gigabyte
CAP = 1_000_000_000
FAILURES = {
    "1032": "customer", "1037": "customer", "1": "customer", "2001": "customer", "1019": "network",
    "2028": "configuration",
}  # fmt: skip
KEPT_BACK = Refused("500.003.02", again=True)
ROUTERS = {"kilimani": GATE, "lodge": ANNEX}
KINDS = ("regular", "regular", "weekly", "monthly", "saver", "lapsed", "paper", "once")


class Life:
    """`run` plays it. `customers` as many as there are."""

    def __init__(self, world: World, seed: int, customers: int) -> None:
        self.world, self.chance, self.diary = world, Random(seed), Diary()
        self._customers = customers
        self._events: list[tuple[int, int, Callable[[int], None]]] = []
        self._order, self._serial, self._session = count(), count(1), count(1)
        self._ids: dict[int, SubscriberId] = {}
        self._online: dict[str, dict[int, Stay]] = {site: {} for site in ROUTERS}
        self._free_at: dict[int, int] = {}
        self.billing = world.billing()
        self.accounting = build_accounting(world.core)

    def run(self) -> Diary:
        for code, (cents, lasts_s) in {**PACKAGES, CAPPED: PACKAGES["daily"]}.items():
            lasts = f"{lasts_s // DAY}d" if lasts_s >= DAY else "1h"
            data = ("--data", "1GB") if code == CAPPED else ()
            price = f"{cents // 100}"
            self.world.clock.now = BEGIN
            assert (
                self.world("packages", "add", code, "--name", code, "--price", price, "--lasts", lasts, *data).code == 0
            )
        for who in range(self._customers):
            self._arrive(who)
        while self._events:
            at, _, event = heappop(self._events)
            self.world.clock.now = at
            event(at)
        return self.diary

    def _at(self, at: int, event: Callable[[int], None]) -> None:
        if at < END:
            heappush(self._events, (at, next(self._order), event))

    def _moment(self) -> int:
        """Of a day; often where days of Nairobi, days of UTC and clocks part."""
        edges = (5, 1_800, 3 * 3_600 - 20, 3 * 3_600 + 20, DAY - 15, DAY - 900)
        return self.chance.choice(edges) if self.chance.random() < 0.3 else self.chance.randrange(DAY)

    # -- customers -------------------------------------------------------------------------------------------------

    def _arrive(self, who: int) -> None:
        kind = KINDS[who % len(KINDS)]
        site = "lodge" if who % 3 == 2 else "kilimani"
        arrives = self.chance.randrange(5) if kind == "lapsed" else CROWD + self.chance.randrange(55)
        self.diary.home[who] = site

        def begin(at: int) -> None:
            found = self.world.registered(phone(who), site=site)
            self._ids[who], self.diary.names[who] = found, str(found)

        first = BEGIN + arrives * DAY
        self._at(first, begin)
        for day, package in self._plan(kind, arrives):
            at = max(BEGIN + day * DAY + self._moment(), first + 60)
            buys = {"saver": self._save, "paper": self._paper}.get(kind, self._buy)
            self._at(at, lambda now, package=package, buys=buys: buys(who, package, now))

    def _plan(self, kind: str, arrives: int) -> list[tuple[int, str]]:
        """Days of purchases."""
        if kind == "once":
            return [(arrives, self.chance.choice(("hour", "daily", CAPPED)))]
        if kind == "lapsed":
            return [(arrives, "daily"), (arrives + self.chance.randrange(80, 98), "week")]
        every, package = {
            "regular": (self.chance.randrange(2, 9), self.chance.choice(("daily", "hour", CAPPED))),
            "weekly": (self.chance.randrange(7, 13), "week"),
            "monthly": (self.chance.randrange(30, 40), "month"),
            "saver": (self.chance.randrange(3, 9), "daily"),
            "paper": (self.chance.randrange(6, 20), "daily"),
        }[kind]
        leaves = arrives + self.chance.randrange(10, 60)
        return [(day, package) for day in range(arrives, leaves, every)]

    # -- buying ----------------------------------------------------------------------------------------------------

    def _buy(self, who: int, package: str, now: int) -> None:
        draw = self.chance.random()
        if draw < 0.3:
            self._cash(who, package, now)
        elif draw < 0.5:
            self._fail(who, package, now)
            self._at(now + 300, lambda at: self._mpesa(who, package, at))
        else:
            self._mpesa(who, package, now)

    def _cash(self, who: int, package: str, now: int) -> None:
        done: Any = self.billing.desk.sell.sell(
            Order(f"{who} {now}", "mary", f"{package}.1", self._ids[who], site=self.diary.home[who]), now
        )
        self._sold(who, now, now, package, "sale_cash", f"sale_cash:{done.right}")

    def _push(self, who: int, package: str, now: int, cents: int = 0) -> tuple[Any, Any]:
        buy = Buy(self._ids[who], phone(who), package and f"{package}.1", cents, f"{who} {now}", mac(who))
        begun = self.billing.cashier.buy(buy, now)
        return begun, self.world.provider.pushes[-1]

    def _fail(self, who: int, package: str, now: int) -> None:
        """A prompt that was not paid; or one that was never sent; or one of which nothing is heard."""
        draw = self.chance.random()
        if draw < 0.15:
            self.world.provider.answer = KEPT_BACK
            begun, _ = self._push(who, package, now)
            self.world.provider.answer = None
            assert begun.begun is Begun.REFUSED
            self.diary.tries.append(Try(who, now, 0, "failed", KEPT_BACK.code, "system", sent=False))
            return
        begun, push = self._push(who, package, now)
        if draw < 0.3:
            self.diary.tries.append(Try(who, now, 0, "open"))
            return
        code = self.chance.choice(list(FAILURES))
        proof = Proof(PaymentEvent.CALLBACK_FAILED, push.token, checkout_of(push), code=code)
        self.billing.settle.prove(begun.payment.id, proof, now + 30)
        self.diary.tries.append(Try(who, now, 0, "failed", code, FAILURES[code]))

    def _mpesa(self, who: int, package: str, now: int, cents: int = 0) -> None:
        """Paid; the word of it comes at once, twice, or days later (not where it would lie over the next one's cap)."""
        begun, push = self._push(who, package, now, cents)
        assert begun.begun is Begun.ACCEPTED, begun
        paid_at = now + self.chance.randrange(8, 60)
        heard_at = paid_at + (
            2 * DAY + 50_000 if self.chance.random() < 0.12 and package != CAPPED else self.chance.randrange(1, 4)
        )
        if heard_at >= END:
            heard_at = paid_at + 1
        proof = Proof(
            PaymentEvent.CALLBACK_PAID, push.token, checkout_of(push), cents=push.cents,
            mpesa_receipt=f"TK{next(self._serial):08}", paid_at=paid_at,
        )  # fmt: skip
        self.diary.tries.append(Try(who, now, paid_at, "paid"))

        def heard(at: int) -> None:
            for _ in range(self.chance.choice((1, 1, 2))):
                self.billing.settle.prove(begun.payment.id, proof, at)
            if package:
                self._sold(who, paid_at, at, package, "sale_mpesa", f"sale_mpesa:{begun.payment.id}")
            else:
                self.diary.top_ups.append(TopUp(who, paid_at, at, cents))

        self._at(heard_at, heard)

    def _save(self, who: int, package: str, now: int) -> None:
        """Money on the balance, which buys by itself."""
        self._mpesa(who, "", now, self.chance.choice((5_000, 10_000)))

        def renew(at: int) -> None:
            found = self.billing.desk.renew.choose(self._ids[who], package, at)
            if isinstance(found, Bought):
                self._sold(who, at, at, package, "purchase", f"purchase:{found.right}")

        self._at(now + 3_600, renew)

    def _paper(self, who: int, package: str, now: int) -> None:
        """A voucher is bought for cash, and used a while later."""
        given = self.billing.desk.paper_sales.sell_code(f"{who} {now}", "mary", f"{package}.1", "", now)
        self.diary.paper_cents.append((who, now, PACKAGES[package][0]))
        code = self.world.core.keys.alias_key(parse_code(given.code).normal)

        def use(at: int) -> None:
            assert isinstance(self.billing.redeem.by_code(code, self._ids[who], mac(who), at), Redeemed)
            self._sold(who, at, at, package, "voucher_redeemed", f"voucher_redeemed:{given.serial}")

        self._at(now + self.chance.randrange(60, 2 * DAY), use)

    def _sold(self, who: int, at: int, noted_at: int, package: str, way: str, journal: str) -> None:
        cents, lasts_s = PACKAGES.get(package, PACKAGES["daily"])
        known = any(sale.who == who for sale in self.diary.sales)
        sale = Sale(who, at, noted_at, package, cents, way, lasts_s, next(self._serial))
        self.diary.sales.append(sale)
        draw = self.chance.random()
        if draw < 0.06:
            self._at(noted_at + self.chance.randrange(600, 4 * DAY), lambda now: self._give_back(sale, journal, now))
        elif draw < 0.25 and way == "sale_cash" and known:
            self._at(noted_at + self.chance.randrange(60, DAY), lambda now: self._unsay(sale, journal, now))
        else:
            self._go_online(who, noted_at, package, lasts_s)

    def _give_back(self, sale: Sale, journal: str, now: int) -> None:
        cents = self.chance.choice((0, sale.cents // 2))
        ask = Ask(f"back {sale.serial}", journal, Way.CASH, cents, "mary")
        self.billing.desk.refunds.ask(ask, Word("mary", "rain", "otieno"), now)
        self.diary.backs.append(Back(sale, now, cents or sale.cents, unsaid=False))

    def _unsay(self, sale: Sale, journal: str, now: int) -> None:
        self.billing.desk.grants.void(journal, Word("mary", "typed twice", "otieno"), now)
        self.diary.backs.append(Back(sale, now, sale.cents, unsaid=True))

    # -- online ----------------------------------------------------------------------------------------------------

    def _go_online(self, who: int, since: int, package: str, lasts_s: int) -> None:
        begin = max(since + self.chance.randrange(30, 600), self._free_at.get(who, 0) + 60)
        left = CAP if package == CAPPED else 1 << 62
        often = 1 if package == CAPPED and self.diary.home[who] == "lodge" else 2  # power cuts change what is left
        for _ in range(self.chance.randint(1, often)):
            length = 0 if self.chance.random() < 0.1 else self.chance.randrange(120, 6 * 3_600)
            if begin + length > since + lasts_s - 120:
                return
            octets = self.chance.randrange(1_000, CAP * 5 // 4)
            excess = max(0, octets - left)
            left = max(0, left - octets)
            if begin + length < END:
                self._stay(who, begin, length, octets, excess)
            self._free_at[who] = begin + length
            if not left:
                return
            begin += length + self.chance.randrange(120, 7_200)

    def _stay(self, who: int, begin: int, length: int, octets: int, excess: int) -> None:
        site, number = self.diary.home[who], next(self._session)
        fields: dict[str, Any] = {
            "router": ROUTERS[site], "acct_session_id": f"{number:08x}", "user_name": phone(who), "mac": mac(who),
            "device": mac(who),
        }  # fmt: skip

        def say(status: Status, at: int, part: int) -> None:
            used = (part // 4, part - part // 4)
            self.accounting.account(accounting_request(status, at, used, at - begin, **fields), at, soon())

        def start(at: int) -> None:
            say(Status.START, at, 0)
            self._online[site][number] = Stay(who, at, at, 0, False, site)

        def go_on(at: int) -> None:
            if number not in self._online[site]:
                return  # another's power cut came first
            say(Status.INTERIM, at, 1_000)
            self._online[site][number] = Stay(who, begin, at, 1_000, False, site)

        def stop(at: int) -> None:
            if self._online[site].pop(number, None) is None:
                return  # the power went
            say(Status.STOP, at, octets)
            self.diary.stays.append(Stay(who, begin, at, octets, True, site, excess))

        self._at(begin, start)
        if site == "lodge" and length > 3_600 and CUTS[0] < begin - BEGIN < CUTS[1] and self.chance.random() < 0.4:
            self._at(begin + 1_200, go_on)
            self._at(begin + 1_800, self._power_cut)
        self._at(begin + length, stop)

    def _power_cut(self, at: int) -> None:
        """The router says that it began anew: whoever was on it is not, since the last word of them."""
        on = accounting_request(
            Status.ON, at, router=ANNEX, acct_session_id="", user_name="", mac=None, device=MacAddress("")
        )
        self.accounting.account(on, at, soon())
        self.world.core.directory.refresh(at, soon())
        sweep = build_sweep(self.world.core, Nobody())
        while sweep.boots(NasId(ANNEX), at + 60):
            pass
        self.diary.stays += self._online["lodge"].values()
        self._online["lodge"].clear()


def phone(who: int) -> str:
    return f"0712{who:06}"


def mac(who: int) -> MacAddress:
    return MacAddress(f"02aa{who:08x}")
