"""`trace`: what happened to a mail, and why."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from services.console import absence
from services.console.cli.exits import Exit, NotFound
from services.console.cli.output import Printer
from services.console.cli.session import session_of
from services.console.history import history
from services.console.meanings import meanings
from services.console.moment import Moment
from services.console.timeline import summary
from shared.domain.decision import flags_of
from shared.domain.ledger import LedgerEntry
from shared.store.client import Store
from shared.store.mail_search import Wanted

Found = tuple[LedgerEntry, tuple[Moment, ...]]
_GENERAL = (
    "a mail is in the books once it was fetched: it may still lie on its server, or was delivered elsewhere",
    "mail that lay in the folder before a mailbox's first connection is taken only when it is imported",
)


def trace(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="Message-ID, sender, domain, ticket number, or mail_id.")],
    subject: Annotated[
        bool, typer.Option("--subject", help="WHAT is words of the subject, or their beginnings.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many mails, newest first.")] = 20,
) -> int:
    """Tell what happened to a mail, step by step, and why. Exit 3: no mail of that kind is in the books."""
    session = session_of(context)

    async def work(store: Store) -> list[Found]:
        entries = await search(store, what, subject=subject, limit=limit)
        if not entries:
            raise NotFound(
                f"no mail in the books matches {what}",
                remedy="check the spelling; --subject searches subjects",
                reasons=await why_not(store),
            )
        return [(entry, await history(store, entry)) for entry in entries]

    found = session.run(work)
    if session.printer.for_people:
        for entry, moments in found:
            _for_people(session.printer, entry, moments)
    else:
        session.printer.data([_record(entry, moments) for entry, moments in found])
    return Exit.OK


async def search(store: Store, what: str, *, subject: bool, limit: int) -> Sequence[LedgerEntry]:
    """The mails that a word of a person means, newest first: most specific meaning first, the first that hits."""
    text = what.strip()
    for wanted in (Wanted(subject=text),) if subject else meanings(text):
        found = await store.mail_search.find(wanted, limit)
        if found.entries:
            return found.entries
    return ()


async def why_not(store: Store) -> tuple[str, ...]:
    """What it can mean that a mail is not in the books: in general, and for each mailbox that is not well."""
    told = await absence.told(store, None, None, await store.server_time())
    return (*_GENERAL, *(_of_mailbox(one) if one.mailbox else one.sentence for one in told))


def _of_mailbox(one: absence.Explanation) -> str:
    return f"mailbox {one.mailbox} ({one.code}): {one.sentence}"


def _for_people(printer: Printer, entry: LedgerEntry, moments: Sequence[Moment]) -> None:
    headline = entry.headline
    fields = {
        "subject": headline.subject,
        "from": headline.sender,
        "Message-ID": headline.message_id,
        "mailbox": entry.origin.mailbox,
        "state": entry.state.value,
        "flags": ", ".join(flags_of(entry.trace)),
    }
    printer.pairs(f"Mail {entry.mail_id}", fields)
    rows = [(one.at, one.stage, one.step, one.verdict, one.sentence, _looked_at(one)) for one in moments]
    printer.table("", ("time", "stage", "step", "verdict", "sentence", "looked_at"), rows)
    printer.line(summary(entry))
    printer.line()


def _record(entry: LedgerEntry, moments: Sequence[Moment]) -> dict[str, Any]:
    return {
        "mail_id": entry.mail_id,
        "mailbox": entry.origin.mailbox,
        "message_id": entry.headline.message_id,
        "sender": entry.headline.sender,
        "subject": entry.headline.subject,
        "state": entry.state.value,
        "flags": list(flags_of(entry.trace)),
        "attempts": entry.attempts,
        "decision": entry.decision.model_dump(mode="json") if entry.decision else None,
        "summary": summary(entry),
        "timeline": [asdict(one) for one in moments],
    }


def _looked_at(moment: Moment) -> str:
    return ", ".join(f"{name}={value}" for name, value in moment.looked_at.items())
