"""TP-Link Omada portal with an external RADIUS server.

Nothing reliable is published on what a reply may carry; only what every captive portal must obey is promised. The
TPLink-Recv-limit/-Xmit-limit attributes of FreeRADIUS's dictionary are not used: their unit is not documented.
"""

from radius.domain.nas import Capabilities, CoaScope, Family, OctetView
from radius.rlm.vendors.profile import WISPR_SPEED, Profile

PROFILE = Profile(
    family=Family.OMADA,
    capabilities=Capabilities(
        byte_cap=False,
        byte_cap_gigawords=False,
        rate=False,
        idle_timeout=False,
        acct_gigawords=False,
        octet_view=OctetView.NAS,
        coa=CoaScope.NONE,
        coa_byte_cap=False,
        class_echo=False,
    ),
    proof="not proven, and nothing documented to write it from: the least that a portal obeys",
    names="PAP or CHAP by setting; Calling-Station-Id AA-BB-CC-DD-EE-FF",
    change="unknown: treated as unreachable",
    speeds=(WISPR_SPEED,),
)
