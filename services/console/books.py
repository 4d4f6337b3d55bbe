"""The books: whether every mail that was seen has exactly one end. Pure: facts in, balance out.

    sighted = ticketed + appended + duplicates + rejected + quarantined + in flight + unaccounted

Every mail of the ledger, and every sighting without one, stands in exactly one of these columns.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.decision import Kind
from shared.domain.effects import is_there
from shared.domain.ledger import State


class Column(StrEnum):
    """The columns of the balance."""

    TICKETED = "ticketed"
    APPENDED = "appended"
    DUPLICATES = "duplicates"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    IN_FLIGHT = "in_flight"
    UNACCOUNTED = "unaccounted"


@dataclass(frozen=True, slots=True)
class LedgerFact:
    """What the ledger says of one mail. `ticket_id` is that of its decision; without a state it can be no entry."""

    mail_id: str
    mailbox: str
    state: State | None
    kind: Kind | None = None
    ticket_id: str | None = None


@dataclass(frozen=True, slots=True)
class TicketFact:
    """What a ticket says: which mail opened it and which mails it counts as duplicates."""

    ticket_id: str
    number: str
    mailbox: str
    origin_mail_id: str
    duplicates: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ArticleFact:
    """What an article says: which mail it is, and on which ticket."""

    mail_id: str
    ticket_id: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is compared. `sighted` holds the mail_ids that each mailbox's folder showed, `holes` how many UIDs it
    lists that could not be fetched yet."""

    mailboxes: tuple[str, ...] = ()
    sighted: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    ledger: tuple[LedgerFact, ...] = ()
    tickets: tuple[TicketFact, ...] = ()
    outbox_pending: int = 0
    holes: Mapping[str, int] = field(default_factory=dict[str, int])
    articles: tuple[ArticleFact, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """The balance of one mailbox, in mails. `holes` still lie on the server and are no mail of ours yet."""

    mailbox: str
    sightings: int = 0
    ledger: int = 0
    ticketed: int = 0
    appended: int = 0
    duplicates: int = 0
    rejected: int = 0
    quarantined: int = 0
    in_flight: int = 0
    unaccounted: int = 0
    holes: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not add up. `code` is for programs, `sentence` for people."""

    code: str
    mailbox: str
    subject: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Balance:
    """A row per mailbox, the sum of them, and everything that does not add up."""

    rows: tuple[Row, ...]
    total: Row
    findings: tuple[Finding, ...]
    outbox_pending: int = 0

    @property
    def balanced(self) -> bool:
        """Whether every mail is accounted for. Mails in flight and events still owed do not unbalance the books."""
        return not self.findings


def balance(facts: Facts) -> Balance:
    """Compare sightings, ledger and tickets. Events that are owed are reported, not counted against the balance."""
    effects = _Effects(
        {one.ticket_id: one for one in facts.tickets}, {one.mail_id: one.ticket_id for one in facts.articles}
    )
    ledger = {one.mail_id: one for one in facts.ledger}
    placed = {one.mail_id: (one, _column(one, effects)) for one in facts.ledger}
    findings = [
        *_never_booked(facts),
        *(
            _illegal(one) if one.state is None else _missing_effect(one)
            for one, column in placed.values()
            if column is Column.UNACCOUNTED
        ),
        *_orphans(facts.tickets, ledger),
        *_strays(facts.articles, ledger, effects),
        *_doubled(facts.tickets),
    ]
    rows = tuple(_rows(facts, placed, findings))
    return Balance(rows, _sum(rows), tuple(findings), facts.outbox_pending)


@dataclass(frozen=True, slots=True)
class _Effects:
    """What decisions have done: the tickets by id, and the ticket of each mail that was appended to one."""

    tickets: Mapping[str, TicketFact]
    appended: Mapping[str, str]


_COLUMNS = {Kind.TICKET: Column.TICKETED, Kind.REPLY: Column.APPENDED, Kind.DUPLICATE: Column.DUPLICATES}


def _column(entry: LedgerFact, effects: _Effects) -> Column:
    match (entry.state, entry.kind):
        case (None, _):
            return Column.UNACCOUNTED
        case (State.QUARANTINED, _):
            return Column.QUARANTINED
        case (State.STORED, _) | (_, None):
            return Column.IN_FLIGHT
        case (_, Kind.REJECTED):
            return Column.REJECTED
        case (_, kind) if _effect_is_there(entry, effects):
            return _COLUMNS[kind]
        case (State.DECIDED, _):
            return Column.IN_FLIGHT
        case _:
            return Column.UNACCOUNTED


def _effect_is_there(entry: LedgerFact, effects: _Effects) -> bool:
    ticket = effects.tickets.get(entry.ticket_id or "")
    if ticket is None or entry.kind is None:
        return False
    appended = effects.appended.get(entry.mail_id) == ticket.ticket_id
    return is_there(entry.kind, entry.mail_id, ticket.origin_mail_id, ticket.duplicates, appended=appended)


def _never_booked(facts: Facts) -> Iterator[Finding]:
    known = frozenset(one.mail_id for one in facts.ledger)
    for mailbox, sighted in sorted(facts.sighted.items()):
        for mail in sorted(sighted - known):
            sentence = f"mail {mail} was seen in the folder but the ledger has no entry for it"
            yield Finding("sighting_without_ledger", mailbox, mail, sentence)


def _illegal(entry: LedgerFact) -> Finding:
    sentence = f"mail {entry.mail_id} stands in the ledger as what no entry can be: somebody edited it"
    return Finding("ledger_entry_unreadable", entry.mailbox, entry.mail_id, sentence)


def _missing_effect(entry: LedgerFact) -> Finding:
    mail, ticket = f"mail {entry.mail_id}", f"ticket {entry.ticket_id}"
    match entry.kind:
        case Kind.DUPLICATE:
            code = "duplicate_not_counted"
            sentence = f"{mail} is done as a duplicate, but {ticket} does not count it"
        case Kind.REPLY:
            code, sentence = "article_missing", f"{mail} is done as a reply, but {ticket} does not have it"
        case _:
            code, sentence = "ticket_missing", f"{mail} is done as {ticket}, but that ticket does not exist"
    return Finding(code, entry.mailbox, entry.mail_id, sentence)


def _orphans(tickets: tuple[TicketFact, ...], ledger: Mapping[str, LedgerFact]) -> Iterator[Finding]:
    for ticket in tickets:
        origin = ledger.get(ticket.origin_mail_id)
        if origin is None or origin.kind is not Kind.TICKET or origin.ticket_id != ticket.ticket_id:
            sentence = (
                f"ticket {ticket.number} exists, but its mail {ticket.origin_mail_id} has no decision that opened it"
            )
            yield Finding("ticket_without_decision", ticket.mailbox, ticket.number, sentence)
        for mail in sorted(ticket.duplicates):
            repeat = ledger.get(mail)
            if repeat is None or repeat.kind is not Kind.DUPLICATE or repeat.ticket_id != ticket.ticket_id:
                sentence = f"ticket {ticket.number} counts mail {mail} as a duplicate, but the ledger does not say so"
                yield Finding("duplicate_without_decision", ticket.mailbox, ticket.number, sentence)


def _strays(
    articles: tuple[ArticleFact, ...], ledger: Mapping[str, LedgerFact], effects: _Effects
) -> Iterator[Finding]:
    for article in articles:
        entry = ledger.get(article.mail_id)
        if entry is None or entry.kind is not Kind.REPLY or entry.ticket_id != article.ticket_id:
            ticket = effects.tickets.get(article.ticket_id)
            mailbox = entry.mailbox if entry else ticket.mailbox if ticket else ""
            number = ticket.number if ticket else article.ticket_id
            sentence = f"mail {article.mail_id} is appended to ticket {number}, but has no decision that says so"
            yield Finding("article_without_decision", mailbox, article.mail_id, sentence)


def _doubled(tickets: tuple[TicketFact, ...]) -> Iterator[Finding]:
    by_origin: defaultdict[str, list[TicketFact]] = defaultdict(list)
    by_number: defaultdict[str, list[TicketFact]] = defaultdict(list)
    for ticket in tickets:
        by_origin[ticket.origin_mail_id].append(ticket)
        by_number[ticket.number].append(ticket)
    for mail, several in by_origin.items():
        if len(several) > 1:
            numbers = " and ".join(one.number for one in several)
            yield Finding("doubled_ticket", several[0].mailbox, mail, f"mail {mail} opened {numbers}: one too many")
    for number, several in by_number.items():
        if len(several) > 1:
            sentence = f"number {number} stands on {len(several)} tickets"
            yield Finding("doubled_number", several[0].mailbox, number, sentence)


def _rows(facts: Facts, placed: Mapping[str, tuple[LedgerFact, Column]], findings: list[Finding]) -> Iterator[Row]:
    counts: defaultdict[str, Counter[Column]] = defaultdict(Counter)
    for entry, column in placed.values():
        counts[entry.mailbox][column] += 1
    ledger = {name: columns.total() for name, columns in counts.items()}
    for one in findings:
        if one.code == "sighting_without_ledger":
            counts[one.mailbox][Column.UNACCOUNTED] += 1
    for name in sorted({*facts.mailboxes, *facts.sighted, *counts}):
        columns = {column.value: counts[name][column] for column in Column}
        seen = {"sightings": len(facts.sighted.get(name, ())), "holes": facts.holes.get(name, 0)}
        yield Row(name, ledger=ledger.get(name, 0), **seen, **columns)


def _sum(rows: tuple[Row, ...]) -> Row:
    names = ("sightings", "ledger", *(column.value for column in Column), "holes")
    return Row("total", **{name: sum(getattr(row, name) for row in rows) for name in names})
