"""Tickets, attachments, mails and audit log through the API."""

import asyncio
import os
import signal
import sys
from datetime import timedelta

import httpx
import pytest

from shared.domain.access import Role
from shared.domain.decision import Classification
from shared.domain.mailbox import Module
from shared.domain.ticket import Article, Ticket
from tests.support.builders import AT, attachment, entry
from tests.support.processes import is_alive

RAW = (
    b"From: a@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    b"--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=a.html\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nPHNjcmlwdD4=\r\n--b--\r\n"
)


def ticket(number: int, **changes) -> Ticket:
    article = Article(
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
        "articles": (article,),
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


async def test_search_takes_a_pattern_as_text(api) -> None:
    await api.store.ledger.insert_many([entry("m1")])
    assert (await api("GET", "/mails?subject=(a%2B)%2B%24")).json()["items"] == []


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
