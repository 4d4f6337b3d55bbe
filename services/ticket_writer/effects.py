"""Executes decisions, whoever took them: tickets, articles, counted duplicates. Every effect may be repeated."""

from collections.abc import Iterable, Mapping, Sequence

from services.ticket_writer import decide
from services.ticket_writer.ports import Configuration, Store
from shared.broker.messages import owed
from shared.contracts.events import ticket_duplicate_counted
from shared.contracts.messages import EmailClassified
from shared.domain import identity
from shared.domain.decision import Decision, Kind, by_version
from shared.domain.email import Source
from shared.domain.errors import Soon
from shared.domain.marks import Marks
from shared.domain.ticket import OutboxEvent, Ticket
from shared.observability.crash_points import crash_point
from shared.runtime.consume.outcome import Outcome, Result
from shared.store.tickets import Reopening

Mails = Sequence[EmailClassified]
Decisions = Mapping[str, Decision]
Events = dict[str, tuple[OutboxEvent, ...]]
"""The events of each mail whose effect is there, by mail_id."""


class Effects:
    """What decisions do to the store."""

    def __init__(self, store: Store, configuration: Configuration, marks: Marks, event_source: str) -> None:
        self._store = store
        self._configuration = configuration
        self._marks = marks
        self._source = event_source

    async def execute(self, mails: Mails, decisions: Decisions, tickets: Mapping[str, Ticket]) -> dict[str, Result]:
        """Execute the decisions of mails. `tickets` are those already looked up, without their texts."""
        of = {kind: [one for one in mails if decisions[one.mail_id].kind is kind] for kind in Kind}
        events = await self._tickets(of[Kind.TICKET], decisions)
        others = [*of[Kind.REPLY], *of[Kind.DUPLICATE]]
        if others:
            there = await self._completed(tickets, others, decisions)
            replies = [one for one in of[Kind.REPLY] if decisions[one.mail_id].ticket_id in there]
            events |= await self._articles(replies, decisions, there)
            repeats = [one for one in of[Kind.DUPLICATE] if decisions[one.mail_id].ticket_id in there]
            counted = await self._duplicates(repeats, decisions, there)
        else:
            counted = {}
        await self._done((mail_id, decisions[mail_id].version) for mail_id in events)
        if events:
            crash_point("ticket_writer.after_done")
        return {one.mail_id: _result(decisions[one.mail_id], (events | counted).get(one.mail_id)) for one in mails}

    async def settle(self, messages: Mails, outcomes: Sequence[Result]) -> None:
        """Note that the events of mails have been published."""
        published: dict[str, list[EmailClassified]] = {kind.value: [] for kind in Kind}
        for mail, outcome in zip(messages, outcomes, strict=True):
            if isinstance(outcome, Outcome) and outcome.publish:
                published[outcome.label].append(mail)
        if opened := published[Kind.TICKET]:
            await self._store.tickets.mark_published([identity.ticket_id(one.mail_id) for one in opened])
            crash_point("ticket_writer.after_tickets_published")
        if appended := published[Kind.REPLY]:
            await self._store.articles.mark_published([one.mail_id for one in appended])
            crash_point("ticket_writer.after_articles_published")
        await self._done((one.mail_id, one.decision_version) for one in published[Kind.DUPLICATE])

    async def _done(self, versions: Iterable[tuple[str, int]]) -> None:
        for version, mail_ids in by_version(versions).items():
            await self._store.ledger.mark_done(mail_ids, version)

    async def _completed(self, tickets: Mapping[str, Ticket], mails: Mails, decisions: Decisions) -> dict[str, Ticket]:
        """The tickets of decisions: those at hand, and those that another writer decided on."""
        wanted = {ticket_id for one in mails if (ticket_id := decisions[one.mail_id].ticket_id)}
        missing = wanted - tickets.keys()
        found = await self._store.tickets.heads(missing) if missing else ()
        return {**tickets, **{one.ticket_id: one for one in found}}

    async def _tickets(self, mails: Mails, decisions: Decisions) -> Events:
        made = {one.mail_id: await self._ticket(one, decisions[one.mail_id]) for one in mails}
        if made:
            await self._store.tickets.insert_many(list(made.values()))
            crash_point("ticket_writer.after_tickets")
        return {mail_id: one.outbox for mail_id, one in made.items()}

    async def _ticket(self, mail: EmailClassified, decision: Decision) -> Ticket:
        mailbox = await self._configuration.mailbox(mail.mailbox)
        named = {
            self._marks.base_address(one.address)
            for one in mail.email.recipients
            if one.source in (Source.TO, Source.CC)
        }
        addressed = mailbox is not None and bool(named & mailbox.spec.addresses)
        return decide.ticket(mail, decision, self._source, addressed=addressed)

    async def _articles(self, mails: Mails, decisions: Decisions, tickets: dict[str, Ticket]) -> Events:
        if not mails:
            return {}
        tickets |= await self._reopened(mails, decisions)
        made = [
            decide.appended(one, decisions[one.mail_id], _of(one, decisions, tickets), self._source) for one in mails
        ]
        await self._store.articles.insert_many(made)
        crash_point("ticket_writer.after_articles")
        await self._store.tickets.touch([(one.ticket_id, one.at) for one in made])
        crash_point("ticket_writer.after_touch")
        return {one.article.mail_id: one.outbox for one in made}

    async def _reopened(self, mails: Mails, decisions: Decisions) -> dict[str, Ticket]:
        """Open closed tickets again, and read who did: of several replies at once, or on a repetition, it was one."""
        asked = [(one.mail_id, decision) for one in mails if (decision := decisions[one.mail_id]).reopens]
        if not asked:
            return {}
        reopenings = [
            Reopening(decision.ticket_id or "", mail_id, decision.reopens, decision.decided_at)
            for mail_id, decision in asked
        ]
        await self._store.tickets.reopen_by_mails(reopenings)
        crash_point("ticket_writer.after_reopening")
        found = await self._store.tickets.heads({one.ticket_id for one in reopenings})
        return {one.ticket_id: one for one in found}

    async def _duplicates(self, mails: Mails, decisions: Decisions, tickets: Mapping[str, Ticket]) -> Events:
        pairs = [(_of(one, decisions, tickets).ticket_id, one.mail_id) for one in mails]
        missing = await self._store.tickets.count_duplicates(pairs) if pairs else frozenset[str]()
        if pairs:
            crash_point("ticket_writer.after_duplicates")
        return {
            one.mail_id: (self._counted(one, decisions[one.mail_id], _of(one, decisions, tickets)),)
            for one in mails
            if one.mail_id not in missing
        }

    def _counted(self, mail: EmailClassified, decision: Decision, ticket: Ticket) -> OutboxEvent:
        return ticket_duplicate_counted(ticket, mail.mail_id, mail.received_at, decision.decided_at, self._source)


def _of(mail: EmailClassified, decisions: Decisions, tickets: Mapping[str, Ticket]) -> Ticket:
    return tickets[decisions[mail.mail_id].ticket_id or ""]


def _result(decision: Decision, events: tuple[OutboxEvent, ...] | None) -> Result:
    """What becomes of a mail; for a reply or repeat without events, its ticket is not there."""
    if events is None and decision.kind is not Kind.REJECTED:
        return Soon("the ticket that this mail belongs to is not written yet", code="ticket_not_written")
    return Outcome(decision.kind.value, decision.reason.value, tuple(owed(event) for event in events or ()))
