"""Ubiquiti UniFi hotspot.

Source: vendor's article on hotspot RADIUS attributes (controller 5.6.2 and later): of a reply it lists the session
time only. Newer versions may read WISPr speeds: the words are here, an operator switches `rate` on after a test.
"""

from radius.domain.nas import Capabilities, CoaScope, Family, OctetView
from radius.rlm.vendors.profile import WISPR_SPEED, Profile

PROFILE = Profile(
    family=Family.UNIFI,
    capabilities=Capabilities(
        byte_cap=False,
        byte_cap_gigawords=False,
        rate=False,
        idle_timeout=False,
        acct_gigawords=True,
        octet_view=OctetView.NAS,
        coa=CoaScope.NONE,
        coa_byte_cap=False,
        class_echo=False,
    ),
    proof="not proven against a controller: the vendor's list names Session-Timeout only; octet direction is assumed "
    "to be that of RFC 2866",
    names="CHAP; Calling-Station-Id the MAC; Called-Station-Id apmac:ssid",
    change="none known; others end sessions through the controller's own API",
    speeds=(WISPR_SPEED,),
)
