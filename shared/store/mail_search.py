"""Searches the books for mails, newest first, a page at a time. Reads only.

Each search walks the keys of one condition (shared/store/seek.py), the one that leaves least, and checks the others on
the way. By arrival, but what is asked for by its outcome or reason: then by when it came to that.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from shared.domain.decision import Reason
from shared.domain.ledger import LedgerEntry
from shared.domain.patterns import normalise_address, normalise_domain
from shared.mail.words import has_all, words
from shared.store import seek
from shared.store.collection import Collection, Database, Document
from shared.store.ledger_documents import IN_FLIGHT, QUARANTINED, entry_of
from shared.store.legible import legible
from shared.store.seek import Seen, Span
from shared.store.words import Lead, MailWords

_OF_ARRIVAL = ("sender", "domain", "mailbox")
_FEW, _STEP, _READ = 10, 100, 400
_RARE = frozenset({QUARANTINED, IN_FLIGHT})
_COMMON_REASONS = frozenset({Reason.TICKET_CREATED, Reason.REQUEST_CREATED, Reason.REPLY_APPENDED})


class Wanted(NamedTuple):
    """What a mail must be; None: anything. `subject` is words, or beginnings of words, in any order; `outcome` is one
    of `ledger_documents.OUTCOMES`; it arrived at `since` or later, and before `until`."""

    message_id: str | None = None
    sender: str | None = None
    domain: str | None = None
    subject: str | None = None
    number: str | None = None
    ticket_id: str | None = None
    mail_id: str | None = None
    mailbox: str | None = None
    outcome: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def span(self) -> Span:
        """When it arrived."""
        return Span(self.since, self.until)


class Found(NamedTuple):
    """A page of mails. `more` is where the next one begins, None at the end. A page can be short though more follow:
    a search looks at a few thousand mails at a time."""

    entries: tuple[LedgerEntry, ...] = ()
    more: Seen | None = None


class MailSearch:
    """Searching the books."""

    def __init__(self, database: Database) -> None:
        self._mails = Collection(database, "mails")
        self._tickets = Collection(database, "tickets")
        self._words = MailWords(database)

    async def find(self, wanted: Wanted, limit: int = 20, after: Seen | None = None) -> Found:
        """One page of the mails that match all that is given, `after` where the page before ended."""
        exact = await self._exact(wanted)
        if exact:
            query = exact | {"seek.all": seek.within("", wanted.span, after)} | _others(wanted, "all")
            return await self._page(query, "all", limit, wanted.subject)
        if wanted.subject is not None:
            asked = words(wanted.subject)
            return await _collected(await self._by_words(wanted, asked, after), limit) if asked else Found()
        driver, value = _driver(wanted)
        timely = driver not in ("outcome", "reason")
        query = {f"seek.{driver}": seek.within(value, wanted.span if timely else Span(), after)}
        if not timely and any(wanted.span):
            query["seek.all"] = seek.within("", wanted.span)
        return await self._page(query | _others(wanted, driver), driver, limit)

    async def _exact(self, wanted: Wanted) -> Document:
        """The conditions that hardly any mail meets."""
        query = {
            "_id": wanted.mail_id,
            "headline.message_id": wanted.message_id,
            "decision.ticket_id": wanted.ticket_id,
        }
        return seek.given(query) | (await self._of_number(wanted.number) if wanted.number is not None else {})

    async def _of_number(self, number: str) -> Document:
        """A number by the ticket it names, which has an index. While it is not there yet: its mail is in flight."""
        found = await self._tickets.find({"number": number}, only=("number",), limit=1)
        if found:
            return {"decision.ticket_id": found[0]["_id"]}
        ways = [{"decision.number": number, field: {"$gte": 0}} for field in ("stall_ms", "retry_ms")]
        mails = [one for query in ways for one in await self._mails.find(query, only=("_id",), limit=1)]
        return {"_id": mails[0]["_id"] if mails else ""}

    async def _page(self, query: Document, driver: str, limit: int, subject: str | None = None) -> Found:
        order = seek.newest_first(f"seek.{driver}")
        found = await self._mails.find(query, sort=order, limit=limit + 1, without=("outbox",))
        more = seek.place(found[limit - 1]["seek"][driver]) if len(found) > limit else None
        asked = words(subject) if subject is not None else ()
        entries = legible(found[:limit], entry_of)
        return Found(tuple(one for one in entries if has_all(one.headline.subject, asked)), more)

    async def _by_words(self, wanted: Wanted, asked: Sequence[str], after: Seen | None) -> AsyncIterator[Found]:
        """The steps of a search by words: along the rarest word, or a sender, domain or mailbox with less."""
        lead = await self._words.lead(asked, wanted.span, after)
        driver, value = _driver(wanted)
        if lead.reached is not None and driver in _OF_ARRIVAL and await self._is_rarer(driver, value, lead.reached):
            return self._along_keys(wanted, asked, driver, after)
        return self._along_words(wanted, asked, lead, after)

    async def _is_rarer(self, driver: str, value: str, reached: Seen) -> bool:
        """Whether fewer mails have it, by far, than the word whose newest mails reach so far back."""
        query = {f"seek.{driver}": seek.within(value, Span(since=reached[0]))}
        return len(await self._mails.find(query, only=("_id",), limit=_FEW)) < _FEW

    async def _along_words(
        self, wanted: Wanted, asked: Sequence[str], lead: Lead, after: Seen | None
    ) -> AsyncIterator[Found]:
        async for step in self._words.walk(asked, lead, wanted.span, after):
            yield Found(await self._these(step.found, wanted, asked), step.more)

    async def _along_keys(
        self, wanted: Wanted, asked: Sequence[str], driver: str, after: Seen | None
    ) -> AsyncIterator[Found]:
        value = _driver(wanted)[1]
        for _ in range(_READ // _STEP):
            query = {f"seek.{driver}": seek.within(value, wanted.span, after)} | _others(wanted, driver)
            found = await self._page(query, driver, _STEP)
            yield Found(_with(found.entries, asked), found.more)
            after = found.more
            if after is None:
                return

    async def _these(self, seen: Sequence[Seen], wanted: Wanted, asked: Sequence[str]) -> tuple[LedgerEntry, ...]:
        if not seen:
            return ()
        query = {"_id": {"$in": [mail_id for _, mail_id in seen]}} | _others(wanted, "all")
        documents = await self._mails.find(query, without=("outbox",))
        found = {one.mail_id: one for one in legible(documents, entry_of)}
        return _with([found[mail_id] for _, mail_id in seen if mail_id in found], asked)


async def _collected(steps: AsyncIterator[Found], limit: int) -> Found:
    """One page, of as many steps as it takes."""
    entries: list[LedgerEntry] = []
    more: Seen | None = None
    async for step in steps:
        entries += step.entries
        more = step.more
        if len(entries) > limit:
            last = entries[limit - 1]
            return Found(tuple(entries[:limit]), (last.stored_at, last.mail_id))
    return Found(tuple(entries), more)


def _with(entries: Iterable[LedgerEntry], asked: Sequence[str]) -> tuple[LedgerEntry, ...]:
    return tuple(one for one in entries if has_all(one.headline.subject, asked))


def _driver(wanted: Wanted) -> tuple[str, str]:
    """The condition along whose keys a search goes, and its value."""
    rare_reason = wanted.reason if wanted.reason not in _COMMON_REASONS else None
    rare_outcome = wanted.outcome if wanted.outcome in _RARE else None
    ways = (
        ("sender", _sender(wanted)),
        ("domain", _domain(wanted)),
        ("reason", rare_reason),
        ("outcome", rare_outcome),
        ("mailbox", wanted.mailbox),
        ("reason", wanted.reason),
        ("outcome", wanted.outcome),
    )
    return next(((name, value) for name, value in ways if value is not None), ("all", ""))


def _others(wanted: Wanted, driver: str) -> Document:
    """The conditions but that of the driver, none of which has an index where another one can be meant."""
    domain = _domain(wanted)
    conditions: dict[str, tuple[str, Any]] = {
        "sender": ("headline.sender", _sender(wanted)),
        "domain": ("seek.domain", seek.within(domain) if domain is not None else None),
        "mailbox": ("origin.mailbox", wanted.mailbox),
        "outcome": (f"tally.{wanted.outcome}", 1 if wanted.outcome is not None else None),
        "reason": ("seek.reason", seek.within(wanted.reason) if wanted.reason is not None else None),
    }
    return seek.given(dict(one for name, one in conditions.items() if name != driver))


def _sender(wanted: Wanted) -> str | None:
    return (normalise_address(wanted.sender) or wanted.sender) if wanted.sender is not None else None


def _domain(wanted: Wanted) -> str | None:
    return (normalise_domain(wanted.domain) or wanted.domain) if wanted.domain is not None else None
