"""Any other gateway that speaks WISPr 1.0 (Wi-Fi Alliance, best current practices, 2003), hostapd included.

Only here the end goes out as a wall clock too, with the site's offset: elsewhere Session-Timeout says the same
without trusting the router's clock.
"""

from radius.domain.nas import Capabilities, CoaScope, Family, OctetView
from radius.rlm.vendors.profile import WISPR_SPEED, Profile

PROFILE = Profile(
    family=Family.WISPR,
    capabilities=Capabilities(
        byte_cap=False,
        byte_cap_gigawords=False,
        rate=True,
        idle_timeout=True,
        acct_gigawords=False,
        octet_view=OctetView.NAS,
        coa=CoaScope.DISCONNECT,
        coa_byte_cap=False,
        class_echo=True,
    ),
    proof="attributes from the WISPr document; Disconnect measured against hostapd 2.10, which ignores speeds",
    names="any usual spelling",
    change="hostapd: Disconnect only, and Framed-IP-Address in it is refused",
    speeds=(WISPR_SPEED,),
    addresses=True,
    wall_clock_end=True,
)
