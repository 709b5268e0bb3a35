"""CoovaChilli.

Sources: coova-chilli src/chilli.c (config_radius_session, cb_radius_coa_ind), src/radius.c.
WISPr bit/s is used for speed, exact; ChilliSpot-Bandwidth-Max-* (kbit/s, multiplied by 1000 in 32 bits by CoovaChilli,
where it overrides WISPr) is not sent beside it. With `acctupdate` on, cb_radius_acct_conf takes limits from every
Accounting-Response; a Session-Timeout that has passed ends the session at the next look, within a second.
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
        acct_update=True,
    ),
    proof="attributes, units and widths read in the source of CoovaChilli 1.9; accounting direction and CoA "
    "measured against a CoovaChilli 1.9 daemon; this profile itself has not run against one",
    names="User-Name of MAC log-in: AA-BB-CC-DD-EE-FF, password the MAC or a fixed one; Calling-Station-Id the same",
    change="port is coaport (3799); User-Name is mandatory; a CoA replaces all limits: always send the full set",
    byte_cap=ByteCap("ChilliSpot-Max-Total-Octets", "ChilliSpot-Max-Total-Gigawords"),
    speeds=(WISPR_SPEED,),
    answered=frozenset({"Session-Timeout", "Idle-Timeout", "Acct-Interim-Interval", WISPR_SPEED.up, WISPR_SPEED.down})
    | {"ChilliSpot-Max-Total-Octets", "ChilliSpot-Max-Total-Gigawords"},
)
