"""CoovaChilli, and OpenWrt's uspot, which speaks most of the same words.

Sources: coova-chilli src/chilli.c (config_radius_session), src/radius.c; uspot uspot.uc and radius-das.c.
WISPr bit/s is used for speed, exact on both; ChilliSpot-Bandwidth-Max-* (kbit/s, multiplied by 1000 in 32 bits by
CoovaChilli, where it overrides WISPr) is not sent beside it.
uspot reads ChilliSpot-Max-Total-Octets without its Gigawords partner, and would take the low 32 bits for the whole
cap: such routers need the override byte_cap_gigawords=false. It counts in NAS view: override octet_view=nas.
"""

from radius.domain.nas import Capabilities, CoaScope, Family, OctetView
from radius.rlm.vendors.profile import WISPR_SPEED, ByteCap, Profile

PROFILE = Profile(
    family=Family.COOVA,
    capabilities=Capabilities(
        byte_cap=True,
        byte_cap_gigawords=True,
        rate=True,
        idle_timeout=True,
        acct_gigawords=True,
        octet_view=OctetView.CLIENT,  # default build; `swapoctets` gives NAS view, and the packet says which
        coa=CoaScope.CHANGE,
        coa_byte_cap=True,
        class_echo=True,
    ),
    proof="attributes, units and widths read in the source of CoovaChilli 1.9 and uspot; accounting direction and CoA "
    "measured against a CoovaChilli 1.9 daemon; this profile itself has not run against one",
    names="User-Name of MAC log-in: AA-BB-CC-DD-EE-FF, password the MAC or a fixed one; Calling-Station-Id the same",
    change="port is coaport (3799); User-Name is mandatory; a CoA replaces all limits: always send the full set. "
    "uspot refuses Message-Authenticator and changes Session-/Idle-Timeout and Acct-Interim-Interval only",
    byte_cap=ByteCap("ChilliSpot-Max-Total-Octets", "ChilliSpot-Max-Total-Gigawords"),
    speeds=(WISPR_SPEED,),
)
