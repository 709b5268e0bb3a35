"""Aruba controllers (ArubaOS) and Instant access points.

Source: ArubaOS user guides. Speed comes from bandwidth contracts of a role that the operator configures
(Aruba-User-Role), never from numbers of ours; there is no byte cap attribute.
"""

from radius.domain.nas import Capabilities, CoaScope, Family, OctetView
from radius.rlm.vendors.profile import Profile

PROFILE = Profile(
    family=Family.ARUBA,
    capabilities=Capabilities(
        byte_cap=False,
        byte_cap_gigawords=False,
        rate=False,
        idle_timeout=False,
        acct_gigawords=True,
        octet_view=OctetView.NAS,
        coa=CoaScope.DISCONNECT,
        coa_byte_cap=False,
        class_echo=True,
    ),
    proof="not proven against a controller: written from the vendor's guides",
    names="MAC log-in: spelling and password by the MAC authentication profile; Calling-Station-Id aabbccddeeff",
    change="aaa rfc-3576-server; by User-Name, Framed-IP-Address, Calling-Station-Id or Acct-Session-Id; an Instant "
    "AP needs Dynamic RADIUS Proxy",
)
