"""`sites brand`, `sites tell`, `sites status-page` over the engine."""

from pathlib import Path

from billing.cli.exits import Exit
from billing.domain.brand import EVERYWHERE, Brand, NoticeState
from billing.services.signs import Signs
from tests.contract.cli.isp import World
from tests.unit.billing.values import T0


def signs(world: World) -> Signs:
    return world.billing().desk.signs


def test_a_site_looks_as_it_was_told_and_else_as_all(world: World, tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"\x89PNG\r\n\x1a\nrest")
    assert world("sites", "brand", "--title", "All WiFi", "--support", "0700 111 222").code == Exit.DONE
    given = ("--colour", "#0b5f8a", "--seller", "Mama Njeri", "--logo", str(logo), "--till", "512345")
    assert world("sites", "brand", "--site", "lodge", *given).code == Exit.DONE
    found = signs(world).brand("lodge")
    assert (found.title, found.colour, found.support) == ("All WiFi", "#0b5f8a", "0700 111 222")
    assert (found.sellers, found.till, found.logo) == (("Mama Njeri",), "512345", logo.read_bytes())
    assert signs(world).brand("kilimani") == Brand("kilimani", "All WiFi", support="0700 111 222")
    shown = world("sites", "brand", "--site", "lodge", "--json").json()
    assert shown["colour"] == "#0b5f8a"


def test_what_pages_cannot_wear_is_refused(world: World) -> None:
    assert world("sites", "brand", "--colour", "blue").code == Exit.USAGE
    assert "must be like #0b6e4f" in world("sites", "brand", "--colour", "blue").err
    assert world("sites", "brand", "--site", "nowhere", "--title", "x").code == Exit.USAGE
    assert world("sites", "brand", "--logo", "/nowhere.png").code == Exit.USAGE
    assert signs(world).brand("lodge") == Brand("lodge")


def test_what_is_told_lies_on_the_public_page(world: World, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    assert world("sites", "status-page", "--out", str(page)).code == Exit.DONE
    assert "Everything works" in page.read_text()
    words = ("No internet.", "Hakuna intaneti.")
    assert world("sites", "tell", "investigating", *words, "--site", "lodge", "--hours", "2").code == Exit.DONE
    assert world("sites", "tell", "planned", "New mast.", "Mnara mpya.", "--at", "2030-01-01T22:00").code == Exit.DONE
    told = signs(world).notice("lodge")
    assert told is not None
    assert (told.state, told.at, told.until) == (NoticeState.INVESTIGATING, T0, T0 + 7_200)
    planned = signs(world).notice(EVERYWHERE)
    assert planned is not None
    assert planned.at == 1_893_524_400  # 22:00 in Nairobi
    assert world("sites", "status-page", "--out", str(page)).code == Exit.DONE
    text = page.read_text()
    assert "lodge: We are looking into a fault" in text
    assert "01/01 22:00 EAT (19:00 UTC)" in text
    assert world("sites", "status-page", "--out", "/nowhere/index.html").code == Exit.USAGE
    assert world("sites", "tell", "resolved", "", "x").code == Exit.USAGE
