"""`tickets list|show`."""

from typing import Annotated, Any

import typer

from services.console.cli.exits import Exit, NotFound
from services.console.cli.output import Printer, plain
from services.console.cli.session import session_of
from shared.domain.mailbox import Module
from shared.domain.ticket import Ticket
from shared.store.client import Store

COLUMNS = (
    "number",
    "mailbox",
    "subject",
    "requester",
    "service",
    "process",
    "department",
    "priority",
    "duplicates",
    "received_at",
)


def list_(
    context: typer.Context,
    mailbox: Annotated[str | None, typer.Option("--mailbox", "-m", metavar="NAME", help="Only its.")] = None,
    module: Annotated[Module | None, typer.Option("--module", help="Only tickets, or only requests.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many, newest first.")] = 50,
) -> int:
    """List tickets and requests, newest first."""
    session = session_of(context)

    async def work(store: Store) -> tuple[Ticket, ...]:
        return await store.tickets.list(mailbox=mailbox, module=module, limit=limit)

    session.printer.records("Tickets", COLUMNS, [record(one) for one in session.run(work)], "none")
    return Exit.OK


def show(
    context: typer.Context, ticket: Annotated[str, typer.Argument(metavar="NUMBER", help="INC-000042, or a ticket id.")]
) -> int:
    """Show one ticket with its text and attachments."""
    session = session_of(context)

    async def work(store: Store) -> Ticket | None:
        return await store.tickets.by_number(ticket.upper()) or await store.tickets.get(ticket.lower())

    found = session.run(work)
    if found is None:
        raise NotFound(f"there is no ticket {ticket}", remedy="mail-automator tickets list shows the newest")
    if session.printer.for_people:
        _for_people(session.printer, found)
    else:
        session.printer.data(found.model_dump(mode="json", exclude={"outbox"}))
    return Exit.OK


def record(ticket: Ticket) -> dict[str, Any]:
    """A ticket as a flat record with stable names."""
    place = ticket.classification
    return {
        "number": ticket.number,
        "ticket_id": ticket.ticket_id,
        "module": ticket.module.value,
        "mailbox": ticket.mailbox,
        "subject": ticket.subject,
        "requester": ticket.requester.address if ticket.requester else None,
        "service": place.service,
        "process": place.process,
        "department": place.department,
        "priority": place.priority.value,
        "duplicates": len(ticket.duplicates),
        "acknowledgement": ticket.acknowledgement.state.value if ticket.acknowledgement else None,
        "acknowledgement_reason": ticket.acknowledgement.code if ticket.acknowledgement else None,
        "attachments": sum(len(article.attachments) for article in ticket.articles),
        "origin_mail_id": ticket.origin_mail_id,
        "received_at": ticket.received_at,
        "created_at": ticket.created_at,
    }


def _for_people(printer: Printer, ticket: Ticket) -> None:
    fields = record(ticket)
    why = ticket.acknowledgement.sentence if ticket.acknowledgement else None
    more = {"acknowledgement_sentence": why, "flags": ", ".join(ticket.flags)}
    printer.pairs(f"{fields.pop('module').title()} {ticket.number}", {**fields, **more})
    for article in ticket.articles:
        printer.line()
        sender = article.sender.address if article.sender else "no sender"
        printer.line(f"{plain(article.received_at)} from {sender}")
        for one in article.attachments:
            printer.line(f"attachment {one.part}: {one.filename} ({one.content_type}, {one.size} bytes)")
        printer.block(article.text)
