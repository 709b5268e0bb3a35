"""pfSense captive portal.

Source: pfSense src/etc/inc/captiveportal.inc. Speeds are bit/s, shaped as round(bps/1000) kbit/s, 0 = unlimited. The
three "Use RADIUS ..." boxes of the zone (session timeout, traffic quota, bandwidth) must be ticked.
"""

from radius.domain.nas import Capabilities, CoaScope, Family, OctetView
from radius.rlm.vendors.profile import ByteCap, Profile, Speed

PROFILE = Profile(
    family=Family.PFSENSE,
    capabilities=Capabilities(
        byte_cap=True,
        byte_cap_gigawords=False,
        rate=True,
        idle_timeout=True,
        acct_gigawords=True,
        octet_view=OctetView.NAS,  # the zone's reverseacct option turns it round: override octet_view=client
        coa=CoaScope.NONE,
        coa_byte_cap=False,
        class_echo=False,
    ),
    proof="not proven against an appliance: attributes, units and accounting read in its source",
    names="PAP, CHAP or MS-CHAP by setting; MAC spelling selectable; Called-Station-Id mac:hostname",
    change="none; a user can be re-authenticated every minute by a setting of the zone",
    byte_cap=ByteCap("pfSense-Max-Total-Octets"),
    speeds=(Speed("pfSense-Bandwidth-Max-Up", "pfSense-Bandwidth-Max-Down", least=1000),),
)
