"""Books that are full: mails that were dealt with long ago, written by the store's own methods, in bulk."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from shared.domain.decision import Classification, Kind, Reason
from shared.domain.email import Address, Headline
from shared.domain.errors import StoreUnavailable
from shared.domain.identity import ticket_id
from shared.domain.ledger import LedgerEntry, State
from shared.domain.mailbox import Module
from shared.domain.outbound import Outbound
from shared.domain.sighting import Sight, Sighting
from shared.domain.ticket import Acknowledgement, AcknowledgementState, Ticket
from shared.store.client import Store
from tests.support.builders import article, decision, entry

BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
BULK = 500
WORDS = ("printer", "payroll", "laptop", "screen", "access", "invoice", "network", "phone", "badge", "order")


async def filled(store: Store, first: int, mails: int) -> None:
    """So many more mails, of which the first ones are there."""
    chance = random.Random(first)
    for start in range(first, first + mails, BULK):
        entries = [_mail(number, chance) for number in range(start, min(first + mails, start + BULK))]
        while not await _written(store, entries):
            await asyncio.sleep(1)


async def _written(store: Store, entries: Sequence[LedgerEntry]) -> bool:
    """Whether they are all there; a store that is too busy to answer in time is asked again."""
    try:
        await store.ledger.insert_many(entries)
        await store.sightings.insert_many([_sighting(one) for one in entries])
        tickets = [ticket_of(one) for one in entries if _opened(one)]
        await store.tickets.insert_many(tickets)
        answers = [_answer_to(one) for one in tickets]
        await store.outbound.insert_many(answers)
        await store.tickets.show_acknowledgements(answers)
        await store.outbound.shown(answers)
    except StoreUnavailable:
        return False
    return True


def _opened(one: LedgerEntry) -> bool:
    return one.decision is not None and one.decision.kind is Kind.TICKET


def _mail(number: int, chance: random.Random) -> LedgerEntry:
    """Two of three opened a ticket."""
    at, name = BEGAN + timedelta(seconds=20 * number), f"old-{number}"
    fields = {"kind": Kind.TICKET, "reason": Reason.TICKET_CREATED, "number": f"OLD-{number:07d}"}
    opened = decision(**fields, ticket_id=ticket_id(name), decided_at=at)
    found = entry(
        name,
        mailbox_name=f"old-box-{number % 50}",
        uid=number + 1,
        headline=Headline(
            message_id=f"<old-{number}@example.org>",
            sender=f"person{number % 997}@example{number % 13}.org",
            subject=f"{' '.join(chance.sample(WORDS, 4))} {number}",
        ),
        state=State.DONE,
        decision=opened if number % 3 else decision(decided_at=at),
        stored_at=at,
        progress_at=at,
    )
    return found.model_copy(update={"origin": found.origin.model_copy(update={"internal_date": at})})


def _sighting(one: LedgerEntry) -> Sighting:
    origin = one.origin
    return Sighting(
        mailbox=origin.mailbox,
        folder=origin.folder,
        uid_validity=origin.uid_validity,
        uid=origin.uid,
        content_id=origin.content_id,
        mail_id=one.mail_id,
        state=Sight.MAIL,
        seen_at=one.stored_at,
    )


def _answer_to(one: Ticket) -> Outbound:
    """Its acknowledgement, which was sent and is shown on it."""
    assert one.acknowledgement is not None
    return Outbound(
        ticket_id=one.ticket_id,
        mail_id=one.origin_mail_id,
        number=one.number,
        mailbox=one.mailbox,
        status=one.acknowledgement,
        since=one.created_at,
        taken_at=one.created_at,
        counted=True,
        turn=1,
        moves=4,
    )


def ticket_of(one: LedgerEntry) -> Ticket:
    """The ticket that a mail opened."""
    return Ticket(
        ticket_id=ticket_id(one.mail_id),
        number=(one.decision.number if one.decision else None) or "",
        module=Module.TICKET,
        mailbox=one.origin.mailbox,
        origin_mail_id=one.mail_id,
        subject=one.headline.subject,
        requester=Address(address=one.headline.sender or "", display=""),
        classification=Classification(service=f"service-{one.origin.uid % 20}", department=f"d-{one.origin.uid % 5}"),
        articles=(article(one.mail_id),),
        created_at=one.stored_at,
        received_at=one.stored_at,
        acknowledgement=Acknowledgement(state=AcknowledgementState.SENT, at=one.stored_at),
    )
