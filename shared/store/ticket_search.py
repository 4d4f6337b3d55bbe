"""Searches tickets and requests, newest first, a page at a time. Reads only. As `mail_search`, by the same keys.

By when they were opened; what is asked for by its acknowledgement alone: by when that came to its state.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from shared.domain.identity import ticket_id
from shared.domain.mailbox import Module
from shared.domain.patterns import normalise_address
from shared.domain.ticket import AcknowledgementState, Ticket, TicketState
from shared.mail.words import has_all, words
from shared.store import seek
from shared.store.collection import Collection, Database, Document
from shared.store.seek import Seen, Span
from shared.store.tickets import ticket_of
from shared.store.words import MailWords

_TEXTS = ("articles", "outbox", "answerable")


class WantedTicket(NamedTuple):
    """What a ticket must be; None: anything. `subject` is words, or beginnings of words, in any order; it was opened at
    `since` or later, and before `until`."""

    number: str | None = None
    subject: str | None = None
    requester: str | None = None
    service: str | None = None
    department: str | None = None
    mailbox: str | None = None
    module: Module | None = None
    state: TicketState | None = None
    acknowledgement: AcknowledgementState | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def span(self) -> Span:
        """When it was opened."""
        return Span(self.since, self.until)


class FoundTickets(NamedTuple):
    """A page of tickets, without their texts. `more` is where the next one begins, None at the end; a page can be short
    though more follow."""

    tickets: tuple[Ticket, ...] = ()
    more: Seen | None = None


class TicketSearch:
    """Searching the tickets."""

    def __init__(self, database: Database) -> None:
        self._tickets = Collection(database, "tickets")
        self._words = MailWords(database)

    async def find(self, wanted: WantedTicket, limit: int = 50, after: Seen | None = None) -> FoundTickets:
        """One page of the tickets that match all that is given, `after` where the page before ended."""
        if wanted.number is not None:
            return await self._numbered(wanted, wanted.number)
        if wanted.subject is not None:
            return await self._by_words(wanted, words(wanted.subject), limit, after)
        driver, value = _driver(wanted)
        timely = driver != "acknowledgement"
        query: Document = {f"seek.{driver}": seek.within(value, wanted.span if timely else Span(), after)}
        if not timely and any(wanted.span):
            query["seek.all"] = seek.within("", wanted.span)
        order = seek.newest_first(f"seek.{driver}")
        query |= _others(wanted, driver)
        found = await self._tickets.find(query, sort=order, limit=limit + 1, without=_TEXTS)
        more = seek.place(found[limit - 1]["seek"][driver]) if len(found) > limit else None
        return FoundTickets(tuple(map(_head, found[:limit])), more)

    async def _numbered(self, wanted: WantedTicket, number: str) -> FoundTickets:
        query: Document = {"number": number} | _others(wanted, "all")
        found = map(_head, await self._tickets.find(query, limit=1, without=_TEXTS))
        return FoundTickets(tuple(one for one in found if _is(one, wanted)))

    async def _by_words(
        self, wanted: WantedTicket, asked: Sequence[str], limit: int, after: Seen | None
    ) -> FoundTickets:
        """Along the mails whose subject has the rarest of the words: a ticket has the subject of the mail that opened
        it. So these are in the order in which their mails arrived."""
        if not asked:
            return FoundTickets()
        found: list[tuple[Seen, Ticket]] = []
        more: Seen | None = None
        lead = await self._words.lead(asked, Span(), after)
        async for step in self._words.walk(asked, lead, Span(), after):
            found += await self._opened_by(step.found, wanted, asked)
            more = step.more
            if len(found) > limit:
                return FoundTickets(tuple(one for _, one in found[:limit]), found[limit - 1][0])
        return FoundTickets(tuple(one for _, one in found), more)

    async def _opened_by(
        self, seen: Sequence[Seen], wanted: WantedTicket, asked: Sequence[str]
    ) -> list[tuple[Seen, Ticket]]:
        mails = {ticket_id(one[1]): one for one in seen}
        if not mails:
            return []
        query: Document = {"_id": {"$in": list(mails)}} | _others(wanted, "all")
        found = {one["_id"]: _head(one) for one in await self._tickets.find(query, without=_TEXTS)}
        pairs = [(seen, found[key]) for key, seen in mails.items() if key in found]
        return [(seen, one) for seen, one in pairs if _is(one, wanted) and has_all(one.subject, asked)]


def _head(document: Document) -> Ticket:
    return ticket_of({"articles": (), **document})


def _driver(wanted: WantedTicket) -> tuple[str, str]:
    """The condition along whose keys a search goes, and its value."""
    state = wanted.acknowledgement.value if wanted.acknowledgement else None
    ways = (
        ("requester", _requester(wanted)),
        ("mailbox", wanted.mailbox),
        ("service", wanted.service),
        ("department", wanted.department),
        ("acknowledgement", state),
    )
    return next(((name, value) for name, value in ways if value is not None), ("all", ""))


def _others(wanted: WantedTicket, driver: str) -> Document:
    """The conditions but that of the driver."""
    conditions: dict[str, tuple[str, Any]] = {
        "requester": ("requester.address", _requester(wanted)),
        "mailbox": ("mailbox", wanted.mailbox),
        "service": ("classification.service", wanted.service),
        "department": ("classification.department", wanted.department),
        "acknowledgement": (
            "acknowledgement.state",
            wanted.acknowledgement.value if wanted.acknowledgement else None,
        ),
        "module": ("module", wanted.module.value if wanted.module else None),
        "state": ("state", wanted.state.value if wanted.state else None),
    }
    return seek.given(dict(one for name, one in conditions.items() if name != driver))


def _requester(wanted: WantedTicket) -> str | None:
    if wanted.requester is None:
        return None
    return normalise_address(wanted.requester) or wanted.requester


def _is(ticket: Ticket, wanted: WantedTicket) -> bool:
    """Whether it was opened in the span, where no key says so."""
    late = wanted.since is not None and ticket.created_at < wanted.since
    early = wanted.until is not None and ticket.created_at >= wanted.until
    return not late and not early
