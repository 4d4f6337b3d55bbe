"""The quarantine by page: by cause, and a whole group sent again or discarded; and the events that others are told."""

import re

import pytest_asyncio

from shared.domain.access import Role
from shared.domain.ledger import State
from tests.support.books import BLOCKED, CAUSE, STUCK, STUCK_TOO, write_books
from tests.support.console import Console, there

GROUP = f"/quarantine/{CAUSE}"


@pytest_asyncio.fixture
async def books(console: Console) -> Console:
    await write_books(console.store)
    return console


async def states(books: Console) -> list[State]:
    found = await books.store.ledger.get_many([STUCK, STUCK_TOO])
    return [found[one].state for one in (STUCK, STUCK_TOO)]


async def test_an_empty_quarantine_says_so(console: Console) -> None:
    async with await console.signed_in(Role.OPERATOR) as operator:
        assert "Nothing is in quarantine" in (await operator.get("/quarantine")).text
        assert (await operator.get(f"{GROUP}/replay")).status_code == 404


async def test_mails_are_grouped_by_cause_and_a_group_lists_its_mails(books: Console) -> None:
    async with await books.signed_in(Role.OPERATOR) as operator:
        shown = (await operator.get("/quarantine")).text
        assert f'href="{GROUP}">Store busy</a>' in shown and '<td class="number">2</td>' in shown
        assert all(f'href="/mails/{one}"' in shown for one in (STUCK, STUCK_TOO))
        group = (await operator.get(GROUP)).text
    assert re.findall(r'<th scope="row"><a href="/mails/([a-z]+)"', group) == [STUCK_TOO, STUCK]
    assert "the store was busy for an hour" in group


async def test_a_group_is_sent_again_after_a_dry_run_and_with_a_reason(books: Console) -> None:
    page = f"{GROUP}/replay"
    async with await books.signed_in(Role.OPERATOR) as operator:
        shown = await operator.get(page)
        assert shown.text.count(">Ticket<") == 2 and "Send again: 2 mails" in shown.text
        assert await states(books) == [State.QUARANTINED] * 2
        assert (await operator.submit(shown, page, why="")).status_code == 422
        assert there(await operator.submit(shown, page, why="The store is well.")) == "/quarantine"
        assert "2 mails are in flight again" in (await operator.get("/quarantine")).text
    assert await states(books) == [State.STORED] * 2
    log = await books.store.audit.page(kind="Mail")
    assert [(one.action, one.new["why"] if one.new else "") for one in log] == [("replay", "The store is well.")] * 2


async def test_a_form_sends_nothing_but_mails_in_quarantine(books: Console) -> None:
    page = f"{GROUP}/replay"
    async with await books.signed_in(Role.OPERATOR) as operator:
        shown = await operator.get(page)
        await operator.submit(shown, page, why="One.", mails=f"{STUCK} {BLOCKED} nobody")
    assert await states(books) == [State.STORED, State.QUARANTINED]
    rejected = await books.store.ledger.get(BLOCKED)
    assert rejected is not None and rejected.state is State.DONE


async def test_a_group_is_discarded_with_a_reason(books: Console) -> None:
    page = f"{GROUP}/discard"
    async with await books.signed_in(Role.OPERATOR) as operator:
        await operator.submit(await operator.get(page), page, why="A test.")
        assert "2 mails are discarded." in (await operator.get("/quarantine")).text
    assert State.QUARANTINED not in await states(books)


async def test_events_are_listed_with_what_is_owed(books: Console) -> None:
    async with await books.signed_in(Role.VIEWER) as viewer:
        shown = (await viewer.get("/events")).text
    assert "Nothing is owed" in shown and "Mail rejected" in shown and "Ticket created" in shown
    assert f'href="/mails/{STUCK}"' in shown
