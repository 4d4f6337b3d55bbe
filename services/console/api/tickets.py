"""Tickets: list, read with their messages, close, open again; attachments are cut from the raw mail on demand."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import Path, Query
from fastapi.responses import StreamingResponse

from services.console import changes
from services.console.api import paging
from services.console.api.caller import Asking, Caller
from services.console.api.mails import MailId, Words
from services.console.api.problems import Refused
from services.console.api.surroundings import Here, Surroundings
from services.console.api.views import TicketDetail, TicketList, TicketView, ticket_fields
from shared.domain.email import Attachment
from shared.domain.mailbox import Module
from shared.domain.ticket import AcknowledgementState, Article, Ticket, TicketState
from shared.domain.value import Slug
from shared.mail.attachments import content
from shared.store.ticket_search import WantedTicket

CHUNK_BYTES = 64 * 1024
Key = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,64}$", description="INC-000042, or a ticket id.")]
Part = Annotated[str, Path(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6}){0,20}$", description="`part` of the attachment.")]


async def list_(
    here: Here,
    mailbox: Annotated[Slug | None, Query(description="Only its.")] = None,
    module: Annotated[Module | None, Query(description="Only tickets, or only requests.")] = None,
    number: Words = None,
    subject: Annotated[Words, Query(description="Words, or beginnings of words, whatever case and accents.")] = None,
    requester: Annotated[Words, Query(description="An address.")] = None,
    service: Annotated[Slug | None, Query(description="Only its.")] = None,
    department: Annotated[Slug | None, Query(description="Only its.")] = None,
    state: Annotated[TicketState | None, Query(description="Only open ones, or only closed ones.")] = None,
    acknowledgement: Annotated[AcknowledgementState | None, Query(description="Only where it stands so.")] = None,
    since: Annotated[datetime | None, Query(description="Opened then or later.")] = None,
    until: Annotated[datetime | None, Query(description="Opened before.")] = None,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> TicketList:
    """Search tickets and requests: all that is given must match.

    Newest first; those searched by their acknowledgement alone by when it came to its state. A page can be short though
    `nextCursor` leads on.
    """
    wanted = WantedTicket(
        number=number.upper() if number else None,
        subject=subject,
        requester=requester,
        service=service,
        department=department,
        mailbox=mailbox,
        module=module,
        state=state,
        acknowledgement=acknowledgement,
        since=paging.utc(since),
        until=paging.utc(until),
    )
    found = await here.store.ticket_search.find(wanted, limit, paging.read(cursor))
    counts = await here.store.articles.count_of([one.ticket_id for one in found.tickets])
    views = tuple(TicketView(**ticket_fields(one, counts.get(one.ticket_id, 0))) for one in found.tickets)
    return TicketList(items=views, next_cursor=paging.write(*found.more) if found.more else None)


async def show(here: Here, ticket: Key) -> TicketDetail:
    """Show a ticket with its whole conversation."""
    return await _detail(here, await find(here, ticket))


async def close(here: Here, asking: Caller, ticket: Key) -> TicketDetail:
    """Close a ticket. What a reply to it then does is its mailbox's `replies.toClosed`."""
    return await _set_state(here, asking, ticket, TicketState.CLOSED)


async def reopen(here: Here, asking: Caller, ticket: Key) -> TicketDetail:
    """Open a closed ticket again."""
    return await _set_state(here, asking, ticket, TicketState.OPEN)


async def attachment(here: Here, ticket: Key, mail_id: MailId, part: Part) -> StreamingResponse:
    """Download an attachment. Always as a download of unknown type: nothing of a mail runs in a browser."""
    known = file_of(await message(here, await find(here, ticket), mail_id), part)
    data = await cut(here, mail_id, part)
    headers = {
        "Content-Disposition": _disposition(known.filename),
        "Content-Length": str(len(data)),
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return StreamingResponse(chunks(data), media_type="application/octet-stream", headers=headers)


async def find(here: Surroundings, key: str) -> Ticket:
    """A ticket by its number or id. Raises Refused 404."""
    found = await here.store.tickets.by_number(key.upper()) or await here.store.tickets.get(key)
    if found is None:
        remedy = "GET /api/v1/tickets lists the newest"
        raise Refused(404, f"there is no ticket {key}", remedy=remedy, code="unknown_ticket")
    return found


async def _set_state(here: Surroundings, asking: Asking, key: str, state: TicketState) -> TicketDetail:
    found = await find(here, key)
    return await _detail(here, await changes.set_state(here.store, asking.who, found, state, here.clock.now()))


async def _detail(here: Surroundings, ticket: Ticket) -> TicketDetail:
    appended = await here.store.articles.of_ticket(ticket.ticket_id)
    return TicketDetail.of(
        ticket, [one.article for one in appended], [event for one in appended for event in one.outbox]
    )


async def message(here: Surroundings, ticket: Ticket, mail_id: str) -> Article | None:
    """One mail of a ticket's conversation; None if it is not there."""
    articles = [one for one in ticket.articles if one.mail_id == mail_id]
    if not articles:
        appended = await here.store.articles.get(mail_id)
        articles = [appended.article] if appended and appended.ticket_id == ticket.ticket_id else []
    return next(iter(articles), None)


def file_of(article: Article | None, part: str) -> Attachment:
    """One of its files. Raises Refused 404."""
    found = next((one for one in article.attachments if one.part == part), None) if article else None
    if found is None:
        raise _no_attachment(part)
    return found


async def cut(here: Surroundings, mail_id: str, part: str) -> bytes:
    """The bytes of a file, cut out of its raw mail. Raises Refused 404, Permanent."""
    async with here.cutting:
        data = await asyncio.to_thread(content, await here.store.raw.get(mail_id), part)
    if data is None:
        raise _no_attachment(part)
    return data


def _no_attachment(part: str) -> Refused:
    remedy = "the ticket lists its attachments"
    return Refused(404, f"there is no attachment {part} here", remedy=remedy, code="unknown_attachment")


def _disposition(filename: str) -> str:
    """RFC 6266: a plain name for old clients, the real one by RFC 8187. The name was made safe when it was read."""
    plain = "".join(one if one.isascii() and one.isprintable() and one not in '"\\%' else "_" for one in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def chunks(data: bytes) -> Iterator[bytes]:
    """A file as it is sent."""
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]
