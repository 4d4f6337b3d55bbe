"""Puts the pages of the table beside the API, into one application."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import Request

from services.console.api.surroundings import surroundings
from services.console.web import visitor
from services.console.web.assets import Assets
from services.console.web.kit import environment
from services.console.web.table import PAGES, Page


def add_pages(router: APIRouter) -> None:
    """Add every page. Who may not see one is turned away before it is called."""
    for page in PAGES:
        router.add_api_route(
            page.path,
            page.endpoint,
            methods=[page.method],
            dependencies=[Depends(_door(page))],
            response_model=None,
            include_in_schema=False,
        )


def give_pages(app: FastAPI) -> None:
    """What they are drawn with."""
    app.state.templates = environment()
    app.state.assets = Assets()


def _door(page: Page) -> Callable[[Request], Awaitable[None]]:
    async def door(request: Request) -> None:
        if not page.path.startswith("/static/"):
            await visitor.admit(surroundings(request), request, page.role, page.method != "GET")

    return door
