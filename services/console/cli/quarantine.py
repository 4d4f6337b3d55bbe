"""`quarantine list|show|replay`: mails whose attempts ran out."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from services.console.cli.exits import Exit, NotFound
from services.console.cli.session import session_of
from services.console.cli.trace import trace
from shared.domain.ledger import LedgerEntry, State
from shared.store.client import Store

MailIds = Annotated[list[str] | None, typer.Argument(metavar="[MAIL_ID]...", help="As `quarantine list` shows them.")]


def list_(context: typer.Context) -> int:
    """List the mails in quarantine, and what went wrong with each."""
    session = session_of(context)
    columns = ("mail_id", "mailbox", "sender", "subject", "stage", "code", "what", "attempts", "since")
    records = [record(one) for one in session.run(quarantined)]
    session.printer.records("Quarantine", columns, records, "empty")
    return Exit.OK


def show(context: typer.Context, mail_id: Annotated[str, typer.Argument(metavar="MAIL_ID")]) -> int:
    """Show the whole story of a mail in quarantine (the same as `trace`)."""
    return trace(context, mail_id)


def replay(
    context: typer.Context,
    mail_id: MailIds = None,
    everything: Annotated[bool, typer.Option("--all", help="Replay every mail in quarantine.")] = False,
) -> int:
    """Send mails through the pipeline again, under today's rules. Exit 3 if one is not in quarantine."""
    session = session_of(context)
    if everything == bool(mail_id):
        raise typer.BadParameter("name mails, or give --all")

    async def work(store: Store) -> tuple[list[str], list[str]]:
        wanted = [one.mail_id for one in await quarantined(store)] if everything else list(mail_id or [])
        done = [one for one in wanted if await store.ledger.replay(one)]
        return done, [one for one in wanted if one not in done]

    done, missing = session.run(work)
    if session.printer.for_people:
        session.printer.line(f"{len(done)} mail(s) are in flight again; the bookkeeper sends them within a minute.")
    else:
        session.printer.data({"replayed": done, "not_in_quarantine": missing})
    if missing:
        raise NotFound(
            f"not in quarantine: {', '.join(missing)}", remedy="mail-automator quarantine list shows what is"
        )
    return Exit.OK


async def quarantined(store: Store) -> Sequence[LedgerEntry]:
    """Every mail in quarantine."""
    ids = [fact.mail_id async for fact in store.ledger.iter_all() if fact.state is State.QUARANTINED]
    entries = await store.ledger.get_many(ids)
    return sorted(entries.values(), key=lambda one: one.progress_at, reverse=True)


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
