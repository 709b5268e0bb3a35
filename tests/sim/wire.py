"""The wire to simulated routers: real packet bytes both ways, virtual time in place of sockets, and bad manners."""

from collections.abc import Callable, Mapping

from pyrad.packet import CoAACK, CoANAK, CoAPacket, CoARequest, DisconnectACK, DisconnectNAK

from coa.codec import Code, Reply, Request, dictionary, encode, read, sign
from coa.das import Das
from coa.outcome import Acked, Answer, Nak, Silent
from radius.domain.nas import Family
from tests.sim.customers import Customers
from tests.sim.plan import BAD_IN_A_ROW_MAX, ROUTER_SILENCE_S, RouterPlan
from tests.sim.routers import TrueSession
from tests.sim.stage import Stage

BUSY, NO_SESSION = 506, 503
GIGA = 1 << 32
_NAMES = ("Acct-Session-Id", "User-Name", "Framed-IP-Address")
_MANNERS = ("deaf", "unanswered", "busy", "stays", "late", "reboots")


def coa_address(number: int) -> str:
    """Where the router of that number in the plan is reached."""
    return f"10.9.{number // 250}.{number % 250 + 1}"


class Wire:
    """Between the senders and the routers. `asks`: of each request that is about to be obeyed, and since when."""

    def __init__(self, stage: Stage, customers: Customers, asks: Callable[[TrueSession, Code, int], None]) -> None:
        self._stage = stage
        self._customers = customers
        self._asks = asks
        self._bad: dict[str, int] = {}
        self.requests = 0
        self.routers = {coa_address(number): router for number, router in enumerate(stage.plan.routers)}

    def carry(self, das: Das, request: Request, done: Callable[[Answer], None]) -> None:
        """A request goes out; its answer comes after virtual seconds, or silence does."""
        stage, router = self._stage, self.routers[das.address]
        self.requests += 1
        data = sign(request.code, self.requests % 256, encode(request), das.secret)
        named = dict(request.attributes)
        manner, asked_at = self._manner(router.name + named["Acct-Session-Id"]), stage.clock.now
        if stage.dark(router.name):
            manner = "deaf"
        if request.code is Code.COA_REQUEST and manner not in {"obeys", "late"}:
            for session in self._serves(router, named):
                session.unheeding = True
        delay_s = stage.random.randint(3, ROUTER_SILENCE_S - 1) if manner == "late" else stage.random.randint(0, 1)

        def arrive() -> None:
            if manner == "reboots":
                self._customers.reboot(router)
            silent = manner in {"deaf", "reboots"}
            answer = None if silent else self._obey(router, data, das.secret, manner, asked_at)
            if answer is None or manner == "unanswered":
                stage.later(ROUTER_SILENCE_S, ROUTER_SILENCE_S, lambda: done(Silent(5, float(ROUTER_SILENCE_S))))
                return
            said = read(answer, data, das.secret)
            assert isinstance(said, Reply), said
            done(Acked(1, 0.01, said.error_cause) if said.acked else Nak(1, 0.01, said.error_cause))

        stage.later(delay_s, delay_s, arrive)

    def _manner(self, session: str) -> str:
        bad = self._bad.get(session, 0)
        if self._stage.quiet or bad >= BAD_IN_A_ROW_MAX or not self._stage.chance(self._stage.plan.rudeness):
            self._bad[session] = 0
            return "obeys"
        self._bad[session] = bad + 1
        return self._stage.random.choice(_MANNERS)

    def _serves(self, router: RouterPlan, named: Mapping[str, str]) -> list[TrueSession]:
        """Its sessions of that id, whose user and address are those that the request names."""
        return [
            one
            for one in self._stage.at_router[router.name]
            if not one.ended_at
            and (one.acct_session_id, one.user_name) == (named["Acct-Session-Id"], named["User-Name"])
            and named.get("Framed-IP-Address", one.framed_ip) == one.framed_ip
        ]

    def _obey(self, router: RouterPlan, data: bytes, secret: bytes, manner: str, asked_at: int) -> bytes:
        packet = CoAPacket(packet=data, secret=secret, dict=dictionary())
        assert packet.VerifyCoARequest()
        if manner == "busy":
            return self._answer(packet, BUSY)
        found = self._serves(router, {name: packet[name][0] for name in _NAMES if name in packet})
        if not found:
            return self._answer(packet, NO_SESSION)
        session = found[0]
        if manner != "stays":
            self._asks(session, Code(packet.code), asked_at)
            if packet.code == CoARequest:
                self._change(session, packet)
            else:
                self._customers.end(session, "Admin-Reset")
        return self._answer(packet, 0)

    def _change(self, session: TrueSession, packet: CoAPacket) -> None:
        if "Acct-Interim-Interval" in packet:
            session.interims.append(packet["Acct-Interim-Interval"][0])
        if "Session-Timeout" in packet:
            self._customers.time_out_at(session, session.began_at + packet["Session-Timeout"][0])
        if session.router.family is Family.COOVA:  # what is not named is no limit any more
            low, high = (
                packet[name][0] if name in packet else 0
                for name in ("ChilliSpot-Max-Total-Octets", "ChilliSpot-Max-Total-Gigawords")
            )
            session.cap_bytes = low + high * GIGA or None
            self._customers.watch_cap(session)

    @staticmethod
    def _answer(packet: CoAPacket, cause: int) -> bytes:
        change = packet.code == CoARequest
        yes, no = (CoAACK, CoANAK) if change else (DisconnectACK, DisconnectNAK)
        reply = packet.CreateReply()
        reply.code = no if cause else yes
        if cause:
            reply["Error-Cause"] = cause
        return bytes(reply.ReplyPacket())
