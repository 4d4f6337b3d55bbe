"""Mails: search the books, and tell of one what happened to it and why."""

from typing import Annotated

from fastapi import Path, Query

from services.console.api import paging
from services.console.api.problems import Refused
from services.console.api.surroundings import Here
from services.console.api.views import MailDetail, MailList, MailView, MomentView, mail_fields
from services.console.history import history
from shared.domain.value import Slug

TEXT = r"^[^\x00-\x1f\x7f]+$"
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
    entry = await here.store.ledger.get(mail_id)
    if entry is None:
        remedy = "GET /api/v1/mails searches; a mail is in the books once it was fetched"
        raise Refused(404, f"no mail {mail_id} is in the books", remedy=remedy, code="unknown_mail")
    moments = await history(here.store, entry)
    return MailDetail(**mail_fields(entry), timeline=tuple(MomentView.of(one) for one in moments))
