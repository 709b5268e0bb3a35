"""Routers and sites as the core sees them. A router has an identity, not an address.

A NAS (RFC 2865 §1: Network Access Server) is what operators call a router. Secrets are sealed; nothing here opens
them.
"""

from enum import StrEnum

import msgspec

from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.identity import NasId


class Family(StrEnum):
    """Router families with a reply profile of their own (`radius.rlm.vendors`)."""

    MIKROTIK = "mikrotik"
    COOVA = "coova"
    USPOT = "uspot"
    UNIFI = "unifi"
    OMADA = "omada"
    OPNSENSE = "opnsense"
    PFSENSE = "pfsense"
    ARUBA = "aruba"
    RUCKUS = "ruckus"
    CAMBIUM = "cambium"
    CISCO = "cisco"
    WISPR = "wispr"


class Language(StrEnum):
    """Language of Reply-Message at a site."""

    ENGLISH = "en"
    SWAHILI = "sw"


class OctetView(StrEnum):
    """Whose view Acct-Input-Octets takes: RFC 2866 §5.3 (the NAS receives: upload), or the client's."""

    NAS = "nas"
    CLIENT = "client"


class CoaScope(StrEnum):
    """What this router can be made to do to a live session by RFC 5176."""

    NONE = "none"
    DISCONNECT = "disconnect"
    CHANGE = "change"


class Capabilities(msgspec.Struct, frozen=True):
    """What a router can carry and obey: the family's defaults, overridden per router where reality differs."""

    byte_cap: bool  # has a total (or per direction) octet limit attribute
    byte_cap_gigawords: bool  # ... that reaches beyond 4 GiB
    rate: bool
    idle_timeout: bool
    acct_gigawords: bool  # False: counters wrap at 2**32
    octet_view: OctetView
    coa: CoaScope
    coa_byte_cap: bool  # CHANGE can move the byte cap of a live session
    class_echo: bool  # sends Class back in accounting
    coa_message_authenticator: bool = False  # wants Message-Authenticator in a Disconnect or CoA (RFC 5176 §3.4)
    coa_event_timestamp: bool = False  # ... and Event-Timestamp (§3.6): a router whose clock is off then drops it
    acct_update: bool = False  # takes limits in an Accounting-Response (CoovaChilli's `acctupdate`)

    @property
    def by_answer(self) -> bool:
        """Nothing inbound reaches this router, but the answers to its own reports move its sessions' limits."""
        return self.acct_update and self.coa is CoaScope.NONE


class Site(msgspec.Struct, frozen=True, omit_defaults=True):
    """A place with one time zone and one language. `mac_password` is sealed."""

    id: str
    zone: str = ZONE_DEFAULT
    language: Language = Language.ENGLISH
    mac_password: str = ""


class PortPair(StrEnum):
    """The two pairs of ports; each answers its own secret, so that a secret can rotate with an overlap."""

    A = "A"
    B = "B"


class Router(msgspec.Struct, frozen=True, omit_defaults=True):
    """A router as stored. `addresses` are the source addresses (or CIDR networks) it may speak from now.

    `secret_a`/`secret_b` are sealed, each with its epoch; `rotating_to` names the pair that is to take over.
    `coa_address` empty: the address it last spoke from. `overrides` are Capabilities fields as JSON values.
    `login_hosts`: host or host:port of its log-in page, as its customers' browsers see it (``10.5.50.1``,
    ``wifi.example.net``, ``10.1.0.1:3990``): the portal sends nobody elsewhere. `uam_secret`: CoovaChilli's, sealed.
    """

    id: NasId
    site: str
    family: Family
    addresses: tuple[str, ...]
    secret_a: str = ""
    secret_b: str = ""
    epoch_a: int = 0
    epoch_b: int = 0
    rotating_to: str = ""
    message_authenticator_required: bool = True
    coa_address: str = ""
    coa_port: int = 3799
    nas_ip_address: str = ""
    tunnel: bool = False
    disabled: bool = False
    overrides: dict[str, str | bool] = {}
    version: int = 0
    login_hosts: tuple[str, ...] = ()
    uam_secret: str = ""

    def epoch(self, pair: PortPair) -> int:
        """Which secret of its is on that pair of ports."""
        return self.epoch_a if pair is PortPair.A else self.epoch_b


class Nas(msgspec.Struct, frozen=True):
    """A router joined with its site and its capabilities: what decisions look at.

    `boot_at` is the latest Accounting-On/Off: sessions without evidence after it count as ended.
    """

    id: NasId
    site: Site
    family: Family
    capabilities: Capabilities
    message_authenticator_required: bool = True
    boot_at: int = 0
