"""`tickets list|show|close|reopen`."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from services.console import changes
from services.console.cli.actor import actor
from services.console.cli.exits import Exit, NotFound
from services.console.cli.output import Printer, plain
from services.console.cli.session import session_of
from services.console.gone import erased
from shared.domain.mailbox import Module
from shared.domain.ticket import Article, Ticket, TicketState
from shared.mail.quoted import split
from shared.runtime.clock import Clock
from shared.store.client import Store

COLUMNS = (
    "number",
    "state",
    "mailbox",
    "subject",
    "requester",
    "service",
    "process",
    "department",
    "priority",
    "messages",
    "duplicates",
    "received_at",
)
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="INC-000042, or a ticket id.")]


@dataclass(frozen=True, slots=True)
class Conversation:
    """A ticket and what was appended to it, in the order of arrival."""

    ticket: Ticket
    appended: tuple[Article, ...] = ()


def list_(
    context: typer.Context,
    mailbox: Annotated[str | None, typer.Option("--mailbox", "-m", metavar="NAME", help="Only its.")] = None,
    module: Annotated[Module | None, typer.Option("--module", help="Only tickets, or only requests.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many, newest first.")] = 50,
) -> int:
    """List tickets and requests, newest first."""
    session = session_of(context)

    async def work(store: Store) -> list[dict[str, Any]]:
        found = await store.tickets.list(mailbox=mailbox, module=module, limit=limit)
        counts = await store.articles.count_of([one.ticket_id for one in found])
        return [record(one, counts.get(one.ticket_id, 0)) for one in found]

    session.printer.records("Tickets", COLUMNS, session.run(work), "none")
    return Exit.OK


def show(context: typer.Context, ticket: Number) -> int:
    """Show one ticket with its whole conversation and attachments."""
    session = session_of(context)

    async def work(store: Store) -> Conversation:
        found = await _find(store, ticket)
        return Conversation(found, tuple(one.article for one in await store.articles.of_ticket(found.ticket_id)))

    _print(session.printer, session.run(work))
    return Exit.OK


def close(context: typer.Context, ticket: Number) -> int:
    """Close a ticket. What a reply to it then does is the setting replies.toClosed of its mailbox."""
    return _set_state(context, ticket, TicketState.CLOSED)


def reopen(context: typer.Context, ticket: Number) -> int:
    """Open a closed ticket again."""
    return _set_state(context, ticket, TicketState.OPEN)


def _set_state(context: typer.Context, number: str, state: TicketState) -> int:
    session = session_of(context)

    async def work(store: Store) -> Ticket:
        found = await _find(store, number)
        return await changes.set_state(store, actor(), found, state, Clock().now())

    ticket = session.run(work)
    if session.printer.for_people:
        session.printer.line(f"{ticket.number} is {ticket.state.value}.")
    else:
        session.printer.data({"number": ticket.number, "ticket_id": ticket.ticket_id, "state": ticket.state.value})
    return Exit.OK


async def _find(store: Store, key: str) -> Ticket:
    found = await store.tickets.by_number(key.upper()) or await store.tickets.get(key.lower())
    if found is None:
        raise NotFound(f"there is no ticket {key}", remedy="mail-automator tickets list shows the newest")
    return found


def record(ticket: Ticket, appended: int) -> dict[str, Any]:
    """A ticket as a flat record with stable names; `appended` mails came after the first."""
    place = ticket.classification
    return {
        "number": ticket.number,
        "ticket_id": ticket.ticket_id,
        "module": ticket.module.value,
        "state": ticket.state.value,
        "mailbox": ticket.mailbox,
        "subject": ticket.subject,
        "requester": ticket.requester.address if ticket.requester else None,
        "service": place.service,
        "process": place.process,
        "department": place.department,
        "priority": place.priority.value,
        "messages": len(ticket.articles) + appended,
        "duplicates": len(ticket.duplicates),
        "acknowledgement": ticket.acknowledgement.state.value if ticket.acknowledgement else None,
        "acknowledgement_reason": ticket.acknowledgement.code if ticket.acknowledgement else None,
        "origin_mail_id": ticket.origin_mail_id,
        "received_at": ticket.received_at,
        "created_at": ticket.created_at,
        "changed_at": ticket.changed_at,
    }


def _print(printer: Printer, found: Conversation) -> None:
    ticket, articles = found.ticket, (*found.ticket.articles, *found.appended)
    if not printer.for_people:
        content = ticket.model_dump(mode="json", exclude={"outbox", "articles"})
        printer.data({**content, "articles": [_as_data(one) for one in articles]})
        return
    fields = record(ticket, len(found.appended))
    related, answer = ticket.related, ticket.acknowledgement
    fields["attachments"] = sum(len(one.attachments) for one in articles)
    fields["flags"] = ", ".join(ticket.flags)
    fields["related"] = f"{related.relation.value} {related.number}" if related else None
    fields["acknowledgement"] = f"{answer.state.value} {answer.sentence}".strip() if answer else None
    printer.pairs(f"{fields.pop('module').title()} {ticket.number}", fields)
    if why := erased(ticket):
        printer.line(why)
        return
    for article in articles:
        _article(printer, article)


def _as_data(article: Article) -> dict[str, Any]:
    return {**article.model_dump(mode="json"), "new": split(article.text).new}


def _article(printer: Printer, article: Article) -> None:
    """A mail: what its author wrote, and below a line what is quoted or signature."""
    sender = article.sender.address if article.sender else "no sender"
    printer.line()
    printer.line(f"{plain(article.received_at)} {article.kind.value} from {sender}: {article.subject}")
    for one in article.attachments:
        printer.line(f"attachment {one.part}: {one.filename} ({one.content_type}, {one.size} bytes)")
    parts = split(article.text)
    printer.block(parts.new)
    if parts.rest.strip():
        printer.line("--- quoted, or signature ---")
        printer.block(parts.rest.strip("\n"))
