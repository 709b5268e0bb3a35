"""`sites`: the places that routers stand at."""

from typing import Annotated

import typer

from billing.cli.frame import Frame, command
from billing.cli.show import Column
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.nas import Language, Site

app = typer.Typer(name="sites", help="Places: each with one time zone and one language.", no_args_is_help=True)

COLUMNS = (
    Column("SITE", "site"),
    Column("TIME ZONE", "zone"),
    Column("LANGUAGE", "language"),
    Column("ROUTERS", "routers", right=True),
)


@command(app, "list", "sites list")
def list_sites(frame: Frame) -> None:
    """All sites and how many routers each has."""
    routers = frame.directory.all_routers()
    rows = [
        {
            "site": site.id,
            "zone": site.zone,
            "language": site.language.value,
            "mac_password": bool(site.mac_password),
            "routers": sum(router.site == site.id for router in routers),
        }
        for site in sorted(frame.directory.all_sites(), key=lambda site: site.id)
        if frame.site in {"", site.id}
    ]
    frame.show.table(rows, COLUMNS, "No sites yet: wifibilling sites add ID")


@command(app, "add", "sites add kilimani\nsites add kilimani --language sw")
def add(
    frame: Frame,
    name: Annotated[str, typer.Argument(metavar="ID", help="Letters, digits, dots, dashes.")],
    zone: Annotated[str, typer.Option(help="Its time zone.")] = ZONE_DEFAULT,
    language: Annotated[Language, typer.Option(help="Of what customers read there.")] = Language.ENGLISH,
    reason: Annotated[str, typer.Option(help="Kept with the change.")] = "",
) -> None:
    """Add a site, or change its zone and language. A password for log-ins by MAC address is kept as it is."""
    there = next((each for each in frame.directory.all_sites() if each.id == name), None)
    wanted = Site(name, zone, language, there.mac_password if there else "")
    with frame.deed(name, reason):
        frame.core.provision.site(wanted)
    frame.show.done(f"Site {name} is {'changed' if there else 'added'}.", {"site": name, "new": there is None})
