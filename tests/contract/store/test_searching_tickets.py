"""Searching tickets on a real store: what is found, in which order, page by page."""

from datetime import timedelta

import pytest

from shared.domain.decision import Classification
from shared.domain.email import Address, Headline
from shared.domain.identity import ticket_id
from shared.domain.mailbox import Module
from shared.domain.ticket import Acknowledgement, AcknowledgementState, Ticket, TicketState
from shared.store.client import Store
from shared.store.ticket_search import WantedTicket
from tests.support.builders import AT, article, entry

SUBJECTS = ("Printer on fire", "Re: Café machine", "Printers and payroll", "Payroll", "The printer")
SERVICES = ("printing", "kitchen", "printing", None, "printing")


def opened(n: int, mail_id: str, subject: str) -> Ticket:
    """The ticket of a mail: every other one a request, the first answered, the last refused."""
    states = {0: AcknowledgementState.SENT, 4: AcknowledgementState.SUPPRESSED}
    return Ticket(
        ticket_id=ticket_id(mail_id),
        number=f"INC-{n:06d}",
        module=Module.REQUEST if n % 2 else Module.TICKET,
        mailbox="odd" if n % 2 else "even",
        origin_mail_id=mail_id,
        subject=subject,
        requester=Address(address=f"person{n % 3}@a.example", display=""),
        classification=Classification(service=SERVICES[n % 5], department="it"),
        articles=(article(mail_id),),
        created_at=AT + timedelta(minutes=n),
        received_at=AT,
        acknowledgement=Acknowledgement(state=states[n], at=AT) if n in states else None,
    )


async def fill(store: Store) -> None:
    """m0 to m4, a minute apart, each with its ticket INC-000000 to INC-000004, and a mail that opened none."""
    for n, subject in enumerate(SUBJECTS):
        headline, at = Headline(subject=subject), AT + timedelta(minutes=n)
        await store.ledger.insert_many([entry(f"m{n}", uid=n + 1, headline=headline, stored_at=at)])
        await store.tickets.insert_many([opened(n, f"m{n}", subject)])
    await store.ledger.insert_many([entry("m9", uid=10, headline=Headline(subject="Printer, rejected"))])
    await store.tickets.close(ticket_id("m0"), AT)


async def found(store: Store, **wanted) -> list[int]:
    answer = await store.ticket_search.find(WantedTicket(**wanted))
    return [int(one.number.removeprefix("INC-")) for one in answer.tickets]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"number": "INC-000003"}, [3]),
        ({"number": "INC-000003", "mailbox": "even"}, []),
        ({"number": "INC-000003", "until": AT + timedelta(minutes=3)}, []),
        ({"subject": "PRINT"}, [4, 2, 0]),
        ({"subject": "AW: cafe"}, [1]),
        ({"subject": "payroll printers"}, [2]),
        ({"subject": "zebra"}, []),
        ({"subject": "..."}, []),
        ({"subject": "printer", "state": TicketState.CLOSED}, [0]),
        ({"subject": "printer", "since": AT + timedelta(minutes=1)}, [4, 2]),
        ({"requester": "Person1@A.example"}, [4, 1]),
        ({"requester": "person1@a.example", "module": Module.TICKET}, [4]),
        ({"service": "printing"}, [4, 2, 0]),
        ({"service": "printing", "until": AT + timedelta(minutes=2)}, [0]),
        ({"department": "it", "module": Module.REQUEST}, [3, 1]),
        ({"mailbox": "odd"}, [3, 1]),
        ({"state": TicketState.CLOSED}, [0]),
        ({"acknowledgement": AcknowledgementState.SUPPRESSED}, [4]),
        ({"acknowledgement": AcknowledgementState.SENT, "since": AT + timedelta(minutes=1)}, []),
        ({"since": AT + timedelta(minutes=1), "until": AT + timedelta(minutes=3)}, [2, 1]),
    ],
)
async def test_tickets_are_found_by(store: Store, wanted: dict, expected: list[int]) -> None:
    await fill(store)
    assert await found(store, **wanted) == expected


@pytest.mark.parametrize("wanted", [{}, {"subject": "printer"}, {"mailbox": "even"}, {"service": "printing"}])
async def test_pages_hold_each_ticket_once_also_at_one_instant(store: Store, wanted: dict) -> None:
    mails = [f"m{n}" for n in range(7)]
    headline = Headline(subject="The printer")
    await store.ledger.insert_many([entry(mail, uid=n + 1, headline=headline) for n, mail in enumerate(mails)])
    tickets = [opened(0, mail, "The printer") for mail in mails]
    await store.tickets.insert_many(
        [one.model_copy(update={"number": f"INC-{n:06d}"}) for n, one in enumerate(tickets)]
    )
    seen, after, pages = [], None, 0
    while pages == 0 or after is not None:
        page = await store.ticket_search.find(WantedTicket(**wanted), 3, after)
        seen += [one.ticket_id for one in page.tickets]
        after, pages = page.more, pages + 1
    assert sorted(seen) == sorted(one.ticket_id for one in tickets)
    assert pages == 3
