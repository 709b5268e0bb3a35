"""Reply profiles: `Limits` in the words of each router family. One file a family, data only.

`render` needs the router's capabilities because reality differs per router: what is switched off there is not sent,
and `not_carried` lists it for enforcement.
"""

from radius.domain.limits import Limits
from radius.domain.nas import Capabilities, Family
from radius.rlm.vendors import (
    aruba,
    cambium,
    cisco,
    coova,
    mikrotik,
    omada,
    opnsense,
    pfsense,
    ruckus,
    unifi,
    uspot,
    wispr,
)
from radius.rlm.vendors.capabilities import check_words, merge
from radius.rlm.vendors.profile import Limit, Profile
from radius.rlm.vendors.rendering import Pair, pairs_of, unsaid

__all__ = [
    "CAPABILITIES",
    "PROFILES",
    "Limit",
    "Pair",
    "Profile",
    "answer",
    "capabilities_of",
    "merge",
    "not_carried",
    "render",
]

PROFILES: dict[Family, Profile] = {
    module.PROFILE.family: module.PROFILE
    for module in (mikrotik, coova, uspot, unifi, omada, opnsense, pfsense, aruba, ruckus, cambium, cisco, wispr)
}
CAPABILITIES: dict[Family, Capabilities] = {family: profile.capabilities for family, profile in PROFILES.items()}


def capabilities_of(family: Family, overrides: dict[str, str | bool]) -> Capabilities:
    """The family's defaults with a router's overrides; raises Malformed naming the override that cannot be."""
    return check_words(PROFILES[family], merge(CAPABILITIES[family], overrides))


def render(limits: Limits, family: Family, capabilities: Capabilities) -> list[Pair]:
    """Reply attributes (name, operator, value) that say `limits` to this router; never zero, never wrapped."""
    return pairs_of(limits, PROFILES[family], capabilities)


def answer(limits: Limits | None, family: Family, capabilities: Capabilities) -> list[Pair]:
    """What an Accounting-Response says to a router that takes limits there; `limits` None: the session is over.

    `limits.session_s` counts from the session's start.
    """
    if limits is None:
        return [("Session-Timeout", ":=", "1")]
    profile = PROFILES[family]
    return [pair for pair in pairs_of(limits, profile, capabilities) if pair[0] in profile.answered]


def not_carried(family: Family, capabilities: Capabilities) -> frozenset[Limit]:
    """The limits that this router cannot be told, so that enforcement has to watch them."""
    return unsaid(PROFILES[family], capabilities)
