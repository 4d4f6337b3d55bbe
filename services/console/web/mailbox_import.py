"""Old mail: how much there is from before a mailbox began, and having it taken."""

from datetime import date
from typing import Final

from fastapi import Request
from starlette.responses import Response

from services.console import old_mail
from services.console.api import mailboxes as api
from services.console.api.mailboxes import Name
from services.console.api.problems import Refused
from services.console.api.surroundings import Here, Surroundings
from services.console.web import kit
from services.console.web.visitor import Me
from shared.domain.mailbox import Mailbox

NO_DAY: Final = "Give a day as 2026-10-01, or leave it empty."
REPLACED: Final = "Somebody has asked something else about its old mail meanwhile."


async def show(request: Request, here: Here, name: Name) -> Response:
    """The last question, its answer, and the form for another one."""
    return await _page(request, here, await api.find(here, name))


async def count(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Have the old mail counted."""
    mailbox = await api.find(here, name)
    given = (await kit.form(request)).get("since", "").strip()
    try:
        since = date.fromisoformat(given) if given else None
    except ValueError:
        return await _page(request, here, mailbox, given[:40], NO_DAY)
    await old_mail.count(here.store, me.who, mailbox, since, here.clock.now(), here.patience)
    return kit.redirect(request, f"/mailboxes/{name}/import")


async def take(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Have the mails taken whose count was seen."""
    mailbox = await api.find(here, name)
    given = (await kit.form(request)).get("number", "")
    wish = (await here.store.wishes.of(name)).old_mail
    if wish is None or str(wish.number) != given:
        raise Refused(409, REPLACED, remedy="count again", code="count_replaced")
    wish = await old_mail.take(here.store, me.who, mailbox, wish, here.clock.now())
    await kit.flash(request, "done", old_mail.told(wish))
    return kit.redirect(request, f"/mailboxes/{name}")


async def _page(
    request: Request, here: Surroundings, mailbox: Mailbox, since: str | None = None, error: str = ""
) -> Response:
    name = mailbox.name
    wish = (await here.store.wishes.of(name)).old_mail
    asked = wish.since.isoformat() if wish and wish.since else ""
    return await kit.render(
        request,
        "mailbox_import.html",
        title=f"Old mail of {name}",
        crumbs=[("Mailboxes", "/mailboxes"), (name, f"/mailboxes/{name}"), ("Old mail", None)],
        status=422 if error else 200,
        mailbox=mailbox,
        wish=wish,
        state=old_mail.state(wish) if wish else "",
        told=old_mail.told(wish) if wish else "",
        mails=old_mail.mails(wish.count or 0) if wish else "",
        span=old_mail.span(wish.since) if wish else "",
        since=asked if since is None else since,
        error=error,
    )
