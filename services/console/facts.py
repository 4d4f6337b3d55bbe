"""Reads what the books are balanced from. Decides nothing.

The system may be working meanwhile, so the order matters: each thing is read before what must already exist because of
it (sightings, then ledger, then articles, then tickets), and what these then say of mails is read once more.
"""

from collections.abc import Iterable

from services.console.books import ArticleFact, Facts, LedgerFact, TicketFact
from shared.domain.decision import Kind
from shared.domain.ledger import LedgerEntry
from shared.store.client import Store
from shared.store.tickets import TicketOrigin

OUTBOX_LIMIT = 10_000
"""Events owed are counted up to this many."""


async def read_facts(store: Store) -> Facts:
    """Everything that `books.balance` compares."""
    names = await _mailboxes(store)
    sighted = {name: await store.sightings.mail_ids(name) for name in names}
    ledger = {one.mail_id: LedgerFact(*one) async for one in store.ledger.iter_all()}
    articles = tuple([ArticleFact(*one) async for one in store.articles.iter_places()])
    tickets = tuple([_ticket(one) async for one in store.tickets.iter_origins()])
    ledger |= await _again(store, ledger, tickets, articles)
    holes = {name: count for name in names if (count := await _holes(store, name))}
    return Facts(names, sighted, tuple(ledger.values()), tickets, await _owed(store), holes, articles)


async def _mailboxes(store: Store) -> tuple[str, ...]:
    """Every mailbox that is or was: deleted ones still have their books."""
    configured = [one.name for one in await store.mailboxes.all()]
    return tuple(sorted({*configured, *await store.runtime.statuses(), *await store.ledger.count_by_outcome()}))


async def _holes(store: Store, name: str) -> int:
    """How many UIDs of the folder that is read now could not be fetched yet."""
    mailbox = await store.mailboxes.get(name)
    cursor = await store.runtime.cursor(name, mailbox.spec.imap.folder) if mailbox else None
    return len(await store.sightings.holes(name, cursor.folder, cursor.validity)) if cursor else 0


async def _again(
    store: Store, ledger: dict[str, LedgerFact], tickets: Iterable[TicketFact], articles: Iterable[ArticleFact]
) -> dict[str, LedgerFact]:
    """The mails whose decision was written between reading the ledger and reading its effects."""
    named = [(one.mail_id, Kind.REPLY) for one in articles]
    for ticket in tickets:
        named += [(ticket.origin_mail_id, Kind.TICKET), *((mail, Kind.DUPLICATE) for mail in ticket.duplicates)]
    wanted = [mail for mail, kind in named if mail not in ledger or ledger[mail].kind is not kind]
    return {mail: _fact(entry) for mail, entry in (await store.ledger.get_many(wanted)).items()} if wanted else {}


def _fact(entry: LedgerEntry) -> LedgerFact:
    decision = entry.decision
    kind, ticket_id = (decision.kind, decision.ticket_id) if decision else (None, None)
    return LedgerFact(entry.mail_id, entry.origin.mailbox, entry.state, kind, ticket_id)


def _ticket(one: TicketOrigin) -> TicketFact:
    return TicketFact(one.ticket_id, one.number, one.mailbox, one.origin_mail_id, frozenset(one.duplicates))


async def _owed(store: Store) -> int:
    now = await store.server_time()
    owing = (store.tickets, store.articles, store.ledger)
    return sum([len(await one.pending_outbox(now, OUTBOX_LIMIT)) for one in owing])
