"""MikroTik RouterOS, hotspot and PPPoE.

Sources: help.mikrotik.com, RADIUS (attributes, Mikrotik-Rate-Limit syntax); manual 2.7-3.x for the same syntax.
RouterOS 6 and 7 read the same attributes and the same rate string. What differs: 7.15 (and late 6.49) can require
Message-Authenticator, and does by default; queue rates above 4,294,967,295 bit/s exist on 7 only and are not sent.
"""

from radius.domain.nas import Capabilities, CoaScope, Family, OctetView
from radius.rlm.vendors.profile import ByteCap, Profile

PROFILE = Profile(
    family=Family.MIKROTIK,
    capabilities=Capabilities(
        byte_cap=True,
        byte_cap_gigawords=True,
        rate=True,
        idle_timeout=True,
        acct_gigawords=True,
        octet_view=OctetView.NAS,
        coa=CoaScope.CHANGE,
        coa_byte_cap=False,  # Total-Limit is not in the list of what CoA may change; Recv-/Xmit-Limit are
        class_echo=True,
    ),
    proof="not proven against a router: written from the vendor's RADIUS page and field reports; whether PPPoE "
    "(not hotspot) obeys Mikrotik-Total-Limit is unverified, interim updates catch it there",
    names="User-Name of MAC log-in: XX:XX:XX:XX:XX:XX (radius-mac-format); password empty, the MAC, or "
    "mac-auth-password; Calling-Station-Id the same, upper case; Called-Station-Id is the hotspot server's name. "
    "Acct-Interim-Interval counts only with radius-interim-update=received",
    change="needs /radius incoming accept=yes; port 1700 or 3799; Disconnect of a hotspot user needs User-Name and "
    "Framed-IP-Address; NAS-IP-Address, if sent, must be the router's own",
    byte_cap=ByteCap("Mikrotik-Total-Limit", "Mikrotik-Total-Limit-Gigawords"),
    rate_text="Mikrotik-Rate-Limit",
    port_limit=True,  # overrides shared-users of the hotspot profile, whose default of 1 would refuse a second device
    addresses=True,
)
