"""The texts that routers get, as they lie in `deploy/routers`. Whoever packs the application packs that folder too."""

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "routers"
PAGES = (
    "login.html",
    "alogin.html",
    "status.html",
    "logout.html",
    "error.html",
    "rlogin.html",
    "redirect.html",
    "flogin.html",
    "api.json",
)
PORTAL_MARK = "https://portal.invalid"  # in the pages: the portal's address (RFC 2606 §2: nobody's)
ROUTER_MARK = "/w/ROUTER"


@cache
def read_text(name: str) -> str:
    """A text by its path there; raises FileNotFoundError where the folder was not taken along."""
    return (FOLDER / name).read_text("utf-8")


def page(name: str, portal: str, router: str) -> str:
    """A page of the hotspot for one router: `portal` and `router` were checked (`billing.joining.plan`)."""
    return read_text(f"mikrotik/{name}").replace(PORTAL_MARK, portal).replace(ROUTER_MARK, f"/w/{router}")


def garden() -> tuple[str, ...]:
    """Hosts of the walled garden besides the portal."""
    lines = (each.strip() for each in read_text("walled-garden.txt").splitlines())
    return tuple(each for each in lines if each and not each.startswith("#"))
