"""What every page is made with: `render`, `redirect`, `flash`, and times and addresses as templates write them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.console.api.surroundings import surroundings
from services.console.web import charts, visitor
from services.console.web.assets import Assets
from services.console.web.navigation import entries
from services.console.web.words import words

FOLDER = Path(__file__).parent / "templates"
Kind = Literal["done", "note", "wrong"]
Crumbs = Sequence[tuple[str, str | None]]
"""Where the page is: each step's words, and its path if it leads somewhere."""


@cache
def environment() -> Environment:
    """The templates: escaped, and strict about what they are not given. One for the process, each compiled once."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters, globals_ = cast("dict[str, object]", made.filters), cast("dict[str, object]", made.globals)
    filters |= {"moment": moment, "ago": ago, "iso": iso, "words": words}
    globals_ |= {"charts": charts}
    return made


async def render(
    request: Request,
    template: str,
    *,
    title: str,
    crumbs: Crumbs = (),
    status: int = 200,
    form_to: Iterable[str] = (),
    frames: bool = False,
    **context: Any,
) -> HTMLResponse:
    """A page. `crumbs` end with the page itself; its forms may also lead to the origins `form_to`; with `frames` it may
    hold documents of ours."""
    here = surroundings(request)
    found = visitor.visitor_or_none(request)
    templates: Environment = request.app.state.templates
    text = templates.get_template(template).render(
        {
            **context,
            "title": title,
            "crumbs": crumbs,
            "visitor": found,
            "now": here.clock.now(),
            "csrf": visitor.csrf(here, request),
            "flashes": await here.store.sessions.take_flashes(found.session.key) if found else (),
            "nav": entries(found.role if found else None, request.url.path),
            "url": partial(address, request),
            "asset": partial(_asset, request),
        }
    )
    return HTMLResponse(
        text, status, {"Content-Security-Policy": policy(form_to, frames), "Referrer-Policy": "same-origin"}
    )


def redirect(request: Request, path: str, **query: str) -> Response:
    """Send the browser to another page of ours, by GET."""
    return RedirectResponse(address(request, path, **query), 303)


def lead(request: Request, there: str) -> Response:
    """Send the browser to where `own_path` says."""
    return RedirectResponse(f"{address(request, '')}{there}", 303)


async def flash(request: Request, kind: Kind, words: str) -> None:
    """Say something on the next page that this visitor sees."""
    found = visitor.visitor_or_none(request)
    if found is not None:
        await surroundings(request).store.sessions.flash(found.session.key, kind, words)


def address(request: Request, path: str, **query: str | None) -> str:
    """A path of ours as browsers must call it, wherever a proxy has put us; parts of the query without a value go."""
    given = {name: value for name, value in query.items() if value}
    return f"{visitor.site(surroundings(request)).prefix}{quote(path)}{'?' if given else ''}{urlencode(given)}"


def _asset(request: Request, name: str) -> str:
    assets: Assets = request.app.state.assets
    return address(request, assets.path(name))


def own_path(given: str) -> str:
    """Where to go after signing in: a path of ours, never another site's."""
    url = urlsplit(given)
    plain = given.startswith("/") and not given.startswith(("//", "/\\")) and given.isprintable()
    return given if plain and not url.scheme and not url.netloc else "/"


def policy(form_to: Iterable[str] = (), frames: bool = False) -> str:
    """What a page may load and where its forms lead: nothing inline, nothing from elsewhere."""
    forms = " ".join(["'self'", *sorted(form_to)])
    frame_src = "frame-src 'self'; " if frames else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        f"{frame_src}form-action {forms}; frame-ancestors 'none'; base-uri 'none'"
    )


async def form(request: Request) -> dict[str, str]:
    """The text fields of a form, each once."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


def number(given: str) -> int:
    """A whole number of a hidden field; 0 for what is none."""
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else 0


def iso(at: datetime) -> str:
    """For `<time datetime>`."""
    return at.isoformat(timespec="seconds")


def moment(at: datetime | None) -> str:
    """A time as people read it, UTC."""
    return f"{at:%d %b %Y, %H:%M} UTC" if at else "never"


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago that was, roughly."""
    if at is None:
        return "never"
    for width, word in ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min")):
        if now - at >= width:
            return f"{(now - at) // width} {word} ago"
    return "just now"
