"""`quarantine list|show|replay|discard`: mails whose attempts ran out."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from services.console import replays
from services.console.cli.actor import actor
from services.console.cli.exits import Exit, NotFound
from services.console.cli.replay import (
    AS_ORDERED,
    Limit,
    Mailbox,
    Since,
    Until,
    Yes,
    agreed,
    between,
    check_choice,
    reason_text,
)
from services.console.cli.session import Session, session_of
from services.console.cli.trace import trace
from services.console.replays import Order
from shared.domain.ledger import LedgerEntry, State
from shared.store.client import Store
from shared.store.ledger_documents import QUARANTINED
from shared.store.ledger_queries import Ended
from shared.store.mail_search import Wanted

MailIds = Annotated[list[str] | None, typer.Argument(metavar="[MAIL_ID]...", help="As `quarantine list` shows them.")]
Code = Annotated[str | None, typer.Option("--code", metavar="CODE", help="Only mails that are there for this cause.")]
COLUMNS = ("mail_id", "mailbox", "sender", "subject", "stage", "code", "what", "attempts", "since")
ALL = 10_000


def list_(
    context: typer.Context,
    mailbox: Mailbox = None,
    code: Code = None,
    by_cause: Annotated[bool, typer.Option("--by-cause", help="Only how many there are for each cause.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=ALL, help="At most this many, newest first.")] = ALL,
) -> int:
    """List the mails in quarantine, and what went wrong with each."""
    session = session_of(context)
    if by_cause:
        return _list_causes(session, mailbox)
    wanted = Wanted(mailbox=mailbox, reason=code, outcome=QUARANTINED)

    async def work(store: Store) -> Sequence[LedgerEntry]:
        return (await store.mail_search.find(wanted, limit)).entries

    session.printer.records("Quarantine", COLUMNS, [record(one) for one in session.run(work)], "empty")
    return Exit.OK


def show(context: typer.Context, mail_id: Annotated[str, typer.Argument(metavar="MAIL_ID")]) -> int:
    """Show the whole story of a mail in quarantine (the same as `trace`)."""
    return trace(context, mail_id)


def replay(
    context: typer.Context,
    mail_id: MailIds = None,
    everything: Annotated[bool, typer.Option("--all", help="Replay every mail in quarantine.")] = False,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Kept in the trace of each mail.")] = AS_ORDERED,
) -> int:
    """Send mails through the pipeline again, under today's rules. Exit 3 if one is not in quarantine."""
    session, order = session_of(context), Order(actor(), reason_text(why))
    if everything == bool(mail_id):
        raise typer.BadParameter("name mails, or give --all")

    async def work(store: Store) -> tuple[list[str], list[str]]:
        there = await _in_quarantine(store, mail_id)
        done = await replays.send_again(store, there, order)
        wanted = [one.mail_id for one in there] if everything else list(mail_id or [])
        return list(done), [one for one in wanted if one not in done]

    done, missing = session.run(work)
    if session.printer.for_people:
        session.printer.line(f"{len(done)} mail(s) are in flight again; the bookkeeper sends them within a minute.")
    else:
        session.printer.data({"replayed": done, "not_in_quarantine": missing})
    _all_found(missing)
    return Exit.OK


def discard(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the trace and the audit log.")],
    mail_id: MailIds = None,
    mailbox: Mailbox = None,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 500,
    yes: Yes = False,
) -> int:
    """Reject mails in quarantine for good (reason code `discarded`), named or by a filter. The raw mail stays for its
    retention, so that it can still be replayed."""
    session, order = session_of(context), Order(actor(), reason_text(reason))
    check_choice(mail_id, any((mailbox, code, since, until)))
    wanted = Ended(True, mailbox, code, *between(since, until))

    async def look(store: Store) -> Sequence[LedgerEntry]:
        return await (_in_quarantine(store, mail_id) if mail_id else store.ledger.ended(wanted, limit))

    entries = session.run(look)
    there = {one.mail_id for one in entries}
    _all_found([one for one in mail_id or [] if one not in there])
    if not mail_id and entries and not yes and not agreed(f"Discard {len(entries)} mail(s)?", "quarantine discard"):
        raise typer.Abort
    done = session.run(lambda store: replays.discard(store, entries, order, session.event_source()))
    if session.printer.for_people:
        session.printer.line(f"{len(done)} mail(s) discarded.")
    else:
        session.printer.data({"discarded": list(done)})
    return Exit.OK


def record(entry: LedgerEntry) -> dict[str, Any]:
    """A quarantined mail as a flat record with stable names."""
    failure = entry.failure
    return {
        "mail_id": entry.mail_id,
        "mailbox": entry.origin.mailbox,
        "sender": entry.headline.sender,
        "subject": entry.headline.subject,
        "stage": failure.stage if failure else None,
        "code": failure.code if failure else None,
        "what": failure.what if failure else None,
        "attempts": entry.attempts,
        "since": entry.progress_at,
    }


def _list_causes(session: Session, mailbox: str | None) -> int:
    found = session.run(lambda store: store.ledger.causes(mailbox))
    rows = [
        {"stage": stage, "code": code, "mails": cause.mails, "first": cause.first, "last": cause.last}
        for (stage, code), cause in sorted(found.items(), key=lambda one: -one[1].mails)
    ]
    session.printer.records("Quarantine, by cause", ("stage", "code", "mails", "first", "last"), rows, "empty")
    return Exit.OK


async def _in_quarantine(store: Store, mail_ids: Sequence[str] | None) -> Sequence[LedgerEntry]:
    """All that is in quarantine, or what is of these."""
    if not mail_ids:
        return await store.ledger.ended(Ended(), ALL)
    found = await store.ledger.get_many(mail_ids)
    return [one for one in found.values() if one.state is State.QUARANTINED]


def _all_found(missing: Sequence[str]) -> None:
    if missing:
        raise NotFound(
            f"not in quarantine: {', '.join(missing)}", remedy="mail-automator quarantine list shows what is"
        )
