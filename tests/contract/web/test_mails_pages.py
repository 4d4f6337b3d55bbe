"""Mails by page: found, explained, told step by step, sent again with the difference first, discarded."""

import html
import re

import pytest
import pytest_asyncio
from httpx import Response

from services.filter.decide import oddities
from shared.domain.access import Role
from shared.domain.decision import Reason
from shared.domain.ledger import DecisionWrite, State
from shared.store.fading import Part
from tests.support.books import BLOCKED, NUMBER, OPENED, REPEAT, SENDER, SENTENCE, STUCK, SUBJECTS, write_books
from tests.support.builders import AT, decision, email, entry
from tests.support.console import Console, name_of, there

WHY = "The partner is welcome."


@pytest_asyncio.fixture
async def books(console: Console) -> Console:
    await write_books(console.store)
    return console


def listed(answer: Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return re.findall(r'<th scope="row"><a href="/mails/([a-z]+)"', answer.text)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", list(reversed(SUBJECTS))),
        (SENDER.upper(), list(reversed(SUBJECTS))),
        ("@people.example", list(reversed(SUBJECTS))),
        ("<aaa@people.example>", [BLOCKED]),
        ("inc-000042", [REPEAT, OPENED]),
        (BLOCKED, [BLOCKED]),
        ("fire PRINT", [REPEAT, OPENED]),
        ("nothing of this kind", []),
        ("<", []),
    ],
)
async def test_the_box_understands_what_is_typed(books: Console, asked: str, found: list[str]) -> None:
    async with await books.signed_in(Role.VIEWER) as viewer:
        assert listed(await viewer.get("/mails", params={"q": asked})) == found


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"outcome": "rejected"}, [BLOCKED]),
        ({"outcome": "nonsense.$where", "reason": "blocked_sender"}, [BLOCKED]),
        ({"q": "printer", "outcome": "duplicate"}, [REPEAT]),
        ({"mailbox": "billing"}, []),
        ({"since": "2026-03-01", "until": "2026-03-01"}, list(reversed(SUBJECTS))),
        ({"since": "2026-03-02"}, []),
        ({"until": "2026-02-28"}, []),
    ],
    ids=str,
)
async def test_filters_narrow_it(books: Console, filters: dict[str, str], found: list[str]) -> None:
    async with await books.signed_in(Role.VIEWER) as viewer:
        assert listed(await viewer.get("/mails", params=filters)) == found


OPERATOR = '{"$ne": 1}'


@pytest.mark.row(86)
@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"q": OPERATOR}, []),
        ({"q": '{"$gt": ""}'}, []),
        ({"q": "printer", "reason": OPERATOR}, []),
        ({"q": "printer", "mailbox": OPERATOR}, []),
        ({"q[$ne]": "1"}, list(reversed(SUBJECTS))),
        ({"mailbox[$ne]": "support"}, list(reversed(SUBJECTS))),
    ],
    ids=str,
)
async def test_an_operator_of_the_store_in_a_search_field_is_text(
    books: Console, fields: dict[str, str], found: list[str]
) -> None:
    """A field of a name that there is none of is not looked at."""
    async with await books.signed_in(Role.VIEWER) as viewer:
        assert listed(await viewer.get("/mails", params=fields)) == found


async def test_a_day_that_is_none_is_said_at_its_field(books: Console) -> None:
    async with await books.signed_in(Role.VIEWER) as viewer:
        answer = await viewer.get("/mails?since=yesterday")
    assert (answer.status_code, "Write a day as 2026-03-31." in answer.text) == (200, True)


async def test_pages_follow_one_another_until_every_mail_was_there_once(console: Console) -> None:
    await console.store.ledger.insert_many([entry(f"m{'abcdefgh'[n % 8]}{n}", uid=n + 1) for n in range(60)])
    found: list[str] = []
    async with await console.signed_in(Role.VIEWER) as viewer:
        path = "/mails?mailbox=support"
        while path:
            answer = await viewer.get(path)
            found += re.findall(r'<th scope="row"><a href="/mails/(\w+)"', answer.text)
            further = re.search(r'rel="next" href="([^"]+)"', answer.text)
            path = html.unescape(further[1]) if further else ""
        assert (await viewer.get("/mails?cursor=nonsense")).status_code == 422
    assert (len(found), len(set(found))) == (60, 60)


async def test_nothing_found_explains_itself(books: Console) -> None:
    async with await books.signed_in(Role.VIEWER) as viewer:
        answer = await viewer.get("/mails?q=nobody@elsewhere.example&mailbox=support")
        assert "Nothing found" in answer.text and "No fetcher has read it yet." in answer.text
        other = await viewer.get("/mails?q=nobody@elsewhere.example&mailbox=unknown")
        assert "No such mailbox is configured" in other.text


async def test_a_rejected_mail_shows_the_rule_that_decided_what_it_looked_at_and_its_setting(books: Console) -> None:
    async with await books.signed_in(Role.VIEWER) as viewer:
        text = (await viewer.get(f"/mails/{BLOCKED}")).text
    assert text.count(SENTENCE) >= 2, "as the outcome, and in the timeline"
    assert 'href="/mailboxes/support">Setting: domains.blockedSenders</a>' in text
    assert "<code>*@people.example</code>" in text and "Blocked email: mail of these senders" in text


async def test_a_mail_leads_to_its_ticket_and_shows_no_text_of_it(books: Console) -> None:
    async with await books.signed_in(Role.VIEWER) as viewer:
        text = (await viewer.get(f"/mails/{OPENED}")).text
    assert f'href="/tickets/{NUMBER}"' in text and "It burns" not in text


async def test_moves_are_offered_to_operators_and_only_where_they_are_possible(books: Console) -> None:
    offered = {}
    for role in (Role.VIEWER, Role.OPERATOR):
        async with await books.signed_in(role) as person:
            for mail_id in (BLOCKED, STUCK, OPENED):
                text = (await person.get(f"/mails/{mail_id}")).text
                offered[role, mail_id] = set(re.findall(rf'href="/mails/{mail_id}/(\w+)"', text))
    assert all(offered[Role.VIEWER, mail_id] == set() for mail_id in (BLOCKED, STUCK, OPENED))
    assert offered[Role.OPERATOR, BLOCKED] == {"replay", "ticket", "raw"}
    assert offered[Role.OPERATOR, STUCK] == {"replay", "ticket", "discard", "raw"}
    assert offered[Role.OPERATOR, OPENED] == {"raw"}


async def test_a_raw_mail_is_downloaded_and_that_is_written_down(books: Console) -> None:
    async with await books.signed_in(Role.OPERATOR) as operator:
        answer = await operator.get(f"/mails/{BLOCKED}/raw")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "message/rfc822")
    assert b"It burns." in answer.content
    (record,) = await books.store.audit.page(kind="Mail", name=BLOCKED)
    assert (record.action, record.who) == ("download", f"user {name_of(Role.OPERATOR)}")


async def test_a_replay_shows_the_difference_then_wants_a_reason_and_is_written_down(books: Console) -> None:
    page = f"/mails/{BLOCKED}/replay"
    async with await books.signed_in(Role.OPERATOR) as operator:
        shown = await operator.get(page)
        assert re.findall(r'pill pill-\w+">([^<]+)', shown.text) == ["Rejected", "Ticket"]
        assert await books.store.audit.page(kind="Mail") == ()
        refused = await operator.submit(shown, page, why=" ")
        assert (refused.status_code, "Give a reason of one line" in refused.text) == (422, True)
        assert there(await operator.submit(shown, page, why=WHY)) == f"/mails/{BLOCKED}"
        told = (await operator.get(f"/mails/{BLOCKED}")).text
        again = await operator.get(page)
    assert "in flight again" in told and WHY in told and "Decided before" in told
    assert again.status_code == 409 and "it is in flight" in again.text
    kept = await books.store.ledger.get(BLOCKED)
    assert kept is not None and (kept.state, kept.version) == (State.STORED, 2)
    (record,) = await books.store.audit.page(kind="Mail", name=BLOCKED)
    assert (record.action, record.who) == ("replay", f"user {name_of(Role.OPERATOR)}")


async def test_a_ticket_is_made_anyway_by_an_order_that_overrules_the_filter(books: Console) -> None:
    page = f"/mails/{BLOCKED}/ticket"
    async with await books.signed_in(Role.OPERATOR) as operator:
        await operator.submit(await operator.get(page), page, why=WHY)
    kept = await books.store.ledger.get(BLOCKED)
    assert kept is not None and kept.replay is not None
    assert (kept.replay.as_ticket, kept.replay.why) == (True, WHY)


async def test_a_mail_in_quarantine_is_discarded_with_a_reason(books: Console) -> None:
    page = f"/mails/{STUCK}/discard"
    async with await books.signed_in(Role.OPERATOR) as operator:
        shown = await operator.get(page)
        assert (await operator.submit(shown, page, why="")).status_code == 422
        assert there(await operator.submit(shown, page, why="A test.")) == f"/mails/{STUCK}"
        assert "The mail is discarded." in (await operator.get(f"/mails/{STUCK}")).text
        assert (await operator.get(page)).status_code == 409
    kept = await books.store.ledger.get(STUCK)
    assert kept is not None and kept.decision is not None and kept.decision.reason is Reason.DISCARDED


async def test_what_was_odd_about_a_mail_is_told_on_its_page_and_in_the_api(books: Console) -> None:
    await books.store.ledger.insert_many([entry("odd", uid=99)])
    steps = oddities(email(flags=("too_deep", "flag_of_a_newer_version")))
    write = DecisionWrite(mail_id="odd", decision=decision(ticket_id="t9", number="INC-000099"), trace=steps)
    await books.store.ledger.decide_many([write])
    async with await books.signed_in(Role.VIEWER) as viewer:
        page = (await viewer.get("/mails/odd")).text
        told = (await viewer.get("/api/v1/mails/odd")).json()
        plain = (await viewer.get(f"/api/v1/mails/{OPENED}")).json()
    assert "<dt>Flags</dt><dd>Too deep, Flag of a newer version</dd>" in page
    assert "It nests deeper than 20 levels; what lies deeper was not opened." in page
    assert (told["flags"], plain["flags"]) == (["too_deep", "flag_of_a_newer_version"], [])
    assert told["timeline"][2]["step"] == "oddities"


async def test_a_mail_whose_raw_is_gone_says_since_when_and_offers_nothing_that_needs_it(books: Console) -> None:
    mails = await books.store.fading.named([BLOCKED])
    await books.store.fading.drop(Part.RAW, mails, AT)
    async with await books.signed_in(Role.OPERATOR) as operator:
        page = (await operator.get(f"/mails/{BLOCKED}")).text
        refused = await operator.get(f"/api/v1/mails/{BLOCKED}/raw")
    assert page.count("The raw mail is gone since 2026-03-01, at the end of its retention.") == 2
    assert not set(re.findall(rf'href="/mails/{BLOCKED}/([a-z]+)"', page)) & {"raw", "replay", "ticket"}
    assert (refused.status_code, refused.json()["code"]) == (404, "raw_missing")
    assert "at the end of its retention" in refused.text


async def test_a_mail_of_which_only_the_bare_row_is_left_can_be_looked_at(books: Console) -> None:
    await books.store.fading.drop(Part.ROW, await books.store.fading.named([BLOCKED]), AT)
    async with await books.signed_in(Role.OPERATOR) as operator:
        page = (await operator.get(f"/mails/{BLOCKED}")).text
        found = (await operator.get(f"/api/v1/mails/{BLOCKED}")).json()
    assert "Who sent it, and what it was about, is gone since 2026-03-01" in page
    assert (found["sender"], found["subject"], found["outcome"]) == (None, "", "rejected")
    assert SENDER not in page
    assert found["summary"].startswith("It was rejected. Who sent it")
