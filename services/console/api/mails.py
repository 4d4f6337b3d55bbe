"""Mails: search the books, and tell of one what happened to it and why."""

from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import Path, Query
from fastapi.responses import StreamingResponse

from services.console.api import paging
from services.console.api.caller import Caller
from services.console.api.problems import Refused
from services.console.api.surroundings import Here, Surroundings
from services.console.api.views import MailDetail, MailList, MailView, MomentView, mail_fields
from services.console.gone import raw_gone
from services.console.history import history
from shared.domain.ledger import LedgerEntry
from shared.domain.value import Slug
from shared.store.mail_search import Wanted

RFC822: Final = "message/rfc822"
TEXT: Final = r"^[^\x00-\x1f\x7f]+$"
Words = Annotated[str | None, Query(min_length=1, max_length=400, pattern=TEXT)]
Outcome = Literal["ticket", "reply", "duplicate", "rejected", "quarantined", "in_flight"]
MailId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,64}$", description="`mailId` of the mail.")]


async def search(
    here: Here,
    sender: Annotated[Words, Query(description="An address; or a domain, as `example.org` or `@example.org`.")] = None,
    subject: Annotated[Words, Query(description="Words, or beginnings of words, whatever case and accents.")] = None,
    message_id: Annotated[Words, Query(alias="messageId")] = None,
    number: Annotated[Words, Query(description="Of the ticket it is on, such as INC-000042.")] = None,
    mailbox: Annotated[Slug | None, Query(description="Only its.")] = None,
    outcome: Annotated[Outcome | None, Query(description="Only those that stand so.")] = None,
    reason: Annotated[str | None, Query(max_length=60, pattern=r"^[a-z0-9_]+$", description="A reason code.")] = None,
    since: Annotated[datetime | None, Query(description="Arrived then or later.")] = None,
    until: Annotated[datetime | None, Query(description="Arrived before.")] = None,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> MailList:
    """Search mails: all that is given must match.

    Newest first; those of an outcome or for a reason by when they came to it. A page can be short, or empty, though
    `nextCursor` leads on: a search by words looks at a few thousand mails at a time.
    """
    wanted = Wanted(
        **from_whom(sender),
        subject=subject,
        message_id=message_id,
        number=number.upper() if number else None,
        mailbox=mailbox,
        outcome=outcome,
        reason=reason,
        since=paging.utc(since),
        until=paging.utc(until),
    )
    found = await here.store.mail_search.find(wanted, limit, paging.read(cursor))
    return MailList(
        items=tuple(MailView(**mail_fields(one)) for one in found.entries),
        next_cursor=paging.write(*found.more) if found.more else None,
    )


def from_whom(sender: str | None) -> dict[str, str]:
    """What a person means by a sender: an address, or a domain."""
    if sender is None:
        return {}
    local, at, domain = sender.strip().rpartition("@")
    if at and local not in ("", "*"):
        return {"sender": sender.strip()}
    return {"domain": domain}


async def trace(here: Here, mail_id: MailId) -> MailDetail:
    """Tell what happened to a mail, step by step, and why."""
    entry = await _find(here, mail_id)
    moments = await history(here.store, entry)
    return MailDetail(**mail_fields(entry), timeline=tuple(MomentView.of(one) for one in moments))


async def raw(here: Here, asking: Caller, mail_id: MailId) -> StreamingResponse:
    """Download a mail as it was delivered, byte for byte. Who did so is in the audit log."""
    if why := raw_gone(await _find(here, mail_id)):
        raise Refused(404, why, remedy="docs/retention.md says what is kept for how long", code="raw_missing")
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
