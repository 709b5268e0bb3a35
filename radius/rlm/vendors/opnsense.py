"""OPNsense captive portal.

Source: opnsense/core Radius.php. Of an Accept it uses Session-Timeout (and Acct-Interim-Interval); older versions
report no octets at all, so a data quota cannot be enforced there and time is the limit to sell.
"""

from radius.domain.nas import Capabilities, CoaScope, Family, OctetView
from radius.rlm.vendors.profile import Profile

PROFILE = Profile(
    family=Family.OPNSENSE,
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
    proof="not proven against an appliance: written from its source",
    names="PAP; NAS-Port-Type Ethernet",
    change="none; its own API disconnects and shapes",
)
