"""All pages, put into the app."""

from fastapi import FastAPI

from billing.portal.deps import Deps
from billing.portal.pages import captive, claims, front, me, paying, waiting_list
from billing.portal.pages.door import Door
from billing.portal.pages.handbook import Handbook
from billing.portal.pages.render import Renderer
from billing.portal.shop import Shop


def add(app: FastAPI, deps: Deps, shop: Shop) -> Handbook:
    """Add their routes."""
    book = Handbook(deps, Renderer())
    door = Door(book, shop)
    for part in (front, paying, claims, me, captive, waiting_list):
        app.include_router(part.routes(door))
    return book
