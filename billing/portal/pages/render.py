"""Pages from templates: one style in the page, one script beside it, and a policy that lets nothing else in."""

from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from billing.domain.brand import Brand, SiteNotice, picture
from billing.portal.pages.plain import instant
from billing.portal.pages.texts import text
from radius.domain.nas import Language

_STATIC = files("billing.portal.pages") / "static"
_CARRIED = Markup('<input type="hidden" name="visit" value="{}">')
YEAR_S = 31_536_000


class View(NamedTuple):
    """Whom a page is for. `visit`: signed, "" for none."""

    brand: Brand
    language: Language
    visit: str = ""
    notice: SiteNotice | None = None
    now: int = 0
    zone: str = "Africa/Nairobi"


class Renderer:
    """Threads may share it."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("billing.portal.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._style = (_STATIC / "portal.css").read_text("utf-8").replace("\n", "")
        self.script = (_STATIC / "portal.js").read_bytes()
        self.script_name = f"portal.{sha256(self.script).hexdigest()[:12]}.js"

    def page(self, view: View, template: str, status: int = 200, to: str = "", **values: Any) -> Response:
        """`to`: the one address outside that a form of the page goes to, "" for none."""
        style = self._worn(view.brand)
        notice = view.notice
        shared: Mapping[str, Any] = {
            "brand": view.brand,
            "language": view.language.value,
            "t": partial(_text, view.language),
            "visit": view.visit,
            "carried": lambda: _CARRIED.format(view.visit),
            "logo": logo_path(view.brand) if view.brand.logo else "",
            "style": Markup(style),  # noqa: S704 - our own file and a checked colour
            "script": f"/static/{self.script_name}",
            "notice": notice,
            "notice_text": notice.text(view.language) if notice else "",
            "notice_at": instant(notice.at, view.now, view.zone, view.language) if notice else "",
            "problem": "",
            "said": "",
        }
        html = self._templates.get_template(template).render({**shared, **values})
        return HTMLResponse(html, status, {"Content-Security-Policy": _policy(style, to)})

    def file(self, template: str, brand: Brand, **values: Any) -> str:
        """A page that stands alone."""
        style = Markup(self._worn(brand))  # noqa: S704 - our own file and a checked colour
        return self._templates.get_template(template).render(brand=brand, style=style, **values)

    def _worn(self, brand: Brand) -> str:
        return self._style.replace("BRAND", brand.colour).replace("INK", brand.ink)

    def asset(self, name: str) -> Response | None:
        """A file that never changes under its name."""
        if name != self.script_name:
            return None
        return Response(
            self.script, headers={"Cache-Control": f"public, max-age={YEAR_S}, immutable"}, media_type="text/javascript"
        )


def logo_path(brand: Brand) -> str:
    """Where a brand's picture is: another picture has another address."""
    return f"/logo/{brand.of}/{sha256(brand.logo).hexdigest()[:12]}"


def logo(brand: Brand, path: str) -> Response | None:
    """The picture at that address, if it is still the brand's."""
    if not brand.logo or path != logo_path(brand):
        return None
    return Response(
        brand.logo, headers={"Cache-Control": f"public, max-age={YEAR_S}, immutable"}, media_type=picture(brand.logo)
    )


def _text(language: Language, key: str, **values: object) -> str:
    return text(key, language, **values)


def _policy(style: str, to: str) -> str:
    """Nothing from elsewhere, no script or style in the page but ours, forms to ourselves and the one router."""
    digest = b64encode(sha256(style.encode()).digest()).decode()
    parts = urlsplit(to)
    forms = f"'self' {parts.scheme}://{parts.netloc}" if to else "'self'"
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; script-src 'self'; connect-src 'self'; "
        f"img-src 'self' data:; form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
    )
