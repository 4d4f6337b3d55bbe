"""Quarantine, replay and discard: what `quarantine` and `replay` do on the command line, by the same code."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request

from services.console import replays
from services.console.api import bodies, paging
from services.console.api.caller import Caller
from services.console.api.mails import TEXT, MailId
from services.console.api.problems import Refused
from services.console.api.surroundings import Here, Surroundings
from services.console.api.views import MailView, mail_fields
from services.console.replays import Forecast, Order
from shared.domain.ledger import LedgerEntry
from shared.domain.value import Document, Slug
from shared.store.ledger_documents import QUARANTINED
from shared.store.ledger_queries import Ended
from shared.store.mail_search import Wanted


class QuarantinedView(MailView):
    """A mail in quarantine, and what went wrong with it."""

    stage: str | None
    code: str | None
    what: str | None
    failed_at: datetime | None

    @classmethod
    def of(cls, entry: LedgerEntry) -> "QuarantinedView":
        """An entry."""
        failure = entry.failure
        told = {"stage": failure.stage, "code": failure.code, "what": failure.what} if failure else {}
        fields: dict[str, Any] = {"stage": None, "code": None, "what": None, **told}
        return cls(**mail_fields(entry), **fields, failed_at=failure.at if failure else None)


class CauseView(Document):
    """How many mails are in quarantine for one cause (where it was, and its code), when the first and the last of them
    came in, and the mail_ids of a few."""

    stage: str
    code: str
    mails: int
    first: datetime
    last: datetime
    examples: tuple[str, ...]


class QuarantineList(Document):
    """One page of the quarantine, newest first; and all of it by cause."""

    items: tuple[QuarantinedView, ...]
    causes: tuple[CauseView, ...]
    next_cursor: str | None


class ChangeView(Document):
    """A mail that would end, or was sent to end, differently: what it was, what it becomes under the rules of now."""

    mail_id: str
    mailbox: str
    sender: str | None
    subject: str
    before: str
    before_reason: str | None
    now: str
    now_reason: str | None
    sentence: str

    @classmethod
    def of(cls, one: Forecast) -> "ChangeView":
        """A forecast."""
        return cls(
            mail_id=one.entry.mail_id,
            mailbox=one.entry.origin.mailbox,
            sender=one.entry.headline.sender,
            subject=one.entry.headline.subject,
            before=one.before[0],
            before_reason=one.before[1],
            now=one.kind,
            now_reason=one.reason,
            sentence=one.sentence,
        )


class ReplayView(Document):
    """What a replay does, or with `dryRun` would do. `replayed` are the mails that are in flight again."""

    dry_run: bool
    examined: int
    unchanged: int
    counts: dict[str, int]
    changes: tuple[ChangeView, ...]
    replayed: tuple[str, ...]


class DiscardView(Document):
    """The mails that were discarded."""

    discarded: tuple[str, ...]


async def quarantine(
    here: Here,
    mailbox: Annotated[Slug | None, Query(description="Only its.")] = None,
    code: Annotated[
        str | None, Query(min_length=1, max_length=60, pattern=TEXT, description="Only this cause.")
    ] = None,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> QuarantineList:
    """List the mails in quarantine, the last that came there first, and count all of them by cause."""
    wanted = Wanted(mailbox=mailbox, reason=code, outcome=QUARANTINED)
    found = await here.store.mail_search.find(wanted, limit, paging.read(cursor))
    causes = await here.store.ledger.causes(mailbox)
    return QuarantineList(
        items=tuple(map(QuarantinedView.of, found.entries)),
        causes=tuple(
            CauseView(stage=stage, code=name, **one._asdict()) for (stage, name), one in sorted(causes.items())
        ),
        next_cursor=paging.write(*found.more) if found.more else None,
    )


async def replay(here: Here, asking: Caller, request: Request, mail_id: MailId) -> ReplayView:
    """Send a rejected or quarantined mail through the pipeline again; or, with `asTicket`, whatever the filter says."""
    wanted = bodies.replay(await bodies.read(request))
    order = Order(asking.who, wanted.why, wanted.as_ticket)
    found = await replays.forecast(here.store, await replays.named(here.store, [mail_id]), order)
    if found[0].kind == replays.IMPOSSIBLE:
        what = f"mail {mail_id} cannot be sent again"
        raise Refused(409, what, remedy=found[0].sentence, code=replays.NotReplayable.code)
    return await _answer(here, found, order, wanted.dry_run)


async def replay_many(here: Here, asking: Caller, request: Request) -> ReplayView:
    """Send rejected (or quarantined) mails again, chosen by mailbox, time or reason, if they would end differently."""
    wanted = bodies.replays(await bodies.read(request))
    order = Order(asking.who, wanted.why)
    chosen = Ended(wanted.quarantined, wanted.mailbox, wanted.reason, wanted.since, wanted.until)
    found = await replays.forecast(here.store, await here.store.ledger.ended(chosen, wanted.limit), order)
    return await _answer(here, found, order, wanted.dry_run)


async def discard(here: Here, asking: Caller, request: Request, mail_id: MailId) -> DiscardView:
    """Reject a mail in quarantine for good, with a reason."""
    order = Order(asking.who, bodies.discard(await bodies.read(request)).reason)
    entries = await replays.named(here.store, [mail_id])
    return DiscardView(discarded=await replays.discard(here.store, entries, order, here.event_source))


async def _answer(here: Surroundings, found: Sequence[Forecast], order: Order, dry_run: bool) -> ReplayView:
    changing = [one for one in found if one.changes]
    sent = () if dry_run else await replays.send_again(here.store, [one.entry for one in changing], order)
    return ReplayView(
        dry_run=dry_run,
        examined=len(found),
        unchanged=len(found) - len(changing),
        counts=dict(Counter(one.kind for one in changing)),
        changes=tuple(map(ChangeView.of, changing)),
        replayed=sent,
    )
