"""Where a registered router is reached, and under which secret."""

from ipaddress import ip_address, ip_network

from coa.das import Das
from radius.domain.nas import Router
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
