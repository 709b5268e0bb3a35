"""All pages, put into the app."""

from fastapi import FastAPI

from billing.portal.deps import Deps
from billing.portal.pages import captive, claims, front, me, paying
from billing.portal.pages.door import Door
from billing.portal.pages.handbook import Handbook
from billing.portal.pages.render import Renderer
from billing.portal.shop import Shop


def add(app: FastAPI, deps: Deps, shop: Shop) -> Handbook:
    """Add their routes."""
    book = Handbook(deps, Renderer())
    door = Door(book, shop)
    for router in (front.routes(door), paying.routes(door), claims.routes(door), me.routes(door), captive.routes(door)):
        app.include_router(router)
    return book
