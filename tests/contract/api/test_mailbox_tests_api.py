"""Testing a mailbox over HTTP: streamed step by step, counted, in the audit log, and never a way around the rules."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest

from services.console.probe.addresses import Rules
from shared.domain.access import Role
from tests.support.bad_certificates import make
from tests.support.canary import check, secret
from tests.support.dovecot import USERS
from tests.support.smtp import scripted_server, server_context, smtp_server

USER = "support@desk.example"
STEPS = ["resolve", "connect", "tls", "greeting", "capabilities", "authenticate", "folder"]
JSON = {"Accept": "application/json"}
LOCAL = Rules(allow_loopback=True, hide_refusals=False)
STRICT = Rules()


@pytest.fixture
def rules(request) -> Rules:
    """Servers on this machine may be tested, unless a test says otherwise."""
    return getattr(request, "param", LOCAL)


def imap_of(dovecot, **more) -> dict:
    return {"host": "localhost", "port": dovecot.tls_port, "caFile": str(dovecot.ca_file), **more}


def sent(body, dovecot, password=USERS[USER], **spec) -> dict:
    fields = {"email": USER, "imap": imap_of(dovecot), "auth": {"type": "basic", "password": password}}
    return body(**{**fields, **spec})


def events(text: str) -> list[tuple[str, dict]]:
    """The events of a stream: name and data. Every block is an event or a comment."""
    found = []
    for block in filter(None, text.split("\n\n")):
        if not block.startswith(":"):
            name, data = block.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def records(api, name: str) -> list[dict]:
    """The audit log of a name, oldest first."""
    return (await api("GET", f"/audit?kind=Mailbox&name={name}")).json()["items"][::-1]


async def test_unsaved_values_are_tested_step_by_step_and_nothing_is_kept(api, body, dovecot) -> None:
    answer = await api("POST", "/mailboxes/test", Role.EDITOR, json=sent(body, dovecot))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    *steps, (last, end) = events(answer.text)
    assert [(name, one["name"], one["outcome"]) for name, one in steps] == [("step", step, "ok") for step in STEPS]
    assert set(steps[0][1]) == {"chain", "name", "outcome", "milliseconds", "sentence", "remedy", "code"}
    assert (last, end["passed"]) == ("end", True)
    assert end["milliseconds"] >= sum(one["milliseconds"] for _, one in steps) - len(steps)
    assert await api.store.mailboxes.all() == ()
    begun, ended = await records(api, "unsaved")
    server = {"imap": f"localhost:{dovecot.tls_port}"}
    assert (begun["action"], begun["new"], begun["who"][:13]) == ("test", server, "token editor ")
    assert (ended["action"], ended["new"]) == ("tested", {**server, "passed": True, "codes": []})


async def test_the_whole_checklist_is_one_document_where_json_is_asked_for(api, body, dovecot) -> None:
    answer = await api("POST", "/mailboxes/test", json=sent(body, dovecot, password=secret("wrong")), headers=JSON)
    found = answer.json()
    assert (answer.status_code, found["passed"]) == (200, False)
    assert [one["outcome"] for one in found["steps"]] == ["ok"] * 5 + ["failed", "skipped"]
    assert found["steps"][5]["code"] == "IMAP_AUTH_DENIED" and found["steps"][5]["remedy"]
    _, ended = await records(api, "unsaved")
    assert (ended["new"]["passed"], ended["new"]["codes"], ended["outcome"]) == (False, ["IMAP_AUTH_DENIED"], "done")


async def test_a_step_is_told_as_soon_as_it_ended_and_a_client_that_leaves_ends_the_test(api, body) -> None:
    """The server never greets: that step takes eight seconds, of which the client stays three."""
    left = asyncio.Event()
    async with _silent_server(left) as port:
        imap = {"host": "localhost", "port": port, "encryption": "starttls"}
        async with _stream(api, body(imap=imap)) as lines:
            seen = []
            async for line in lines:
                seen.append(line)
                check(line, "a stream of the API")
                if line.startswith(":"):
                    break
        assert [json.loads(one[6:])["name"] for one in seen if one.startswith("data: ")] == ["resolve", "connect"]
        await asyncio.wait_for(left.wait(), 4)
    async with asyncio.timeout(20):
        while len(found := await records(api, "unsaved")) < 2:
            await asyncio.sleep(0.05)
    assert (found[1]["action"], found[1]["outcome"], found[1]["new"]["passed"]) == ("tested", "failed", False)


@asynccontextmanager
async def _silent_server(left: asyncio.Event):
    async def serve(reader, writer) -> None:
        await reader.read()
        left.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def _stream(api, content: dict):
    headers = {"Authorization": f"Bearer {api.tokens[Role.EDITOR]}"}
    async with (
        httpx.AsyncClient(base_url=api.url, timeout=20, headers=headers) as client,
        client.stream("POST", "/api/v1/mailboxes/test", json=content) as answer,
    ):
        assert answer.headers["cache-control"] == "no-store"
        yield answer.aiter_lines()


async def test_a_stored_mailbox_is_tested_with_its_stored_secret(api, body, dovecot) -> None:
    await api("POST", "/mailboxes", json=sent(body, dovecot))
    answer = await api("POST", "/mailboxes/support/test", Role.OPERATOR, headers=JSON)
    assert answer.json()["passed"] is True
    assert [one["action"] for one in await records(api, "support")] == ["create", "test", "tested"]
    missing = await api("POST", "/mailboxes/suport/test", Role.OPERATOR)
    assert (missing.status_code, missing.json()["remedy"]) == (404, 'did you mean "support"?')


async def test_changed_values_are_tested_with_the_stored_secret_by_an_editor_only(api, body, dovecot) -> None:
    await api("POST", "/mailboxes", json=sent(body, dovecot))
    edited = sent(body, dovecot, auth={"type": "basic", "passwordFrom": {"stored": True}})
    edited["spec"]["imap"]["folder"] = "Nowhere"
    refused = await api("POST", "/mailboxes/support/test", Role.OPERATOR, json=edited)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    answer = await api("POST", "/mailboxes/support/test", Role.EDITOR, json=edited, headers=JSON)
    assert answer.json()["steps"][-1]["code"] == "IMAP_FOLDER_MISSING"
    assert (await api.store.mailboxes.get("support")).spec.imap.folder == "INBOX"


CHANGED = {
    "host": lambda dovecot: {"imap": imap_of(dovecot, host="127.0.0.1")},
    "port and encryption": lambda dovecot: {
        "imap": imap_of(dovecot, port=dovecot.starttls_port, encryption="starttls")
    },
    "user": lambda _: {"auth": {"type": "basic", "username": "boss", "passwordFrom": {"stored": True}}},
}


@pytest.mark.parametrize("what", CHANGED)
@pytest.mark.row(83)
async def test_a_stored_secret_goes_to_no_other_host_port_encryption_or_user(api, body, dovecot, what) -> None:
    await api("POST", "/mailboxes", json=sent(body, dovecot))
    kept = {"auth": {"type": "basic", "passwordFrom": {"stored": True}}}
    edited = sent(body, dovecot, **{**kept, **CHANGED[what](dovecot)})
    found = (await api("POST", "/mailboxes/support/test", Role.EDITOR, json=edited, headers=JSON)).json()
    failed = next(one for one in found["steps"] if one["outcome"] == "failed")
    assert (failed["name"], failed["code"]) == ("authenticate", "IMAP_SECRET_BOUND_ELSEWHERE")
    assert "Login" not in dovecot.log_file.read_text(), "nothing was sent"


async def test_the_stored_secret_of_imap_goes_to_no_other_smtp_server(api, body, dovecot, tmp_path) -> None:
    files = make(tmp_path / "smtp")
    tls = server_context(files.certificate, files.key)
    async with (
        smtp_server(tls, USER, USERS[USER], implicit=True) as one,
        smtp_server(tls, "", "", implicit=True) as two,
    ):
        smtp = {"host": "localhost", "port": one, "caFile": str(files.ca_file)}
        await api("POST", "/mailboxes", json=sent(body, dovecot, smtp=smtp))
        kept = {"auth": {"type": "basic", "passwordFrom": {"stored": True}}}
        ends = {}
        for port in (one, two):
            edited = sent(body, dovecot, smtp={**smtp, "port": port}, **kept)
            found = await api("POST", "/mailboxes/support/test", json=edited, headers=JSON)
            ends[port] = found.json()["steps"][-1]
        saved = await api("PUT", "/mailboxes/support", json=edited, headers={"If-Match": "*"})
    assert ends[one]["outcome"] == "ok"
    assert (ends[two]["name"], ends[two]["code"]) == ("authenticate", "SMTP_SECRET_BOUND_ELSEWHERE")
    assert saved.status_code == 422 and "the SMTP server (port) changed" in saved.json()["problems"][0]["what"]


@pytest.mark.parametrize("source", [{"file": "/etc/hostname"}, {"env": "SUPPORT_PASSWORD"}])
async def test_only_an_administrator_has_the_servers_files_and_variables_read(api, body, dovecot, source) -> None:
    given = sent(body, dovecot, auth={"type": "basic", "passwordFrom": source})
    refused = await api("POST", "/mailboxes/test", Role.EDITOR, json=given)
    assert (refused.status_code, refused.json()["code"]) == (403, "secret_source_forbidden")
    assert (await api("POST", "/mailboxes", Role.ADMINISTRATOR, json=given)).status_code == 201
    same = await api("POST", "/mailboxes/support/test", Role.EDITOR, json=given, headers=JSON)
    assert same.json()["steps"][5]["code"] == "IMAP_AUTH_DENIED", "as it is stored, it may be tested"
    for part, changed in (("imap", imap_of(dovecot, host="127.0.0.1")), ("smtp", {"host": "localhost", "port": 465})):
        moved = {**given, "spec": {**given["spec"], part: changed}}
        refused = await api("POST", "/mailboxes/support/test", Role.EDITOR, json=moved)
        assert (refused.status_code, refused.json()["code"]) == (403, "secret_source_forbidden"), part


async def test_values_that_are_not_stored_have_no_stored_secret(api, body, dovecot) -> None:
    await api("POST", "/mailboxes", json=sent(body, dovecot))
    borrowed = sent(body, dovecot, auth={"type": "basic", "passwordFrom": {"stored": True}})
    refused = await api("POST", "/mailboxes/test", Role.EDITOR, json=borrowed)
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize("rules", [STRICT], indirect=True)
@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001", "169.254.169.254", "10.0.0.1"])
@pytest.mark.row(82)
async def test_no_spelling_of_an_inner_address_is_connected_to(api, body, host) -> None:
    found = await api("POST", "/mailboxes/test", json=body(imap={"host": host}), headers=JSON)
    assert found.json()["steps"][0]["code"] == "IMAP_ADDRESS_NOT_ALLOWED"
    begun, ended = await records(api, "unsaved")
    assert (begun["action"], begun["new"]["imap"].partition(":")[0]) == ("test", host)
    assert (ended["action"], ended["new"]["passed"]) == ("tested", False)
    assert "IMAP_ADDRESS_NOT_ALLOWED" in ended["new"]["codes"]


async def test_a_file_that_never_ends_is_no_certificate(api, body, dovecot) -> None:
    given = sent(body, dovecot, imap=imap_of(dovecot, caFile="/dev/zero"))
    found = await api("POST", "/mailboxes/test", json=given, headers=JSON)
    assert found.json()["steps"][2]["code"] == "IMAP_CA_FILE_UNREADABLE"


async def test_what_a_server_repeats_of_the_password_is_not_told(api, body) -> None:
    word = secret("repeated")
    async with scripted_server(b"* OK hi\r\n", b"%TAG% NO %LINE%\r\n") as port:
        imap = {"host": "localhost", "port": port, "encryption": "starttls"}
        await api("POST", "/mailboxes/test", json=body(imap=imap, auth={"type": "basic", "password": word}))
    assert not [text for text in api.seen if word in text]


@pytest.mark.parametrize("rules", [STRICT], indirect=True)
async def test_five_tests_a_minute_each_then_429_with_the_time_to_wait(api, body) -> None:
    given = body(imap={"host": "127.0.0.1"})
    assert (await api("POST", "/mailboxes/test", Role.EDITOR, json={})).status_code == 422  # counts for nothing
    for _ in range(5):
        assert (await api("POST", "/mailboxes/test", Role.EDITOR, json=given)).status_code == 200
        api.clock.advance(seconds=2)
    refused = await api("POST", "/mailboxes/test", Role.EDITOR, json=given)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "50")
    assert refused.headers["content-type"] == "application/problem+json"
    assert (await api("POST", "/mailboxes/test", Role.ADMINISTRATOR, json=given)).status_code == 200
    api.clock.advance(seconds=51)
    assert (await api("POST", "/mailboxes/test", Role.EDITOR, json=given)).status_code == 200
    assert (await api("POST", "/mailboxes/test", Role.EDITOR, json=given)).status_code == 429
