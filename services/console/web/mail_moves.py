"""What can be done with a mail that made no ticket: send it again, make a ticket of it anyway, discard it.

Each is a page that says what would become of the mail and asks for a reason, and a form that does it.
"""

from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.responses import Response

from services.console import replays
from services.console.api.mails import MailId
from services.console.api.problems import Refused
from services.console.api.surroundings import Here, Surroundings
from services.console.replays import NoReason, Order
from services.console.web import kit
from services.console.web.errors import sentence
from services.console.web.mails import find
from services.console.web.visitor import Me
from services.console.web.words import OUTCOMES, end, words
from shared.domain.ledger import LedgerEntry

IN_FLIGHT: Final = "The mail is in flight again: the bookkeeper sends it on its way within a minute."
TOO_LATE: Final = "The mail moved on meanwhile: nothing was done."


@dataclass(frozen=True, slots=True)
class Move:
    """What is asked, and what its button says."""

    name: str
    title: str
    button: str
    about: str
    look: str = "primary"


REPLAY: Final = Move(
    "replay",
    "Send it again",
    "Send it again",
    "It goes through the whole pipeline once more, under the rules of now. What was decided before stays in its trace.",
)
TICKET: Final = Move(
    "ticket",
    "Create a ticket anyway",
    "Create a ticket",
    "It goes through the pipeline once more, and no rule of the filter rejects it this time.",
)
DISCARD: Final = Move(
    "discard",
    "Discard it",
    "Discard it",
    "It is rejected for good, with your reason. Others are told of it as of any rejection.",
    "danger",
)


async def ask_replay(request: Request, here: Here, me: Me, mail_id: MailId) -> Response:
    """Show what a mail would become under the rules of now."""
    return await _ask(request, here, me, await find(here, mail_id), REPLAY)


async def replay(request: Request, here: Here, me: Me, mail_id: MailId) -> Response:
    """Send it again."""
    return await _send(request, here, me, await find(here, mail_id), REPLAY)


async def ask_ticket(request: Request, here: Here, me: Me, mail_id: MailId) -> Response:
    """Show what a mail would become if the filter let it pass."""
    return await _ask(request, here, me, await find(here, mail_id), TICKET)


async def make_ticket(request: Request, here: Here, me: Me, mail_id: MailId) -> Response:
    """Send it again, whatever the filter says."""
    return await _send(request, here, me, await find(here, mail_id), TICKET)


async def ask_discard(request: Request, here: Here, mail_id: MailId) -> Response:
    """Ask why a mail is discarded."""
    entry = await find(here, mail_id)
    replays.check_discardable(entry)
    return await _page(request, entry, DISCARD)


async def discard(request: Request, here: Here, me: Me, mail_id: MailId) -> Response:
    """Reject a mail in quarantine for good."""
    entry = await find(here, mail_id)
    replays.check_discardable(entry)
    given = (await kit.form(request)).get("why", "")
    try:
        order = Order(me.who, replays.reason_text(given))
    except NoReason as error:
        return await _page(request, entry, DISCARD, why=given, error=sentence(error.what))
    done = await replays.discard(here.store, [entry], order, here.event_source)
    return await _told(request, entry, "The mail is discarded." if done else "")


async def _ask(
    request: Request, here: Surroundings, me: Me, entry: LedgerEntry, move: Move, *, why: str = "", error: str = ""
) -> Response:
    replays.check_replayable(entry)
    order = Order(me.who, why, as_ticket=move is TICKET)
    (forecast,) = await replays.forecast(here.store, [entry], order)
    reason = words(forecast.reason) if forecast.reason else ""
    return await _page(
        request, entry, move, why=why, error=error, forecast=forecast, then=(OUTCOMES[forecast.kind], reason)
    )


async def _send(request: Request, here: Surroundings, me: Me, entry: LedgerEntry, move: Move) -> Response:
    replays.check_replayable(entry)
    given = (await kit.form(request)).get("why", "")
    try:
        order = Order(me.who, replays.reason_text(given), as_ticket=move is TICKET)
    except NoReason as error:
        return await _ask(request, here, me, entry, move, why=given[: replays.WHY_LIMIT], error=sentence(error.what))
    (forecast,) = await replays.forecast(here.store, [entry], order)
    if forecast.kind == replays.IMPOSSIBLE:
        what = f"mail {entry.mail_id} cannot be sent again"
        raise Refused(409, what, remedy=forecast.sentence, code=replays.NotReplayable.code)
    if not forecast.changes:
        await kit.flash(request, "note", "It would end the same, so it was not sent again.")
        return kit.redirect(request, f"/mails/{entry.mail_id}")
    return await _told(request, entry, IN_FLIGHT if await replays.send_again(here.store, [entry], order) else "")


async def _page(
    request: Request,
    entry: LedgerEntry,
    move: Move,
    *,
    why: str = "",
    error: str = "",
    forecast: replays.Forecast | None = None,
    then: tuple[tuple[str, str], str] | None = None,
) -> Response:
    subject = entry.headline.subject or "(no subject)"
    return await kit.render(
        request,
        "mail_move.html",
        title=move.title,
        crumbs=[("Mails", "/mails"), (subject, f"/mails/{entry.mail_id}"), (move.title, None)],
        status=422 if error else 200,
        entry=entry,
        subject=subject,
        move=move,
        end=end(entry),
        forecast=forecast,
        then=then,
        why=why,
        error=error,
    )


async def _told(request: Request, entry: LedgerEntry, words_: str) -> Response:
    """Back to the mail, which says what came of it."""
    await kit.flash(request, "done" if words_ else "wrong", words_ or TOO_LATE)
    return kit.redirect(request, f"/mails/{entry.mail_id}")
