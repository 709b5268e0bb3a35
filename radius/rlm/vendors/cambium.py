"""Cambium enterprise access points (cnPilot, XV), guest access.

Source: Cambium RADIUS dictionary for WiFi (community.cambiumnetworks.com/t/50024): quotas in bytes for one RADIUS
session with a partner for bits 32..63, speed by the WISPr attributes. "Gigwords" is their spelling.
"""

from radius.domain.nas import Capabilities, CoaScope, Family, OctetView
from radius.rlm.vendors.profile import WISPR_SPEED, ByteCap, Profile

PROFILE = Profile(
    family=Family.CAMBIUM,
    capabilities=Capabilities(
        byte_cap=True,
        byte_cap_gigawords=True,
        rate=True,
        idle_timeout=False,
        acct_gigawords=True,
        octet_view=OctetView.NAS,
        coa=CoaScope.DISCONNECT,
        coa_byte_cap=False,
        class_echo=True,
    ),
    proof="not proven against an access point: written from the vendor's dictionary page",
    names="MAC spelling and password by the WLAN's setting; Calling-Station-Id AA-BB-CC-DD-EE-FF",
    change="Disconnect by User-Name and Calling-Station-Id",
    byte_cap=ByteCap("Cambium-Traffic-Quota-Limit-Total", "Cambium-Traffic-Quota-Limit-Total-Gigwords"),
    speeds=(WISPR_SPEED,),
)
