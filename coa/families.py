"""What each router family must be told to find a session, and what it lets be changed. Data; pure.

`Way.needed` and `Way.helpful` name the session in a Disconnect and in a CoA alike: no family here wants another set in
one than in the other. Acct-Session-Id is always among the needed, so that a request can never mean "all sessions of
this user" (RFC 5176 §3). What a family refuses is left out; what it only understands goes along where it is known.

Message-Authenticator and Event-Timestamp are capabilities of the router (`radius.domain.nas.Capabilities`). By default
neither is sent: the Request Authenticator proves the sender without them, no family here is known to insist, and a
router whose clock is off drops a packet with Event-Timestamp without a word. A replayed Disconnect can only name a
session that is gone. `python -m coa probe` finds out what a router wants.
"""

from enum import StrEnum

import msgspec

from radius.domain.nas import Family


class Identity(StrEnum):
    """Identification attributes (RFC 5176 §3); the value is the attribute's name."""

    SESSION = "Acct-Session-Id"
    USER = "User-Name"  # exactly as authenticated
    ADDRESS = "Framed-IP-Address"
    STATION = "Calling-Station-Id"
    NAS_ADDRESS = "NAS-IP-Address"  # the router's own, as it sends it
    NAS_NAME = "NAS-Identifier"  # as it sends it


class Spelling(StrEnum):
    """How a family writes a MAC address in Calling-Station-Id."""

    DASHES = "AA-BB-CC-DD-EE-FF"  # RFC 3580 §3.21
    BARE = "aabbccddeeff"


class Entry(StrEnum):
    """How a device gets in that waits behind the portal and has no session yet."""

    PAGE = "page"  # the portal's page submits the log-in (or the device associates anew): nothing is sent
    STATE = "state"  # a CoA authorises the waiting entry of the router, and gives it its limits
    REAUTHENTICATE = "reauthenticate"  # a CoA makes the router ask us again


class Way(msgspec.Struct, frozen=True):
    """How one family is spoken to.

    `ports`: the usual one first. `changes`: attributes that a CoA moves. `replaces`: what a CoA does not name is reset,
    so it always carries the full set; else it stays as it was. `bare_nak`: the Error-Cause that a NAK without one
    stands for, 0 where that cannot be told. `why` is the source. `enters` says in words what `entry` is about there.
    """

    family: Family
    needed: tuple[Identity, ...]
    helpful: tuple[Identity, ...] = ()
    spelling: Spelling = Spelling.DASHES
    ports: tuple[int, ...] = (3799,)
    changes: frozenset[str] = frozenset()
    replaces: bool = False
    bare_nak: int = 0
    why: str = ""
    entry: Entry = Entry.PAGE
    enters: str = "the page submits the controller's or appliance's own log-in form"


_TIMES = frozenset({"Session-Timeout", "Idle-Timeout"})
_USER = (Identity.SESSION, Identity.USER)

WAYS: dict[Family, Way] = {
    way.family: way
    for way in (
        Way(
            Family.MIKROTIK,
            needed=(*_USER, Identity.ADDRESS),
            helpful=(Identity.NAS_ADDRESS,),
            ports=(3799, 1700),
            changes=_TIMES
            | {"Mikrotik-Rate-Limit", "Mikrotik-Recv-Limit", "Mikrotik-Recv-Limit-Gigawords"}
            | {"Mikrotik-Xmit-Limit", "Mikrotik-Xmit-Limit-Gigawords", "Port-Limit"},
            why="help.mikrotik.com, RADIUS: the list of what a CoA changes has neither Total-Limit nor Address-List; "
            "without Framed-IP-Address a User-Name that is a MAC kicks the wireless station and not the hotspot user; "
            "a NAS-IP-Address that is not the router's own is refused (field reports)",
            enters="no RADIUS session before the log-in: the page submits its form (`/login`)",
        ),
        Way(
            Family.COOVA,
            needed=_USER,
            changes=_TIMES
            | {"Acct-Interim-Interval", "ChilliSpot-Max-Total-Octets", "ChilliSpot-Max-Total-Gigawords"}
            | {"WISPr-Bandwidth-Max-Up", "WISPr-Bandwidth-Max-Down"},
            replaces=True,
            bare_nak=503,
            why="CoovaChilli cb_radius_coa_ind: no answer at all without User-Name; NAK, without a cause, only when no "
            "session has that name and id; config_radius_session puts to 0 what is absent",
            entry=Entry.STATE,
            enters="a CoA with ChilliSpot-Session-State = 1 and all limits, where the entry has a name (MAC log-in was "
            "refused) and the portal passes on its session id; else the page calls the log-in URL with the challenge",
        ),
        Way(
            Family.USPOT,
            needed=_USER,
            changes=_TIMES | {"Acct-Interim-Interval"},
            bare_nak=503,
            why="uspot radius-das.c and das_match_client: all it is told must equal the Access-Request; NAK, without a "
            "cause, for any attribute that is not on its list, else only for a session that is not there",
            enters="the page calls the router's log-in URL with the challenge",
        ),
        Way(Family.UNIFI, needed=_USER, why="no RFC 5176 listener known"),
        Way(Family.OMADA, needed=_USER, why="nothing documented"),
        Way(Family.OPNSENSE, needed=_USER, why="no RFC 5176 listener in its source"),
        Way(Family.PFSENSE, needed=_USER, why="no RFC 5176 listener in its source"),
        Way(
            Family.ARUBA,
            needed=_USER,
            helpful=(Identity.ADDRESS, Identity.STATION),
            spelling=Spelling.BARE,
            why="ArubaOS user guide, RFC 3576: these four identify, others are ignored",
            enters="the page submits the controller's log-in form; MAC authentication is asked again at association",
        ),
        Way(
            Family.RUCKUS,
            needed=_USER,
            helpful=(Identity.STATION,),
            enters="the page submits the controller's log-in form; MAC authentication is asked again at association",
            why="SmartZone AAA reference names Disconnect; details not verified",
        ),
        Way(
            Family.CAMBIUM,
            needed=(*_USER, Identity.STATION),
            why="vendor's dictionary page: by User-Name and Calling-Station-Id",
            enters="the page submits the controller's log-in form; MAC authentication is asked again at association",
        ),
        Way(
            Family.CISCO,
            needed=(Identity.SESSION, Identity.STATION),
            helpful=(Identity.USER,),
            ports=(1700, 3799),
            why="Cisco and Meraki documents: by Calling-Station-Id; IOS listens on 1700, AireOS and Meraki on 3799",
            entry=Entry.REAUTHENTICATE,
            enters="a CoA with `subscriber:command=reauthenticate`, where the portal passes on the session id: the "
            "controller asks again; else the page submits its log-in form",
        ),
        Way(
            Family.WISPR,
            needed=_USER,
            helpful=(Identity.STATION, Identity.NAS_NAME),
            why="RFC 5176 §3; hostapd radius_das.c refuses Framed-IP-Address with 401 and follows the table of §3.6",
            enters="WISPr log-in URL from the redirect",
        ),
    )
}
