"""Ruckus SmartZone and ZoneDirector.

Source: SmartZone AAA (RADIUS) interface reference. Ruckus-Max-DL-UL-Quota exists in the dictionary, but its unit and
width are not documented there: not sent.
"""

from radius.domain.nas import Capabilities, CoaScope, Family, OctetView
from radius.rlm.vendors.profile import WISPR_SPEED, Profile

PROFILE = Profile(
    family=Family.RUCKUS,
    capabilities=Capabilities(
        byte_cap=False,
        byte_cap_gigawords=False,
        rate=True,
        idle_timeout=True,
        acct_gigawords=True,
        octet_view=OctetView.NAS,
        coa=CoaScope.DISCONNECT,
        coa_byte_cap=False,
        class_echo=True,
    ),
    proof="not proven against a controller: written from the vendor's AAA reference",
    names="MAC log-in: aabbccddeeff, password the MAC; Called-Station-Id AA-BB-CC-DD-EE-FF:ssid",
    change="Disconnect is documented, CoA details are not verified",
    speeds=(WISPR_SPEED,),
)
