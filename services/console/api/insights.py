"""What the console's first pages ask: the overview, how the mailboxes are, why a mail is not found, the last events."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query

from services.console import absence, latest_events, mailbox_health, overview
from services.console.api import paging
from services.console.api.mails import Words
from services.console.api.problems import Refused
from services.console.api.surroundings import Here
from services.console.expiring import Ending
from services.console.mailbox_health import Health, Pill
from shared.domain.value import Document, Slug


class TodayView(Document):
    """The mails that arrived today (UTC), as last counted."""

    received: int
    tickets: int
    requests: int
    replies: int
    duplicates: int
    rejected: int
    quarantined: int
    in_flight: int


class MailboxHealthView(Document):
    """How a mailbox is, in a word and a sentence."""

    name: str
    email: str
    module: str
    auth: str
    state: Pill
    sentence: str
    since: datetime | None
    last_success_at: datetime | None
    sign_in_needed: bool
    today: TodayView

    @classmethod
    def of(cls, one: Health) -> "MailboxHealthView":
        """A mailbox's health."""
        box = one.mailbox
        return cls(
            name=box.name,
            email=box.spec.email,
            module=box.spec.module.value,
            auth=box.spec.auth.type,
            state=one.pill,
            sentence=one.sentence,
            since=one.since,
            last_success_at=one.last_success_at,
            sign_in_needed=one.sign_in is not None and one.sign_in.needed,
            today=TodayView(**asdict(one.today)),
        )


class MailboxHealthList(Document):
    """One page of mailboxes by name; and how many of all are in which state."""

    items: tuple[MailboxHealthView, ...]
    states: dict[Pill, int]
    next_cursor: str | None


class HourView(Document):
    """The mails that arrived in an hour, by outcome, and the seconds from delivery to ticket."""

    start: datetime
    outcomes: dict[str, int]
    median_seconds: float | None
    p95_seconds: float | None


class OldestView(Document):
    """The mail that has been in flight for longest."""

    mail_id: str
    mailbox: str
    since: datetime


class EndingView(Document):
    """A credential of a mailbox that ends soon or has ended: `client_secret`, or the mail server's `certificate`."""

    mailbox: str
    what: Literal["client_secret", "certificate"]
    until: datetime
    sentence: str

    @classmethod
    def of(cls, one: Ending) -> "EndingView":
        """What ends."""
        return cls(mailbox=one.mailbox, what=one.what, until=one.until, sentence=one.sentence)


class OverviewView(Document):
    """The numbers of the overview. `books` and `total` are null before they were counted, `queues` while the broker is
    away. `eventsOwed` counts up to 1,000 of each kind."""

    at: datetime
    counted_at: datetime | None
    books: dict[str, dict[str, int]] | None
    total: dict[str, int] | None
    hours: tuple[HourView, ...]
    days: dict[str, int]
    queues: dict[str, int] | None
    oldest_in_flight: OldestView | None
    events_owed: int
    sign_ins_needed: tuple[str, ...]
    endings: tuple[EndingView, ...]


class ExplanationView(Document):
    """One thing that may be why a mail is not in the books; `mailbox` is empty where it is about all."""

    code: str
    mailbox: str
    sentence: str


class ExplanationList(Document):
    """Every such thing."""

    items: tuple[ExplanationView, ...]


class EventView(Document):
    """An event: what other systems were told."""

    event_id: str
    type: str
    subject: str
    time: datetime
    mailbox: str
    routing_key: str


class EventList(Document):
    """The last events, newest first; how many are owed, and since when."""

    items: tuple[EventView, ...]
    owed: int
    owed_since: datetime | None


async def mailboxes(
    here: Here,
    words: Annotated[Words, Query(description="Parts of its name, address or labels (`team=helpdesk`).")] = None,
    state: Annotated[Pill | None, Query(description="Only those.")] = None,
    limit: paging.Limit = 50,
    after: Annotated[Slug | None, Query(description="`nextCursor` of the page before: a name.")] = None,
) -> MailboxHealthList:
    """Tell how the mailboxes are: one word each, since when, and what arrived today. By name."""
    found = await mailbox_health.read(here.store, here.clock.now())
    states = {one: sum(each.pill is one for each in found) for one in Pill}
    wanted = [one for one in found if (state in (None, one.pill)) and one.has(words or "")]
    rest = [one for one in wanted if after is None or one.mailbox.name > after]
    more = rest[limit - 1].mailbox.name if len(rest) > limit else None
    return MailboxHealthList(items=tuple(map(MailboxHealthView.of, rest[:limit])), states=states, next_cursor=more)


async def show(here: Here) -> OverviewView:
    """Show the books, the last day by the hour, the last two weeks by the day, and what waits."""
    found = await overview.read(here.store, here.clock.now(), await here.depths())
    books, oldest = found.books, found.oldest_in_flight
    rows = {one.mailbox: dict(one.total) for one in books.rows} if books else None
    return OverviewView(
        at=found.at,
        counted_at=books.at if books else None,
        books=rows,
        total=_total(rows) if rows is not None else None,
        hours=tuple(HourView(**one.model_dump()) for one in found.hours),
        days=dict(found.days),
        queues=dict(found.queues) if found.queues is not None else None,
        oldest_in_flight=OldestView(mail_id=oldest.mail_id, mailbox=oldest.origin.mailbox, since=oldest.stored_at)
        if oldest
        else None,
        events_owed=found.events_owed,
        sign_ins_needed=found.sign_ins_needed,
        endings=tuple(map(EndingView.of, found.endings)),
    )


async def not_found(
    here: Here,
    mailbox: Annotated[Slug | None, Query(description="Where it should have arrived.")] = None,
    at: Annotated[datetime | None, Query(description="When it was sent, about.")] = None,
) -> ExplanationList:
    """Explain why a mail may not be in the books: what is known of its mailbox, or of all that are not well."""
    found = await absence.told(here.store, mailbox, paging.utc(at), here.clock.now())
    if not found:
        raise Refused(404, f"there is no mailbox {mailbox}", remedy="GET /api/v1/mailboxes", code="unknown_mailbox")
    return ExplanationList(items=tuple(ExplanationView(**asdict(one)) for one in found))


async def events(here: Here, limit: paging.Limit = 50) -> EventList:
    """Show the last events, and how many are owed: `mail-automator events replay` sends events again."""
    owed = await latest_events.owed(here.store, here.clock.now())
    found = await latest_events.latest(here.store, here.event_source, limit)
    views = tuple(EventView(**_event(one.event, one.routing_key)) for one in found)
    return EventList(items=views, owed=owed.events, owed_since=owed.since)


def _event(event: dict[str, Any], key: str) -> dict[str, Any]:
    told = {name: event[name] for name in ("type", "subject", "time")}
    return {"event_id": event["id"], **told, "mailbox": event["data"]["mailbox"], "routing_key": key}


def _total(rows: dict[str, dict[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for row in rows.values() for name in row)
    return {name: sum(row.get(name, 0) for row in rows.values()) for name in names}
