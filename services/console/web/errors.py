"""Errors as pages, in plain words, with an id that is in the log as well. Never a traceback, never a secret."""

import secrets
from http import HTTPStatus

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from services.console.api.problems import Refused, status_of
from services.console.api.surroundings import surroundings
from services.console.web import kit, visitor
from services.console.web.visitor import SignInNeeded
from shared.domain.errors import AutomatorError

TITLES = {
    403: "You may not do that",
    404: "There is no such page",
    409: "Somebody was faster",
    413: "Too large",
    422: "That cannot be done",
    429: "Too often",
    500: "Something went wrong here",
    503: "Not available right now",
}
WORDS = {
    404: "The address is wrong, or what it led to is gone.",
    405: "This page cannot be asked for in that way.",
    422: "The address or the form holds something that this page does not understand.",
    500: "This is a fault of the program. It is in the log under the id below: please report it.",
}

log = structlog.get_logger(__name__)


async def show(request: Request, error: Exception) -> Response:
    """The page for an error; for a page that needs somebody to be signed in, the way there."""
    if isinstance(error, SignInNeeded):
        return _sign_in(request)
    status, words, remedy = _told(error)
    error_id = secrets.token_hex(4)
    log.info("page_refused", error_id=error_id, status=status, error=type(error).__name__)
    try:
        await _recognise(request)
        return await page(request, status, words, remedy, error_id)
    except AutomatorError:  # without a store, or without an address of our own, there is no layout either
        return PlainTextResponse(f"{words}\n{remedy}\n", status)


async def page(request: Request, status: int, words: str, remedy: str, error_id: str) -> HTMLResponse:
    """A page that says what is wrong and what to do."""
    title = TITLES.get(status, HTTPStatus(status).phrase)
    return await kit.render(
        request,
        "error.html",
        title=title,
        status=status,
        words=sentence(words),
        remedy=sentence(remedy),
        error_id=error_id,
    )


def sentence(words: str) -> str:
    """Words as a sentence."""
    line = words[:1].upper() + words[1:]
    return line if not line or line.endswith((".", "?", "!")) else f"{line}."


async def _recognise(request: Request) -> None:
    """Who is at an address that is no page: no door was passed on the way."""
    if not hasattr(request.state, "visitor"):
        request.state.visitor = await visitor.find(surroundings(request), request)


def _sign_in(request: Request) -> Response:
    if request.method != "GET":
        return kit.redirect(request, "/sign-in")
    query = f"?{request.url.query}" if request.url.query else ""
    return kit.redirect(request, "/sign-in", next=f"{request.url.path}{query}")


def _told(error: Exception) -> tuple[int, str, str]:
    match error:
        case Refused():
            return error.status, error.what, error.remedy
        case AutomatorError():
            return status_of(error), error.what, error.remedy
        case RequestValidationError():
            return 422, WORDS[422], ""
        case HTTPException():
            return error.status_code, WORDS.get(error.status_code, str(error.detail)), ""
        case _:
            return 500, WORDS[500], ""
