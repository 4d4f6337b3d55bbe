"""Searching mails and tickets on a real store: what is found, in which order, page by page."""

from datetime import timedelta

import pytest
from motor.motor_asyncio import AsyncIOMotorClient

from shared.domain.decision import Kind, Reason
from shared.domain.email import Headline
from shared.domain.ledger import DecisionWrite, Failure
from shared.store.client import Store
from shared.store.mail_search import Wanted
from shared.store.seek import Span
from shared.store.settings import StoreSettings
from shared.store.upgrade import upgrade
from shared.store.words import Lead
from tests.support.builders import AT, decision, entry
from tests.support.embedded_store import FakeClock


async def found(store: Store, **wanted) -> list[str]:
    return [one.mail_id for one in (await store.mail_search.find(Wanted(**wanted))).entries]


async def fill(store: Store) -> None:
    """m0 to m5, a minute apart, of two mailboxes and three senders; m2 rejected, m3 quarantined."""
    subjects = ("Printer on fire", "Re: Café machine", "Win a prize", "Printers and payroll", "Payroll", "")
    senders = ("amy@a.example", "bob@b.example", "spam@a.example", "bob@b.example", "cem@b.example", None)
    await store.ledger.insert_many(
        [
            entry(
                f"m{n}",
                mailbox_name="even" if n % 2 == 0 else "odd",
                uid=n + 1,
                headline=Headline(sender=senders[n], subject=subjects[n]),
                stored_at=AT + timedelta(minutes=n),
            )
            for n in range(6)
        ]
    )
    await store.ledger.decide_many([DecisionWrite(mail_id="m2", decision=decision(), trace=())])
    await store.ledger.quarantine("m3", Failure(stage="filter", code="busy", what="it was", at=AT))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["m5", "m4", "m3", "m2", "m1", "m0"]),
        ({"domain": "B.example"}, ["m4", "m3", "m1"]),
        ({"subject": "PRINT"}, ["m3", "m0"]),
        ({"subject": "AW: cafe"}, ["m1"]),
        ({"subject": "payroll printers"}, ["m3"]),
        ({"subject": "rinter"}, []),
        ({"subject": "printer", "mailbox": "even"}, ["m0"]),
        ({"outcome": "rejected"}, ["m2"]),
        ({"outcome": "in_flight", "mailbox": "odd"}, ["m5", "m1"]),
        ({"reason": Reason.BLOCKED_SENDER.value}, ["m2"]),
        ({"reason": "busy", "outcome": "quarantined"}, ["m3"]),
        ({"reason": "busy", "outcome": "rejected"}, []),
        ({"since": AT + timedelta(minutes=1), "until": AT + timedelta(minutes=3)}, ["m2", "m1"]),
        ({"sender": "bob@b.example", "until": AT + timedelta(minutes=3)}, ["m1"]),
        ({"subject": "payroll", "since": AT + timedelta(minutes=4)}, ["m4"]),
    ],
)
async def test_mails_are_found_by(store: Store, wanted: dict, expected: list[str]) -> None:
    await fill(store)
    answer = await found(store, **wanted)
    by_outcome = "outcome" in wanted and "reason" not in wanted
    assert (sorted(answer) if by_outcome else answer) == (sorted(expected) if by_outcome else expected)


@pytest.mark.parametrize("wanted", [{}, {"subject": "printer"}, {"mailbox": "support"}, {"outcome": "in_flight"}])
async def test_pages_hold_each_mail_once_also_at_one_instant(store: Store, wanted: dict) -> None:
    headline = Headline(subject="The printer")
    await store.ledger.insert_many([entry(f"m{n}", uid=n + 1, headline=headline) for n in range(7)])
    seen, after, pages = [], None, 0
    while pages == 0 or after is not None:
        page = await store.mail_search.find(Wanted(**wanted), 3, after)
        seen += [one.mail_id for one in page.entries]
        after, pages = page.more, pages + 1
    assert seen == [f"m{n}" for n in reversed(range(7))]
    assert pages == 3


async def test_words_are_found_along_the_rarest_whatever_its_length(store: Store) -> None:
    """Hundreds have the long words, one the short one: a walk along a long one would need a step for each 64."""
    subjects = [f"Invoice reminder {'left' if n % 2 else 'right'} {n:04d}" for n in range(600)]
    await store.ledger.insert_many(
        [
            entry(
                f"m{n:04d}",
                uid=n + 1,
                mailbox_name="other" if n == 7 else "support",
                headline=Headline(subject=subject),
                stored_at=AT + timedelta(minutes=n),
            )
            for n, subject in enumerate(subjects)
        ]
    )
    lead = await store.words.lead(("reminder", "invoice", "0005"), Span(), None)
    assert lead == Lead(("0005",), None)
    assert await found(store, subject="reminder invoice 0005") == ["m0005"]
    assert await found(store, subject="right 0005") == []
    assert await found(store, subject="left right") == []
    assert await found(store, subject="reminder", mailbox="other") == ["m0007"]
    seen, after = [], None
    while after is not None or not seen:
        page = await store.mail_search.find(Wanted(subject="remind left"), 100, after)
        seen += [one.mail_id for one in page.entries]
        after = page.more
    assert seen == [f"m{n:04d}" for n in range(599, 0, -2)]


async def test_a_beginning_means_as_many_words_as_there_are_up_to_a_limit(store: Store) -> None:
    headline = Headline(subject=" ".join(f"a{n:02d}" for n in range(24)))
    await store.ledger.insert_many([entry(f"m{n:03d}", uid=n + 1, headline=headline) for n in range(120)])
    assert await store.words.beginning("a") == tuple(f"a{n:02d}" for n in range(20))
    assert await store.words.beginning("a1", limit=3) == ("a10", "a11", "a12")
    assert await store.words.beginning("b") == ()


async def test_a_number_is_found_while_its_ticket_is_not_written_yet(store: Store) -> None:
    await fill(store)
    opened = decision(kind=Kind.TICKET, reason=Reason.TICKET_CREATED, ticket_id="t0", number="INC-000001")
    await store.ledger.decide_many([DecisionWrite(mail_id="m0", decision=opened, trace=())])
    assert await found(store, number="INC-000001") == ["m0"]
    assert await found(store, number="INC-000002") == []


async def test_a_mail_that_is_replayed_is_in_flight_and_no_longer_in_quarantine(store: Store) -> None:
    await fill(store)
    await store.ledger.replay("m3")
    assert await found(store, outcome="quarantined") == []
    assert "m3" in await found(store, outcome="in_flight")
    assert await found(store, reason="busy") == []


async def test_mails_of_an_older_version_are_found_once_they_are_brought_up_to_date(
    store: Store, store_settings: StoreSettings, clock: FakeClock
) -> None:
    await fill(store)
    client: AsyncIOMotorClient = AsyncIOMotorClient(store_settings.url.get_secret_value())
    database = client[store_settings.database]
    await database["mails"].update_many({}, {"$unset": {"seek": ""}})
    await database["mail_words"].delete_many({})
    client.close()
    assert await found(store) == []
    assert await upgrade(store) == 6
    assert await found(store, subject="printer") == ["m3", "m0"]
    assert await found(store, outcome="quarantined") == ["m3"]
    assert await upgrade(store) == 0
