"""A mail with its formatting: a document of its own, in a frame, that can run nothing and loads nothing by itself.

Its HTML was sanitised when it was kept and is sanitised again here. Its own images come from its raw mail; remote ones
load only after somebody asked for them, in this one view: the word that says so is the session's, so that no link in a
mail or on another site can say it.
"""

import asyncio
import hmac
from functools import partial
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import Query, Request
from jinja2 import Environment
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response, StreamingResponse

from services.console.api.mails import MailId
from services.console.api.problems import Refused
from services.console.api.surroundings import Here
from services.console.api.tickets import Key, Part, chunks, cut, file_of, find, message
from services.console.web import kit
from services.console.web.site import derived
from services.console.web.visitor import Me, Visitor
from shared.domain.ticket import Article
from shared.mail import html
from shared.mail.images import kind_of

SANDBOX: Final = "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
"""No scripts, no forms. Of our origin, so that its images know who is signed in; links open in a tab of their own."""
Word = Annotated[str, Query(max_length=64)]


async def show(request: Request, here: Here, me: Me, ticket: Key, mail_id: MailId, images: Word = "") -> Response:
    """The document in the frame. `images` is the word of who asked for remote images."""
    found = await find(here, ticket)
    article = await message(here, found, mail_id)
    if article is None:
        remedy = "the ticket lists its mails"
        raise Refused(404, f"there is no mail {mail_id} here", remedy=remedy, code="unknown_message")
    remote = hmac.compare_digest(images.encode(), word(me, mail_id).encode())
    inline = _inline(request, found.number, article)
    body = await asyncio.to_thread(partial(html.show, article.html or "", inline, remote=remote))
    templates: Environment = request.app.state.templates
    style = kit.address(request, request.app.state.assets.path("mail.css"))
    page = templates.get_template("formatted.html").render(body=Markup(body), style=style)  # noqa: S704  # sanitised
    headers = {"Content-Security-Policy": policy(remote), "X-Frame-Options": "SAMEORIGIN"}
    return HTMLResponse(page, headers=headers)


async def image(here: Here, ticket: Key, mail_id: MailId, part: Part) -> StreamingResponse:
    """An image of the mail itself. What is none by its bytes is not sent, whatever it is called."""
    known = file_of(await message(here, await find(here, ticket), mail_id), part)
    data = await cut(here, mail_id, known.part)
    kind = kind_of(data)
    if kind is None:
        remedy = "download it as an attachment"
        raise Refused(404, f"file {part} is no image that is shown", remedy=remedy, code="no_image")
    headers = {
        "Content-Disposition": "inline",
        "Content-Length": str(len(data)),
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return StreamingResponse(chunks(data), media_type=kind, headers=headers)


def word(me: Visitor, mail_id: str) -> str:
    """What says that this visitor asked for the remote images of a mail."""
    return derived(me.csrf, f"remote images of {mail_id}")


def policy(remote: bool) -> str:
    """What the document may load: our style, its own images, and remote ones once they were asked for."""
    sources = "'self' https: http:" if remote else "'self'"
    return (
        f"default-src 'none'; img-src {sources}; style-src 'self'; form-action 'none'; frame-ancestors 'self'; "
        f"base-uri 'none'; {SANDBOX}"
    )


def _inline(request: Request, number: str, article: Article) -> dict[str, str]:
    """The addresses of the mail's own images, by content id: the first of two."""
    base = f"/tickets/{number}/messages/{article.mail_id}/images"
    found: dict[str, str] = {}
    for one in article.attachments:
        if one.content_id:
            found.setdefault(one.content_id, kit.address(request, f"{base}/{quote(one.part)}"))
    return found
