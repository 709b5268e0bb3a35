"""Cisco wireless controllers (AireOS words) and Meraki.

Source: Cisco WLC AAA override; FreeRADIUS dictionary.airespace. Contracts are kbit/s; "Data" covers TCP and
"Real-Time" UDP, so both go out, or UDP would stay unlimited. The plain name is downstream. Meraki reads
Session-Timeout; whether it reads the contracts differs by product: switch `rate` off where it does not.
"""

from radius.domain.nas import Capabilities, CoaScope, Family, OctetView
from radius.rlm.vendors.profile import Profile, Speed

PROFILE = Profile(
    family=Family.CISCO,
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
    proof="not proven against a controller: written from the vendor's documents",
    names="MAC log-in: spelling by setting, Service-Type Call-Check; Called-Station-Id mac:ssid",
    change="port 1700 (IOS) or 3799 (AireOS, Meraki); by Calling-Station-Id and Cisco-AVPair audit-session-id",
    speeds=(
        Speed(
            up="Airespace-Data-Bandwidth-Average-Contract-Upstream",
            down="Airespace-Data-Bandwidth-Average-Contract",
            unit_bps=1000,
        ),
        Speed(
            up="Airespace-Real-Time-Bandwidth-Average-Contract-Upstream",
            down="Airespace-Real-Time-Bandwidth-Average-Contract",
            unit_bps=1000,
        ),
    ),
)
