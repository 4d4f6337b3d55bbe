"""Import of mail from before a mailbox began: how much there is, and that it is taken."""

from fastapi import Request
from fastapi.responses import JSONResponse

from services.console import old_mail
from services.console.api import bodies
from services.console.api.caller import Caller
from services.console.api.mailboxes import Name, find
from services.console.api.problems import Refused
from services.console.api.surroundings import Here
from services.console.api.views import ImportView


async def show(here: Here, name: Name) -> JSONResponse:
    """Tell the last question about old mail, and how far the import is."""
    mailbox = await find(here, name)
    wish = (await here.store.wishes.of(mailbox.name)).old_mail
    if wish is None:
        remedy = f"POST /api/v1/mailboxes/{name}/import with dryRun counts them"
        raise Refused(404, f"nobody has asked about old mail of {name}", remedy=remedy, code="no_import")
    return JSONResponse(ImportView.of(wish).dump())


async def start(here: Here, asking: Caller, request: Request, name: Name) -> JSONResponse:
    """Count the mails from before the mailbox began that have no outcome, and have them taken. `dryRun` only counts.

    They are taken once, and never acknowledged. A dry run that says `counting` goes on: GET tells its end.
    """
    given = bodies.import_(await bodies.read(request))
    mailbox = await find(here, name)
    wish = await old_mail.count(here.store, asking.who, mailbox, given.since, here.clock.now(), here.patience)
    if not given.dry_run:
        wish = await old_mail.take(here.store, asking.who, mailbox, wish, here.clock.now())
    return JSONResponse(ImportView.of(wish).dump())
