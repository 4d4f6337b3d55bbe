"""A ticket exists once, with its events, whoever inserts it how often."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.contracts.events import ticket_created
from shared.domain.decision import Classification, Priority
from shared.domain.email import Address
from shared.domain.errors import Permanent
from shared.domain.mailbox import Module
from shared.domain.ticket import Article, Ticket, TicketState
from shared.store.client import Store
from shared.store.failures import Conflict
from shared.store.tickets import Reopening
from tests.contract.store.test_outbound import State, owed
from tests.support.builders import AT, attachment


def ticket(n: int = 1, *, text: str = "It burns.\x00", owing: bool = False, **changes: Any) -> Ticket:
    sender = Address(address="a@b.example", display="Ä")
    article = Article(
        mail_id=f"m{n}",
        message_id=None,
        sender=sender,
        text=text,
        html=None,
        attachments=(attachment(),),
        received_at=AT,
    )
    fields: dict[str, Any] = {
        "ticket_id": f"t{n}",
        "number": f"INC-{n:06d}",
        "module": Module.TICKET,
        "mailbox": "support",
        "origin_mail_id": f"m{n}",
        "subject": "Fire",
        "requester": sender,
        "classification": Classification(priority=Priority.HIGH),
        "articles": (article,),
        "created_at": AT + timedelta(seconds=n),
        "received_at": AT,
    }
    made = Ticket(**{**fields, **changes})
    return made.model_copy(update={"outbox": (ticket_created(made),)}) if owing else made


async def test_a_ticket_comes_back_as_it_was_inserted_by_id_and_by_number(store: Store) -> None:
    given = [ticket(1, owing=True), ticket(2)]
    await store.tickets.insert_many(given)
    assert await store.tickets.get("t1") == given[0]
    assert await store.tickets.by_number("INC-000002") == given[1]
    assert await store.tickets.get_many(["t1", "t2", "t3"]) == {"t1": given[0], "t2": given[1]}
    assert await store.tickets.get("t3") is None and await store.tickets.by_number("INC-000003") is None


async def test_inserting_a_ticket_again_is_success_and_changes_nothing(store: Store) -> None:
    await store.tickets.insert_many([ticket(1)])
    await store.tickets.count_duplicates([("t1", "m9")])
    await asyncio.gather(*(store.tickets.insert_many([ticket(1), ticket(2)]) for _ in range(4)))
    found = await store.tickets.get("t1")
    assert found is not None and found.duplicates == ("m9",)
    assert await store.tickets.count() == 2


@pytest.mark.parametrize("stolen", [{"number": "INC-000001"}, {"origin_mail_id": "m1"}])
async def test_a_number_or_a_mail_cannot_belong_to_two_tickets(store: Store, stolen: dict[str, str]) -> None:
    await store.tickets.insert_many([ticket(1)])
    with pytest.raises(Conflict):
        await store.tickets.insert_many([ticket(2, **stolen), ticket(3)])
    assert await store.tickets.get("t2") is None
    assert await store.tickets.get("t3") is not None


async def test_a_duplicate_is_counted_once_however_often_it_is_told(store: Store) -> None:
    await store.tickets.insert_many([ticket(1)])
    for _ in range(2):
        assert await store.tickets.count_duplicates([("t1", "m8"), ("t1", "m9"), ("gone", "m7")]) == {"m7"}
    found = await store.tickets.get("t1")
    assert found is not None and sorted(found.duplicates) == ["m8", "m9"]
    assert await store.tickets.count_duplicates([]) == frozenset()


async def test_events_are_owed_until_they_are_published(store: Store) -> None:
    given = ticket(1, owing=True)
    await store.tickets.insert_many([given, ticket(2), ticket(3, owing=True)])
    assert await store.tickets.pending_outbox(given.created_at, 10) == (("t1", given.outbox[0]),)
    assert len(await store.tickets.pending_outbox(AT + timedelta(hours=1), 10)) == 2
    assert len(await store.tickets.pending_outbox(AT + timedelta(hours=1), 1)) == 1
    await store.tickets.mark_published(["t1"])
    assert [key for key, _ in await store.tickets.pending_outbox(AT + timedelta(hours=1), 10)] == ["t3"]


async def test_tickets_are_listed_newest_first_by_mailbox_and_module(store: Store) -> None:
    await store.tickets.insert_many([ticket(1), ticket(3, mailbox="hr"), ticket(2, module=Module.REQUEST), ticket(4)])

    async def listed(**wanted: Any) -> list[str]:
        return [one.ticket_id for one in await store.tickets.list(**wanted)]

    assert await listed() == ["t4", "t3", "t2", "t1"]
    assert await listed(limit=2) == ["t4", "t3"]
    assert await listed(mailbox="support") == ["t4", "t2", "t1"]
    assert await listed(mailbox="support", module=Module.REQUEST) == ["t2"]


async def test_the_audit_sees_the_origin_of_every_ticket(store: Store) -> None:
    await store.tickets.insert_many([ticket(1), ticket(2)])
    await store.tickets.count_duplicates([("t2", "m9")])
    origins = {one.ticket_id: one async for one in store.tickets.iter_origins()}
    assert origins["t2"] == ("t2", "m2", "INC-000002", "support", ("m9",))
    assert set(origins) == {"t1", "t2"}


async def test_a_ticket_that_the_store_cannot_hold_is_a_permanent_error_without_its_text(store: Store) -> None:
    """52 MB is more than one message of the protocol may hold, whatever a server takes as a document."""
    with pytest.raises(Permanent) as caught:
        await store.tickets.insert_many([ticket(1, text="confidential " * 4_000_000)])
    assert caught.value.code == "too_large" and "confidential" not in caught.value.line()
    with pytest.raises(Permanent) as caught:
        await store.tickets.insert_many([ticket(2, subject="confidential \ud800")])
    assert caught.value.code == "not_storable" and "confidential" not in caught.value.line()


async def test_a_ticket_shows_the_last_state_of_its_acknowledgement_whatever_comes_late(store: Store) -> None:
    await store.tickets.insert_many([ticket(1)])
    earlier, later = owed(1, moves=3), owed(1, State.SENT, moves=4)
    await store.tickets.show_acknowledgements([later])
    await store.tickets.show_acknowledgements([earlier, owed(9)])
    found = await store.tickets.get("t1")
    assert found == ticket(1).model_copy(update={"acknowledgement": later.status})
    assert await store.tickets.get("t9") is None


async def test_heads_are_tickets_without_their_texts_by_id_and_number(store: Store) -> None:
    await store.tickets.insert_many([ticket(n, owing=True, participants=(f"a{n}@b.example",)) for n in (1, 2, 3)])
    found = await store.tickets.heads(["t1", "gone"], ["INC-000001", "INC-000002", "INC-000009"])
    assert {one.ticket_id: one.participants for one in found} == {"t1": ("a1@b.example",), "t2": ("a2@b.example",)}
    assert all(one.articles == () and one.outbox == () for one in found)
    assert await store.tickets.heads([]) == ()


async def test_a_ticket_is_closed_and_opened_again_by_hand(store: Store) -> None:
    await store.tickets.insert_many([ticket(1)])
    assert await store.tickets.close("t1", AT) and not await store.tickets.close("t1", AT)
    closed = await store.tickets.get("t1")
    assert closed is not None and (closed.state, closed.closings) == (TicketState.CLOSED, 1)
    assert closed.changed_at == AT
    assert await store.tickets.reopen("t1", AT) and not await store.tickets.reopen("t1", AT)
    assert not await store.tickets.close("gone", AT) and not await store.tickets.reopen("gone", AT)


async def test_a_closing_is_undone_by_one_mail_and_never_again(store: Store) -> None:
    """Not by the mails beside it, not by executing it again after somebody closed the ticket once more."""
    await store.tickets.insert_many([ticket(1)])
    await store.tickets.close("t1", AT)
    replies = [Reopening("t1", f"m{n}", 1, AT) for n in (7, 8, 9)]
    await asyncio.gather(*(store.tickets.reopen_by_mails([one]) for one in replies))
    opened = await store.tickets.get("t1")
    assert opened is not None and opened.state is TicketState.OPEN and len(opened.reopened_by) == 1
    await store.tickets.close("t1", AT)
    await store.tickets.reopen_by_mails(replies)
    closed = await store.tickets.get("t1")
    assert closed is not None and closed.state is TicketState.CLOSED
    assert (closed.closings, closed.reopened_by) == (2, opened.reopened_by)


async def test_the_last_change_of_a_ticket_never_goes_back(store: Store) -> None:
    await store.tickets.insert_many([ticket(1), ticket(2)])
    untouched = await store.tickets.get("t2")
    assert untouched is not None and untouched.changed_at is None
    for seconds in (10, 30, 20):
        await store.tickets.touch([("t1", AT + timedelta(seconds=seconds)), ("gone", AT)])
    found = await store.tickets.get("t1")
    assert found is not None and found.changed_at == AT + timedelta(seconds=30)
