"""Whether a Disconnect that is out and unanswered must not be repeated: its session may go on by now. Pure."""

from collections.abc import Callable

from coa.codec import Request
from coa.families import WAYS
from coa.plan import plan
from coa.requests import Target
from coa.steps import CUT
from radius.domain import subscriber as aggregate
from radius.domain.nas import Nas
from radius.domain.subscriber import Subscriber
from radius.domain.wanted import Nothing, session_of, wanted
from radius.domain.world import World

# Which kind of request it would be does not hang on whom it names.
_ANYBODY = Target(acct_session_id="x", user_name="x", device="020000000000", framed_ip="192.0.2.1", nas_ip="192.0.2.1")


def overtaken(present: Subscriber, uid: str, nas_of: Callable[[str], Nas | None], world: World) -> bool:
    """Whether what would be sent for a session now is no Disconnect. `present` stays as it is."""
    copy = aggregate.decode(aggregate.encode(present))  # to ask may change leases
    session = session_of(copy, uid)
    nas = nas_of(session.nas) if session is not None else None
    if nas is None:
        return False
    wish = wanted(copy, session, nas, world)
    if isinstance(wish, Nothing):
        return True
    cut = any(intent.cut for intent in present.intents if intent.session == uid)
    asked = plan(wish, _ANYBODY, WAYS[nas.family], nas.capabilities, cut=cut)
    return not (isinstance(asked, Request) and asked.code is CUT)
