"""Tickets, attachments, mails and audit log through the API."""

import asyncio
import os
import signal
import sys
from datetime import timedelta

import httpx
import pytest

from shared.domain.access import Role
from shared.domain.decision import Classification, Kind, Reason, Related, Relation, Step, Verdict
from shared.domain.ledger import DecisionWrite
from shared.domain.mailbox import Module
from shared.domain.ticket import Acknowledgement, AcknowledgementState, Appended, Article, ArticleKind, Ticket
from tests.support.builders import AT, article, attachment, decision, entry
from tests.support.processes import is_alive

RAW = (
    b"From: a@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    b"--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=a.html\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nPHNjcmlwdD4=\r\n--b--\r\n"
)


def ticket(number: int, **changes) -> Ticket:
    first = Article(
        mail_id=f"m{number}",
        message_id=None,
        sender=None,
        text="hello",
        html=None,
        attachments=(attachment(filename='r\u00e9sum\u00e9 "1".html', content_type="text/html"),),
        received_at=AT,
    )
    fields = {
        "ticket_id": f"t{number:03d}",
        "number": f"INC-{number:06d}",
        "module": Module.TICKET,
        "mailbox": "support",
        "origin_mail_id": f"m{number}",
        "subject": f"Subject {number}",
        "requester": None,
        "classification": Classification(),
        "articles": (first,),
        "created_at": AT + timedelta(seconds=number // 3),
        "received_at": AT,
    }
    return Ticket(**{**fields, **changes})


async def pages(api, path: str) -> list[list[dict]]:
    found, cursor = [], ""
    while True:
        answer = (await api("GET", f"{path}{cursor}", Role.VIEWER)).json()
        found.append(answer["items"])
        if answer["nextCursor"] is None:
            return found
        cursor = f"&cursor={answer['nextCursor']}"


async def test_pages_of_tickets_hold_each_ticket_once_newest_first_also_at_one_instant(api) -> None:
    await api.store.tickets.insert_many([ticket(number) for number in range(11)])
    found = await pages(api, "/tickets?limit=4")
    assert [len(one) for one in found] == [4, 4, 3]
    numbers = [one["number"] for page in found for one in page]
    assert len(set(numbers)) == 11
    assert numbers[:2] == ["INC-000010", "INC-000009"]


async def test_pages_of_mails_and_of_the_audit_log_hold_each_once(api) -> None:
    await api.store.ledger.insert_many([entry(f"m{n}", uid=n + 1) for n in range(7)])
    assert len({one["mailId"] for page in await pages(api, "/mails?limit=3") for one in page}) == 7
    for n in range(5):
        await api.store.audit.append("somebody", "update", "Mailbox", f"box-{n}")
    first = (await api("GET", "/audit?limit=2")).json()
    second = (await api("GET", f"/audit?limit=2&cursor={first['nextCursor']}")).json()
    assert [one["name"] for one in first["items"] + second["items"]] == ["box-4", "box-3", "box-2", "box-1"]


@pytest.mark.parametrize("cursor", ["nonsense", "W10=", "WzEsIm1cdTAwMDAiXQ==", "WzFlOTksImEiXQ=="])
async def test_a_foreign_cursor_is_a_problem(api, cursor) -> None:
    for path in ("/tickets", "/mails", "/audit"):
        answer = await api("GET", f"{path}?cursor={cursor}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor"), path


async def test_an_attachment_is_a_harmless_download_of_its_decoded_bytes(api) -> None:
    await api.store.tickets.insert_many([ticket(1)])
    await api.store.raw.put_many({"m1": RAW})
    shown = (await api("GET", "/tickets/inc-000001", Role.VIEWER)).json()
    href = shown["conversation"][0]["attachments"][0]["href"].removeprefix("/api/v1")
    answer = await api("GET", href, Role.VIEWER)
    assert answer.content == b"<script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"r_sum_ _1_.html\"; filename*=UTF-8''r%C3%A9sum%C3%A9%20%221%22.html"
    )
    for wrong in (href.replace("/2", "/9"), href.replace("m1", "m2"), href.replace("000001", "000009")):
        assert (await api("GET", wrong)).status_code == 404


def reply(mail_id: str = "m2", **changes) -> Appended:
    text = "It is out.\n\nOn Monday, support wrote:\n> We received your mail.\n"
    fields = {"kind": ArticleKind.REPLY, "text": text, "attachments": (attachment(filename="b.html"),), **changes}
    return Appended(ticket_id="t001", article=article(mail_id, **fields), at=AT)


async def test_a_ticket_is_shown_with_its_whole_conversation(api) -> None:
    related = Related(ticket_id="t000", number="INC-000000", relation=Relation.FOLLOW_UP)
    answer = Acknowledgement(state=AcknowledgementState.SUPPRESSED, code="list", sentence="From a list.", at=AT)
    await api.store.tickets.insert_many([ticket(1, related=related, acknowledgement=answer), ticket(2)])
    note = reply("m3", kind=ArticleKind.NOTE, received_at=AT + timedelta(seconds=5))
    await api.store.articles.insert_many([note, reply()])
    shown = (await api("GET", "/tickets/INC-000001", Role.VIEWER)).json()
    told = [(one["mailId"], one["kind"]) for one in shown["conversation"]]
    assert told == [("m1", "original"), ("m2", "reply"), ("m3", "note")]
    second = shown["conversation"][1]
    assert (second["subject"], second["new"].strip()) == ("Re: Printer on fire", "It is out.")
    assert second["text"].endswith("> We received your mail.\n"), "all of it"
    assert shown["related"] == {"ticketId": "t000", "number": "INC-000000", "relation": "follow_up"}
    assert (shown["acknowledgement"]["state"], shown["acknowledgement"]["code"]) == ("suppressed", "list")
    assert (shown["state"], shown["messages"], shown["changedAt"]) == ("open", 3, None)
    listed = (await api("GET", "/tickets")).json()["items"]
    assert {one["number"]: one["messages"] for one in listed} == {"INC-000001": 3, "INC-000002": 1}


async def test_an_attachment_of_a_reply_is_got_from_its_own_mail_and_only_through_its_ticket(api) -> None:
    await api.store.tickets.insert_many([ticket(1), ticket(2)])
    await api.store.articles.insert_many([reply("m7")])
    await api.store.raw.put_many({"m7": RAW})
    answer = await api("GET", "/tickets/INC-000001/messages/m7/attachments/2", Role.VIEWER)
    assert answer.content == b"<script>"
    assert "b.html" in answer.headers["content-disposition"]
    for wrong in ("INC-000002/messages/m7/attachments/2", "INC-000001/messages/m7/attachments/1"):
        assert (await api("GET", f"/tickets/{wrong}")).json()["code"] == "unknown_attachment"


async def test_an_operator_closes_a_ticket_and_opens_it_again_and_the_audit_log_has_both(api) -> None:
    await api.store.tickets.insert_many([ticket(1)])
    for action, state in (("close", "closed"), ("close", "closed"), ("reopen", "open"), ("reopen", "open")):
        answer = await api("POST", f"/tickets/inc-000001/{action}", Role.OPERATOR)
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    assert answer.json()["changedAt"] is not None
    log = (await api("GET", "/audit?kind=Ticket&name=INC-000001")).json()["items"]
    assert [(one["action"], one["name"], one["new"]) for one in log] == [
        ("reopen", "INC-000001", {"state": "open"}),
        ("close", "INC-000001", {"state": "closed"}),
    ]
    assert "operator" in log[0]["who"]
    assert (await api("POST", "/tickets/INC-000009/close")).json()["code"] == "unknown_ticket"


async def test_the_timeline_of_a_reply_says_what_matched_and_where_it_is(api) -> None:
    step = Step(
        stage="ticket_writer",
        rule="conversation",
        verdict=Verdict.CHOSE,
        sentence="It answers INC-000001.",
        looked_at={"matched_by": "in_reply_to"},
    )
    made = decision(kind=Kind.REPLY, reason=Reason.REPLY_APPENDED, ticket_id="t001", number="INC-000001")
    await api.store.ledger.insert_many([entry("m2")])
    await api.store.ledger.decide_many([DecisionWrite(mail_id="m2", decision=made, trace=(step,))])
    await api.store.tickets.insert_many([ticket(1)])

    async def told() -> list[tuple[str, str]]:
        found = (await api("GET", "/mails/m2", Role.VIEWER)).json()["timeline"]
        return [(one["step"], one["verdict"]) for one in found][2:]

    assert ("article", "missing") in await told()
    await api.store.articles.insert_many([reply()])
    await api.store.ledger.mark_done(["m2"])
    assert await told() == [
        ("conversation", "chose"),
        ("reply_appended", "reply"),
        ("article", "written"),
        ("ticket.replied", "published"),
    ]


async def test_a_mail_is_found_and_its_timeline_told(api) -> None:
    await api.store.ledger.insert_many([entry("m1")])
    assert [one["mailId"] for one in (await api("GET", "/mails?mailbox=support")).json()["items"]] == ["m1"]
    assert (await api("GET", "/mails?mailbox=other")).json()["items"] == []
    told = (await api("GET", "/mails/m1", Role.VIEWER)).json()
    assert [one["step"] for one in told["timeline"]] == ["delivered", "fetched"]
    assert (await api("GET", "/mails/m2")).json()["code"] == "unknown_mail"


@pytest.mark.parametrize(
    "path", ["/mails?subject=%00", "/mails?sender=%0d%0a", "/tickets?module=x", "/tickets?limit=0"]
)
async def test_a_hostile_query_is_a_problem(api, path) -> None:
    answer = await api("GET", path)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.row(86)
async def test_search_takes_a_pattern_as_text(api) -> None:
    await api.store.ledger.insert_many([entry("m1")])
    assert (await api("GET", "/mails?subject=(a%2B)%2B%24")).json()["items"] == []


@pytest.mark.row(86)
@pytest.mark.parametrize("field", ["subject", "sender", "mailbox", "reason", "messageId"])
async def test_search_takes_an_operator_of_the_store_as_text(api, field) -> None:
    await api.store.ledger.insert_many([entry("m1")])
    assert [one["mailId"] for one in (await api("GET", "/mails")).json()["items"]] == ["m1"]
    answer = await api("GET", f"/mails?{field}=%7B%22%24ne%22%3A1%7D")
    assert answer.status_code == 422 or answer.json()["items"] == []


async def test_unknown_paths_and_methods_are_problems_with_safe_headers(api) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("PATCH", "/mailboxes", 405), ("TRACE", "/health", 405)):
        answer = await api(method, path)
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_console_starts_as_a_process_serves_and_stops(store, store_settings, tmp_path) -> None:
    _, secret = await store.api_tokens.create("probe", Role.VIEWER, created_by="a test")
    env = {
        "PATH": os.defpath,
        "MAIL_AUTOMATOR_STORE_URL": store_settings.url.get_secret_value(),
        "MAIL_AUTOMATOR_STORE_DATABASE": store_settings.database,
        "MAIL_AUTOMATOR_CONSOLE_PORT": "0",
        "MAIL_AUTOMATOR_LOG_FORMAT": "json",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.console",
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        port = await asyncio.wait_for(_port(process), 30)
        async with httpx.AsyncClient() as client:
            headers = {"Authorization": f"Bearer {secret.get_secret_value()}"}
            answer = await client.get(f"http://127.0.0.1:{port}/api/v1/health", headers=headers)
        assert answer.json()["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if is_alive(process.pid):
            process.kill()


async def _port(process: asyncio.subprocess.Process) -> int:
    import json

    while line := await process.stdout.readline():
        told = json.loads(line) if line.startswith(b"{") else {}
        if told.get("event") == "listening":
            return told["port"]
    raise AssertionError("the console ended")
