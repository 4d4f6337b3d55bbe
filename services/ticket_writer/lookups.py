"""What is known before a batch is judged: its books, the mails it refers to, the tickets it names. Decides nothing.

One round trip for each, and none for what no mail of the batch asks: mail without marks and references costs only its
books.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.ticket_writer.conversation import Facts, referred
from services.ticket_writer.ports import Books
from shared.contracts.messages import EmailClassified
from shared.domain.decision import Decision, Kind
from shared.domain.ledger import KnownMail, LedgerEntry
from shared.domain.mailbox import ToClosed
from shared.domain.marks import Mark, Marks
from shared.domain.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Known:
    """What was found: ledger entries by mail_id, tickets (without their texts) by id, other mails by Message-ID, the
    newest first, and the genuine marks of each mail that is not decided yet."""

    entries: Mapping[str, LedgerEntry]
    tickets: Mapping[str, Ticket] = field(default_factory=dict[str, Ticket])
    mails: Mapping[str, tuple[KnownMail, ...]] = field(default_factory=dict[str, tuple[KnownMail, ...]])
    marks: Mapping[str, tuple[Mark, ...]] = field(default_factory=dict[str, tuple[Mark, ...]])

    def facts(
        self, mail_id: str, to_closed: ToClosed, *, patient: bool = False, here: frozenset[str] = frozenset()
    ) -> Facts:
        """What of it concerns one mail."""
        return Facts(self.marks.get(mail_id, ()), self.tickets, self.mails, to_closed, patient, here)


async def look_up(store: Books, marks: Marks, mails: Sequence[EmailClassified]) -> Known:
    """Everything that these mails can be judged by, and the tickets of decisions that stand already."""
    wanted = [mail.mail_id for mail in mails] + [mail.duplicate_of for mail in mails if mail.duplicate_of]
    entries = await store.ledger.get_many(wanted)
    undecided = [mail for mail in mails if (entry := entries.get(mail.mail_id)) is None or entry.decision is None]
    carried = {mail.mail_id: found for mail in undecided if (found := marks.of(mail.email))}
    ids = sorted({one for mail in undecided for one in referred(mail.email)})
    others = await store.ledger.of_message_ids(ids) if ids else ()
    decisions = (*_decisions(mails, entries), *(one.decision for one in others if one.decision is not None))
    tickets = await _tickets(store, decisions, [mark for found in carried.values() for mark in found])
    return Known(entries, {one.ticket_id: one for one in tickets}, _by_message_id(others), carried)


def _decisions(mails: Sequence[EmailClassified], entries: Mapping[str, LedgerEntry]) -> Iterator[Decision]:
    """Decisions whose tickets matter: those of originals, and those that stand, but for tickets to be written."""
    for mail in mails:
        own, original = entries.get(mail.mail_id), entries.get(mail.duplicate_of or "")
        if own is not None and own.decision is not None and own.decision.kind is not Kind.TICKET:
            yield own.decision
        if original is not None and original.decision is not None:
            yield original.decision


async def _tickets(store: Books, decisions: Sequence[Decision], marks: Sequence[Mark]) -> Sequence[Ticket]:
    ids = {one.ticket_id for one in (*decisions, *marks) if one.ticket_id}
    numbers = {mark.number for mark in marks if mark.number}
    return await store.tickets.heads(ids, numbers) if ids or numbers else ()


def _by_message_id(mails: Sequence[KnownMail]) -> dict[str, tuple[KnownMail, ...]]:
    found: defaultdict[str, list[KnownMail]] = defaultdict(list)
    for one in mails:
        found[one.message_id].append(one)
    return {key: tuple(several) for key, several in found.items()}
