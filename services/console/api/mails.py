"""Mails: search the books, and tell of one what happened to it and why."""

from typing import Annotated, Final

from fastapi import Path, Query
from fastapi.responses import StreamingResponse

from services.console.api import paging
from services.console.api.caller import Caller
from services.console.api.problems import Refused
from services.console.api.surroundings import Here, Surroundings
from services.console.api.views import MailDetail, MailList, MailView, MomentView, mail_fields
from services.console.history import history
from shared.domain.ledger import LedgerEntry
from shared.domain.value import Slug

RFC822: Final = "message/rfc822"
TEXT: Final = r"^[^\x00-\x1f\x7f]+$"
Words = Annotated[str | None, Query(min_length=1, max_length=400, pattern=TEXT)]
MailId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,64}$", description="`mailId` of the mail.")]


async def search(
    here: Here,
    sender: Words = None,
    subject: Words = None,
    message_id: Annotated[Words, Query(alias="messageId")] = None,
    number: Words = None,
    mailbox: Annotated[Slug | None, Query(description="Only its.")] = None,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> MailList:
    """Search mails, newest first: all that is given must match; `subject` is a part of it, in any case."""
    found = await here.store.ledger.search(
        sender=sender,
        subject=subject,
        message_id=message_id,
        number=number.upper() if number else None,
        mailbox=mailbox,
        after=paging.read(cursor),
        limit=limit + 1,
    )
    page, more = paging.cut(found, limit, lambda one: (one.stored_at, one.mail_id))
    return MailList(items=tuple(MailView(**mail_fields(one)) for one in page), next_cursor=more)


async def trace(here: Here, mail_id: MailId) -> MailDetail:
    """Tell what happened to a mail, step by step, and why."""
    entry = await _find(here, mail_id)
    moments = await history(here.store, entry)
    return MailDetail(**mail_fields(entry), timeline=tuple(MomentView.of(one) for one in moments))


async def raw(here: Here, asking: Caller, mail_id: MailId) -> StreamingResponse:
    """Download a mail as it was delivered, byte for byte. Who did so is in the audit log."""
    await _find(here, mail_id)
    mail = await here.store.raw.open(mail_id)
    await here.store.audit.append(asking.who, "download", "Mail", mail_id)
    headers = {
        "Content-Disposition": f'attachment; filename="{mail_id}.eml"',
        "Content-Length": str(mail.size),
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return StreamingResponse(mail.chunks, media_type=RFC822, headers=headers)


async def _find(here: Surroundings, mail_id: str) -> LedgerEntry:
    entry = await here.store.ledger.get(mail_id)
    if entry is None:
        remedy = "GET /api/v1/mails searches; a mail is in the books once it was fetched"
        raise Refused(404, f"no mail {mail_id} is in the books", remedy=remedy, code="unknown_mail")
    return entry
