"""Mails: find one, and see what happened to it and why."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from fastapi import Request
from starlette.responses import Response

from services.console import absence
from services.console.absence import Explanation
from services.console.api import paging
from services.console.api.mails import MailId
from services.console.api.problems import Refused
from services.console.api.surroundings import Here, Surroundings
from services.console.gone import raw_gone
from services.console.history import history
from services.console.meanings import all_meanings
from services.console.moment import Moment
from services.console.replays import NotReplayable, check_discardable, check_replayable
from services.console.timeline import summary
from services.console.web import kit, searching
from services.console.web.rule_settings import ABOUT, Setting, setting
from services.console.web.searching import Asked
from services.console.web.visitor import Me
from services.console.web.words import OUTCOMES, REASONS, VERDICTS, end, words
from shared.domain.access import Role
from shared.domain.decision import Step, flags_of
from shared.domain.ledger import LedgerEntry
from shared.store.ledger_documents import OUTCOMES as CODES
from shared.store.mail_search import Found, Wanted

PAGE: Final = 50
"""Mails on a page."""
UNDERSTOOD: Final[Mapping[str, str]] = {
    "message_id": "mails with the Message-ID {}",
    "sender": "mails from {}",
    "domain": "mails from senders at {}",
    "number": "mails on {}",
    "ticket_id": "mails on the ticket {}",
    "mail_id": "the mail {}",
    "subject": "mails with “{}” in their subject",
}
"""How the words of the box were understood, by the condition that they became."""


async def list_(request: Request, here: Here, cursor: paging.Cursor = None) -> Response:
    """Search the books, newest first."""
    asked = searching.read(request, "q", "mailbox", "outcome", "reason")
    wanted, found = await _find(here, asked, cursor)
    return await kit.render(
        request,
        "mails.html",
        title="Mails",
        crumbs=[("Mails", None)],
        asked=asked,
        understood=_understood(wanted) if asked["q"] and found.entries else "",
        rows=[(one, end(one)) for one in found.entries],
        cursor=paging.write(*found.more) if found.more else None,
        explained=() if found.entries or found.more else await _explain(here, asked),
        mailboxes=[(one.name, one.name) for one in await here.store.mailboxes.known()],
        outcomes=[(code, OUTCOMES[code][0]) for code in CODES],
        reasons=_reasons(asked["reason"]),
    )


async def show(request: Request, here: Here, me: Me, mail_id: MailId) -> Response:
    """Tell of one mail what happened to it, step by step."""
    entry = await find(here, mail_id)
    decided = _decided(entry)
    return await kit.render(
        request,
        "mail.html",
        title=entry.headline.subject or "(no subject)",
        crumbs=[("Mails", "/mails"), (entry.headline.subject or "(no subject)", None)],
        entry=entry,
        end=end(entry),
        summary=summary(entry),
        decided=decided,
        about=ABOUT.get(decided.rule, "") if decided else "",
        setting=_setting(entry, decided) if decided else None,
        flags=flags_of(entry.trace),
        moments=[(one, _behind(entry, one)) for one in await history(here.store, entry)],
        looks=VERDICTS,
        may=_may(entry, me.role),
        raw_gone=raw_gone(entry),
        operator=me.role.covers(Role.OPERATOR),
    )


async def find(here: Surroundings, mail_id: str) -> LedgerEntry:
    """A mail of the books. Raises Refused 404."""
    entry = await here.store.ledger.get(mail_id)
    if entry is None:
        remedy = "search for it: a mail is in the books once it was fetched"
        raise Refused(404, f"no mail {mail_id} is in the books", remedy=remedy, code="unknown_mail")
    return entry


async def _find(here: Surroundings, asked: Asked, cursor: str | None) -> tuple[Wanted, Found]:
    """The first meaning of what was typed that some mail has, and a page of these mails."""
    wanted, found, after = Wanted(), Found(), paging.read(cursor)
    for meaning in all_meanings(asked["q"]):
        wanted = meaning._replace(
            mailbox=asked.choice("mailbox"),
            outcome=asked.choice("outcome", CODES),
            reason=asked.choice("reason"),
            since=asked.since,
            until=asked.until,
        )
        found = await here.store.mail_search.find(wanted, PAGE, after)
        if found.entries or found.more:
            break
    return wanted, found


def _understood(wanted: Wanted) -> str:
    values = wanted._asdict()
    return next(said.format(values[name]) for name, said in UNDERSTOOD.items() if values[name] is not None)


def _reasons(chosen: str) -> list[tuple[str, str]]:
    """The choices: those of decisions, and the cause of a quarantine that a link may have asked for."""
    other = [(chosen, words(chosen))] if chosen and chosen not in dict(REASONS) else []
    return [("", "Any"), *REASONS, *other]


async def _explain(here: Surroundings, asked: Asked) -> Sequence[Explanation]:
    mailbox = asked.choice("mailbox")
    found = await absence.told(here.store, mailbox, asked.since, here.clock.now())
    return found or (Explanation("unknown_mailbox", mailbox or "", "No such mailbox is configured."),)


def _decided(entry: LedgerEntry) -> Step | None:
    """The step that its decision is named for."""
    reason = entry.decision.reason.value if entry.decision else None
    return next((one for one in entry.trace if one.rule == reason), None)


def _setting(entry: LedgerEntry, decided: Step) -> Setting | None:
    return setting(entry.origin.mailbox, decided.stage, decided.rule)


def _behind(entry: LedgerEntry, moment: Moment) -> Setting | None:
    place = entry.decision.classification if entry.decision else None
    return setting(entry.origin.mailbox, moment.stage, moment.step, moment.verdict, place)


def _may(entry: LedgerEntry, role: Role) -> frozenset[str]:
    """What the page offers: `replay` and `discard`, where the role and the mail allow it."""
    checks = {"replay": check_replayable, "discard": check_discardable}
    return frozenset(name for name, check in checks.items() if role.covers(Role.OPERATOR) and _passes(entry, check))


def _passes(entry: LedgerEntry, check: Callable[[LedgerEntry], None]) -> bool:
    try:
        check(entry)
    except NotReplayable:
        return False
    return True
