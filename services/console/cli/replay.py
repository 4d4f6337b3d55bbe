"""`replay`: rejected and quarantined mail through the pipeline again, one or many; what would change is shown first."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from services.console import replays
from services.console.cli.actor import actor
from services.console.cli.exits import Exit, NotFound
from services.console.cli.moments import moment
from services.console.cli.session import Session, session_of
from services.console.replays import Forecast, Order
from shared.domain.errors import ConfigurationError
from shared.domain.ledger import LedgerEntry
from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.ledger_queries import Ended

MailIds = Annotated[list[str] | None, typer.Argument(metavar="[MAIL_ID]...", help="As `trace` shows them.")]
Mailbox = Annotated[str | None, typer.Option("--mailbox", "-m", metavar="NAME", help="Only its mails.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Fetched since: ISO 8601, or 30m, 2h, 7d ago.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Fetched before.")]
Code = Annotated[str | None, typer.Option("--reason", metavar="CODE", help="Only mails that ended for this reason.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most this many, oldest first.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
COLUMNS = ("mail_id", "mailbox", "sender", "subject", "before", "now", "sentence")
AS_ORDERED = "under the rules of now"


def replay(
    context: typer.Context,
    mail_id: MailIds = None,
    mailbox: Mailbox = None,
    since: Since = None,
    until: Until = None,
    reason: Code = None,
    quarantined: Annotated[bool, typer.Option("--quarantined", help="Mails in quarantine, not rejected ones.")] = False,
    limit: Limit = 500,
    as_ticket: Annotated[
        bool, typer.Option("--as-ticket", help="Overrule the filter this once. Only for mails that are named.")
    ] = False,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Kept in the trace of each mail.")] = AS_ORDERED,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    yes: Yes = False,
) -> int:
    """Send rejected or quarantined mails through the pipeline again, under the rules of now.

    Shows first which would end differently; only those are sent. Mails that became tickets, replies or duplicates are
    refused. Old mails are never acknowledged. Exit 3 if a mail is not in the books.
    """
    session, order = session_of(context), Order(actor(), reason_text(why), as_ticket)
    chosen = (mailbox, since, until, reason)
    check_choice(mail_id, any(chosen) or quarantined)
    if as_ticket and not mail_id:
        raise typer.BadParameter("--as-ticket is for mails that are named one by one")
    wanted = Ended(quarantined, mailbox, reason, *between(since, until))

    async def look(store: Store) -> tuple[Forecast, ...]:
        entries = await pick(store, mail_id, wanted, limit)
        return await replays.forecast(store, entries, order)

    found = session.run(look)
    changing = [one for one in found if one.changes]
    if mail_id:
        _all_possible(found)
    if dry_run:
        _show(session, found, changing)
        return Exit.OK
    if session.printer.for_people:
        _show(session, found, changing)
    if changing and not yes and not agreed(f"Send {len(changing)} mail(s) through the pipeline again?", "replay"):
        raise typer.Abort
    sent = session.run(lambda store: replays.send_again(store, [one.entry for one in changing], order))
    _tell(session, sent, [one.entry.mail_id for one in changing])
    return Exit.OK


async def pick(store: Store, mail_ids: Sequence[str] | None, wanted: Ended, limit: int) -> Sequence[LedgerEntry]:
    """The mails that are named, or those that a filter finds. Raises NotFound, NotReplayable."""
    if not mail_ids:
        return await store.ledger.ended(wanted, limit)
    try:
        return await replays.named(store, [one.lower() for one in mail_ids])
    except replays.UnknownMail as error:
        raise NotFound(error.what, remedy=error.remedy) from None


def between(since: str | None, until: str | None) -> tuple[Any, Any]:
    """Both ends of a span of time, or None. Raises typer.BadParameter."""
    now = Clock().now()
    return (moment(since, now) if since else None), (moment(until, now) if until else None)


def check_choice(mail_ids: Sequence[str] | None, filtered: bool) -> None:
    """Raise typer.BadParameter unless mails are either named or chosen by a filter."""
    if bool(mail_ids) == filtered:
        raise typer.BadParameter("name mails, or choose them by --mailbox, --since, --until or --reason")


def reason_text(text: str) -> str:
    """A sentence for the books. Raises typer.BadParameter."""
    try:
        return replays.reason_text(text)
    except replays.NoReason as error:
        raise typer.BadParameter(error.what) from None


def agreed(question: str, where: str) -> bool:
    """Whether a person says yes. Raises ConfigurationError where nobody can answer."""
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody is there to confirm", where=where, remedy="add --yes")
    return typer.confirm(question, err=True)


def record(one: Forecast) -> dict[str, Any]:
    """A forecast as a flat record with stable names."""
    headline = one.entry.headline
    return {
        "mail_id": one.entry.mail_id,
        "mailbox": one.entry.origin.mailbox,
        "sender": headline.sender,
        "subject": headline.subject,
        "before": _words(*one.before),
        "now": _words(one.kind, one.reason),
        "changes": one.changes,
        "sentence": one.sentence,
    }


def _words(kind: str, reason: str | None) -> str:
    return f"{kind}: {reason}" if reason else kind


def _all_possible(found: Sequence[Forecast]) -> None:
    for one in found:
        if one.kind == replays.IMPOSSIBLE:
            what = f"mail {one.entry.mail_id} cannot be sent again"
            raise replays.NotReplayable(what, remedy=one.sentence)


def _show(session: Session, found: Sequence[Forecast], changing: Sequence[Forecast]) -> None:
    printer = session.printer
    counts = Counter(f"{_words(*one.before)} -> {_words(one.kind, one.reason)}" for one in changing)
    if not printer.for_people:
        printer.data(
            {
                "examined": len(found),
                "unchanged": len(found) - len(changing),
                "counts": counts,
                "changes": list(map(record, changing)),
            }
        )
        return
    if changing:
        printer.records("Would end differently", COLUMNS, list(map(record, changing)))
    for move, count in sorted(counts.items()):
        printer.line(f"{count} x {move}")
    printer.line(f"{len(found)} examined, {len(changing)} would change, {len(found) - len(changing)} would not.")


def _tell(session: Session, sent: Sequence[str], wanted: Sequence[str]) -> None:
    missed = [one for one in wanted if one not in sent]
    if not session.printer.for_people:
        session.printer.data({"replayed": list(sent), "moved_on": missed})
        return
    session.printer.line(f"{len(sent)} mail(s) are in flight again; the bookkeeper sends them within a minute.")
    if missed:
        session.printer.line(f"{len(missed)} mail(s) had moved on meanwhile: {', '.join(missed)}")
