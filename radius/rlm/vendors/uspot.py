"""uspot, the captive portal of OpenWrt. It speaks most of CoovaChilli's words.

Source: uspot uspot.uc and radius-das.c. It reads ChilliSpot-Max-Total-Octets without its Gigawords partner and would
take the low 32 bits for the whole cap. A CoA changes nothing but times.
"""

from radius.domain.nas import Capabilities, CoaScope, Family, OctetView
from radius.rlm.vendors.profile import WISPR_SPEED, ByteCap, Profile

PROFILE = Profile(
    family=Family.USPOT,
    capabilities=Capabilities(
        byte_cap=True,
        byte_cap_gigawords=False,
        rate=True,
        idle_timeout=True,
        acct_gigawords=True,
        octet_view=OctetView.NAS,
        coa=CoaScope.CHANGE,
        coa_byte_cap=False,
        class_echo=True,
    ),
    proof="not proven against a router: attributes, units and its answers to CoA read in its source",
    names="Calling-Station-Id and the User-Name of MAC log-in: spelling by setting (mac_format)",
    change="port is das_port (3799); refuses Message-Authenticator, Event-Timestamp and every other attribute it does "
    "not know, without a cause; changes Session-Timeout, Idle-Timeout and Acct-Interim-Interval only",
    byte_cap=ByteCap("ChilliSpot-Max-Total-Octets"),
    speeds=(WISPR_SPEED,),
)
