"""Where a registered router is reached, under which secret, and by which road its sessions are made to obey."""

from ipaddress import ip_address, ip_network

from coa.das import Das
from radius.domain.nas import CoaScope, Nas, Router
from radius.domain.world import SESSION_S_MAX_UNREACHABLE
from radius.services.directory import Directory


def das_of(directory: Directory, router: Router, *, nas_ip: str = "", source: str = "") -> Das | None:
    """How a router is spoken to; None when it has no address or no secret. `nas_ip`: its own claim."""
    address, secret, nas = address_of(router, nas_ip), directory.secret(router.id), directory.nas(router.id)
    if not address or not secret or nas is None:
        return None
    can = nas.capabilities
    return Das(
        address,
        secret.encode(),
        router.coa_port,
        message_authenticator=can.coa_message_authenticator,
        event_timestamp=can.coa_event_timestamp,
        source=source,
    )


def address_of(router: Router, nas_ip: str) -> str:
    """Where the router is reached: as registered, else the one address it may speak from, else its own claim.

    The claim (NAS-IP-Address) counts only inside the networks that it may speak from. "" if none of these is there.
    """
    if router.coa_address:
        return router.coa_address
    networks = [ip_network(text.strip(), strict=False) for text in router.addresses]
    single = [network for network in networks if network.num_addresses == 1]
    if len(networks) == len(single) == 1:
        return str(single[0].network_address)
    try:
        claimed = ip_address(nas_ip)
    except ValueError:
        return ""
    return str(claimed) if any(claimed in network for network in networks) else ""


def road(router: Router, nas: Nas, das: Das | None) -> str:
    """How its live sessions are cut and changed, in plain words; `das` is what `das_of` found."""
    can = nas.capabilities
    if can.by_answer:
        return (
            "Nothing is sent to it. What its sessions may have is told with the answer to each of their reports "
            "(its acctupdate must be on); a cut waits for the next report."
        )
    if can.coa is CoaScope.NONE:
        hours = SESSION_S_MAX_UNREACHABLE // 3600
        return f"Nothing is sent to it. Its sessions end by themselves, at most {hours} hours after their log-in."
    if das is None:
        return "It should be told, but its address is not known: register the one it is reached at (coa_address)."
    tunnel = " through its tunnel" if router.tunnel else ""
    what = "cut and changed" if can.coa is CoaScope.CHANGE else "cut (a change is a cut and a new log-in)"
    return f"Its sessions are {what} at once, by packets to {das.address}, port {das.port}{tunnel}."
