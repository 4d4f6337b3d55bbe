"""`acknowledgements list|show|retry`, and `mailbox preview-acknowledgement`."""

import sys
from typing import Annotated, Any

import typer

from services.console import acknowledgements
from services.console.cli.actor import actor
from services.console.cli.exits import Exit, NotFound
from services.console.cli.mailbox import Name, find
from services.console.cli.output import Printer
from services.console.cli.session import session_of
from services.notifier.compose import Letter
from services.notifier.decide import Suppressed
from shared.domain.errors import ConfigurationError
from shared.domain.outbound import Outbound
from shared.domain.ticket import AcknowledgementState, Ticket
from shared.runtime.clock import Clock
from shared.store.client import Store

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="INC-000042, or a ticket id.")]
COLUMNS = ("number", "mailbox", "state", "code", "attempts", "at", "sentence")
WARNING = "the server may have taken it already: the requester may get it twice"


def list_(
    context: typer.Context,
    state: Annotated[AcknowledgementState | None, typer.Option("--state", help="Only those.")] = None,
    mailbox: Annotated[str | None, typer.Option("--mailbox", "-m", metavar="NAME", help="Only its.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many, newest first.")] = 50,
) -> int:
    """List acknowledgements, newest first: how far each is, and why."""
    session = session_of(context)

    async def work(store: Store) -> tuple[Outbound, ...]:
        return await store.outbound.newest(state, mailbox, limit)

    session.printer.records("Acknowledgements", COLUMNS, [record(one) for one in session.run(work)], "none")
    return Exit.OK


def show(context: typer.Context, number: Number) -> int:
    """Show the acknowledgement of one ticket."""
    session = session_of(context)
    found = record(session.run(lambda store: _of(store, number)))
    if session.printer.for_people:
        session.printer.pairs(f"Acknowledgement of {found['number']}", found)
    else:
        session.printer.data(found)
    return Exit.OK


def retry(
    context: typer.Context,
    number: Number,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Send an acknowledgement again that failed, or of which nobody knows whether it arrived."""
    session = session_of(context)
    before = session.run(lambda store: _of(store, number))
    if before.state is AcknowledgementState.UNKNOWN and not yes and not _agreed(before.number):
        return Exit.ERROR

    async def work(store: Store) -> Outbound:
        return await acknowledgements.send_again(store, actor(), before, Clock().now())

    again = session.run(work)
    if session.printer.for_people:
        session.printer.line(f"the acknowledgement of {again.number} waits to be sent again")
    else:
        session.printer.data(record(again))
    return Exit.OK


def preview(
    context: typer.Context,
    name: Name,
    ticket: Annotated[
        str | None, typer.Option("--ticket", metavar="NUMBER", help="For this ticket, instead of a sample.")
    ] = None,
) -> int:
    """Show the acknowledgement that would be sent, for a sample or for a ticket; nothing is sent."""
    session = session_of(context)

    async def work(store: Store) -> Letter | Suppressed:
        mailbox = await find(store, name)
        now = Clock().now()
        if ticket is None:
            return await acknowledgements.sample(store, mailbox, now)
        return await acknowledgements.preview(store, mailbox, await _ticket(store, ticket), now)

    _print(session.printer, session.run(work))
    return Exit.OK


def record(mail: Outbound) -> dict[str, Any]:
    """An acknowledgement as a flat record with stable names."""
    return {
        "number": mail.number,
        "ticket_id": mail.ticket_id,
        "mailbox": mail.mailbox,
        "state": mail.state.value,
        "code": mail.status.code,
        "sentence": mail.status.sentence,
        "at": mail.status.at,
        "attempts": mail.attempts,
        "since": mail.since,
        "held_by": mail.claim.worker if mail.claim else None,
    }


def _print(printer: Printer, found: Letter | Suppressed) -> None:
    if isinstance(found, Suppressed):
        if printer.for_people:
            printer.line(f"Nothing would be sent ({found.reason.value}): {found.sentence}")
        else:
            printer.data({"sent": False, "reason": found.reason.value, "sentence": found.sentence})
        return
    raw = found.content.decode("ascii")
    if printer.for_people:
        printer.block(raw.partition("\r\n\r\n")[0])
        printer.line()
        printer.line(found.subject)
        printer.line()
        printer.block(found.text)
    else:
        fields = {"recipient": found.recipient, "subject": found.subject, "text": found.text, "raw": raw}
        printer.data({"sent": True, **fields})


async def _of(store: Store, number: str) -> Outbound:
    found = await store.outbound.get((await _ticket(store, number)).ticket_id)
    if found is None:
        raise NotFound(f"nothing is known yet of an acknowledgement of {number}", remedy="see whether a notifier runs")
    return found


async def _ticket(store: Store, number: str) -> Ticket:
    found = await store.tickets.by_number(number.upper()) or await store.tickets.get(number.lower())
    if found is None:
        raise NotFound(f"there is no ticket {number}", remedy="mail-automator tickets list shows the newest")
    return found


def _agreed(number: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError(f"nobody is there to confirm, and {WARNING}", where=number, remedy="add --yes")
    return typer.confirm(f"Send the acknowledgement of {number} again? Mind that {WARNING}.", err=True)
