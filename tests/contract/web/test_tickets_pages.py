"""Tickets by page: found, read as text, closed and opened again; attachments are downloads."""

import re

import pytest
import pytest_asyncio

from services.console import erasure
from shared.domain.access import Role
from tests.support.books import NUMBER, OPENED, OTHER, SENDER, write_books
from tests.support.console import Console, there


@pytest_asyncio.fixture
async def books(console: Console) -> Console:
    await write_books(console.store)
    return console


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, True),
        ({"q": "inc-000042"}, True),
        ({"q": SENDER}, True),
        ({"q": "printer fire", "state": "open"}, True),
        ({"service": "printing", "department": "it", "acknowledgement": "sent", "module": "ticket"}, True),
        ({"q": "INC-000043"}, False),
        ({"state": "closed"}, False),
        ({"acknowledgement": "failed_perm"}, False),
        ({"since": "2026-03-02"}, False),
    ],
    ids=str,
)
async def test_a_ticket_is_found_by_what_is_asked(books: Console, asked: dict[str, str], found: bool) -> None:
    async with await books.signed_in(Role.VIEWER) as viewer:
        answer = await viewer.get("/tickets", params=asked)
    assert (answer.status_code, f'href="/tickets/{NUMBER}"' in answer.text) == (200, found)


async def test_a_ticket_is_read_as_text_with_all_that_is_known_of_it(books: Console) -> None:
    async with await books.signed_in(Role.VIEWER) as viewer:
        text = (await viewer.get(f"/tickets/{NUMBER.lower()}")).text
    assert text.index("It burns.") < text.index("It is out.") < text.index("Quoted text and signature")
    assert "<b>It burns" not in text and "&lt;b&gt;" not in text
    assert "The server took it." in text and "1 counted" in text
    assert f'<dt>Follow-up of</dt><dd><a href="/tickets/{OTHER}">' in text
    assert not re.search(r'action="[^"]*/close"', text), "a viewer closes nothing"


async def test_an_attachment_is_a_download_of_unknown_type(books: Console) -> None:
    path = f"/tickets/{NUMBER}/messages/{OPENED}/attachments/2"
    async with await books.signed_in(Role.VIEWER) as viewer:
        assert f'href="{path}"' in (await viewer.get(f"/tickets/{NUMBER}")).text
        answer = await viewer.get(path)
        assert (await viewer.get(path.replace("/2", "/9"))).status_code == 404
    assert (answer.content, answer.headers["content-type"]) == (b"Second floor.\n", "application/octet-stream")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_an_operator_closes_a_ticket_and_opens_it_again(books: Console) -> None:
    page = f"/tickets/{NUMBER}"
    async with await books.signed_in(Role.OPERATOR) as operator:
        assert there(await operator.submit(await operator.get(page), f"{page}/close")) == page
        closed = await operator.get(page)
        assert f"{NUMBER} is closed." in closed.text
        assert there(await operator.submit(closed, f"{page}/reopen")) == page
    log = await books.store.audit.page(kind="Ticket", name=NUMBER)
    assert [one.action for one in log] == ["reopen", "close"]


async def test_a_ticket_that_is_not_there_is_said(console: Console) -> None:
    async with await console.signed_in(Role.VIEWER) as viewer:
        assert (await viewer.get("/tickets/INC-000001")).status_code == 404
        assert "No ticket yet" in (await viewer.get("/tickets")).text


async def test_a_ticket_that_was_erased_is_a_shell_that_says_so(console: Console) -> None:
    await write_books(console.store)
    scope = await erasure.look(console.store, SENDER)
    await erasure.erase(console.store, "test", scope, await erasure.count(console.store, scope))
    async with await console.signed_in(Role.VIEWER) as viewer:
        page = (await viewer.get("/tickets/INC-000042")).text
        found = (await viewer.get("/api/v1/tickets/INC-000042")).json()
    assert "Erased on " in page
    assert SENDER not in page
    assert "It burns" not in page
    assert (found["requester"], found["subject"], bool(found["erasedAt"])) == (None, "", True)
