"""Mailboxes and catalogue through the API: conditions, repeats, secrets, audit, versions."""

import asyncio

import pytest

from services.console.configuration.documents import parse
from services.console.configuration.source import parse as read_yaml
from shared.domain.access import Role
from shared.domain.mailbox_runtime import MASS_REAPPEARANCE, MailboxStatus, Phase
from tests.contract.api.conftest import CANARY
from tests.support.canary import secret


async def create(api, body, **spec):
    answer = await api("POST", "/mailboxes", Role.EDITOR, json=body(**spec))
    assert answer.status_code == 201, answer.text
    return answer


def as_sent(view: dict) -> dict:
    return {"metadata": view["metadata"], "spec": view["spec"]}


async def test_a_mailbox_is_created_with_its_secret_sealed_and_services_are_told(api, body) -> None:
    answer = await create(api, body)
    assert answer.headers["location"] == "/api/v1/mailboxes/support"
    assert answer.headers["etag"] == '"1"'
    assert answer.json()["spec"]["auth"]["passwordFrom"]["stored"] is True
    stored = await api.store.mailboxes.get("support")
    assert (await api.store.secrets.reveal(stored, "auth.password")).get_secret_value() == CANARY
    assert stored.managed_by == "console"
    assert len(api.told) == 1


async def test_a_second_mailbox_of_the_same_name_is_refused(api, body) -> None:
    await create(api, body)
    answer = await api("POST", "/mailboxes", json=body())
    assert (answer.status_code, answer.json()["code"]) == (409, "exists")


async def test_of_many_who_create_a_mailbox_at_once_one_does_and_nobody_overwrites_it(api, body) -> None:
    sent = [body(email=f"{n}@example.com") for n in range(6)]
    answers = await asyncio.gather(*(api("POST", "/mailboxes", json=one) for one in sent))
    (made,) = [one for one in answers if one.status_code == 201]
    assert [(one.status_code, one.json()["code"]) for one in answers if one is not made] == [(409, "exists")] * 5
    stored = await api.store.mailboxes.get("support")
    assert (stored.spec.email, stored.revision) == (made.json()["spec"]["email"], 1)


async def test_what_was_read_can_be_sent_back_and_keeps_its_secret(api, body) -> None:
    await create(api, body)
    view = (await api("GET", "/mailboxes/support")).json()
    sent = as_sent(view)
    sent["spec"]["imap"]["folder"] = "Archive"
    answer = await api("PUT", "/mailboxes/support", Role.EDITOR, json=sent, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    stored = await api.store.mailboxes.get("support")
    assert stored.spec.imap.folder == "Archive"
    assert (await api.store.secrets.reveal(stored, "auth.password")).get_secret_value() == CANARY


@pytest.mark.row(83)
async def test_a_stored_secret_never_goes_to_another_host(api, body) -> None:
    await create(api, body)
    sent = as_sent((await api("GET", "/mailboxes/support")).json())
    sent["spec"]["imap"]["host"] = "imap.attacker.example"
    answer = await api("PUT", "/mailboxes/support", json=sent, headers={"If-Match": '"1"'})
    assert answer.status_code == 422
    told = "the IMAP server (host) changed since the stored password was given"
    assert answer.json()["problems"][0]["what"] == told


async def test_a_stored_secret_never_goes_to_another_smtp_server_neither_by_a_change_nor_by_a_roll_back(
    api, body
) -> None:
    await create(api, body, smtp={"host": "smtp.old.example"})
    changed = body(smtp={"host": "smtp.example.com"})
    await api("PUT", "/mailboxes/support", json=changed, headers={"If-Match": '"1"'})
    sent = as_sent((await api("GET", "/mailboxes/support")).json())
    sent["spec"]["smtp"]["host"] = "smtp.attacker.example"
    answers = [
        await api("PUT", "/mailboxes/support", json=sent, headers={"If-Match": '"2"'}),
        await api("POST", "/mailboxes/support/roll-back", json={"revision": 1}, headers={"If-Match": '"2"'}),
    ]
    for answer in answers:
        assert answer.status_code == 422
        (problem,) = answer.json()["problems"]
        assert problem["what"] == "the SMTP server (host) changed since the stored password was given"
        assert problem["remedy"] == "give the password again"
    assert (await api.store.mailboxes.get("support")).spec.smtp.host == "smtp.example.com"


async def test_a_mailbox_is_asked_to_be_read_once_and_not_while_it_is_paused(api, body) -> None:
    await create(api, body)
    answers = [(await api("POST", "/mailboxes/support/poll", Role.OPERATOR)).json()["reading"] for _ in range(2)]
    assert answers[0] == answers[1]
    assert (answers[0]["endedAt"], answers[0]["failure"]) == (None, "")
    assert answers[0]["who"].startswith("token operator")
    assert (await api("GET", "/mailboxes/support", Role.VIEWER)).json()["reading"] == answers[0]
    log = await api.store.audit.page(kind="Mailbox", name="support")
    assert [one.action for one in log] == ["poll", "create"], "a repeated wish changes nothing"
    await api("POST", "/mailboxes/support/pause")
    refused = await api("POST", "/mailboxes/support/poll", Role.OPERATOR)
    assert (refused.status_code, refused.json()["code"]) == (409, "mailbox_not_active")
    assert refused.json()["detail"] == "mailbox support is paused, so nobody reads it"
    assert refused.json()["remedy"] == "resume it: mail-automator mailbox resume support"


async def test_a_disabled_mailbox_is_not_asked_to_be_read(api, body) -> None:
    await create(api, body, enabled=False)
    refused = await api("POST", "/mailboxes/support/poll", Role.OPERATOR)
    assert (refused.status_code, refused.json()["remedy"]) == (409, "set enabled: true in its configuration")


@pytest.mark.parametrize(("method", "path"), [("PUT", ""), ("DELETE", ""), ("POST", "/roll-back")])
async def test_a_change_needs_the_etag_of_what_is_stored(api, body, method, path) -> None:
    await create(api, body)
    sent = None if method == "DELETE" else {"revision": 1} if path else body()
    missing = await api(method, f"/mailboxes/support{path}", json=sent)
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition_required")
    for tag in ('"7"', 'W/"1"', "1", ""):
        stale = await api(method, f"/mailboxes/support{path}", json=sent, headers={"If-Match": tag})
        assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed"), tag
        assert stale.headers["etag"] == '"1"'
    assert (await api.store.mailboxes.get("support")).revision == 1


async def test_a_repeated_create_is_done_once_and_answered_twice(api, body) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = await api("POST", "/mailboxes", json=body(), headers=headers)
    again = await api("POST", "/mailboxes", json=body(), headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert (again.headers["etag"], again.headers["idempotent-replayed"]) == (first.headers["etag"], "true")
    other = await api("POST", "/mailboxes", json=body("another"), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    stranger = await api("POST", "/mailboxes", Role.EDITOR, json=body("third"), headers=headers)
    assert stranger.status_code == 201


async def test_a_create_that_failed_may_be_tried_again_with_its_key(api, body) -> None:
    headers = {"Idempotency-Key": "k-2"}
    assert (await api("POST", "/mailboxes", json={"metadata": {}}, headers=headers)).status_code == 422
    assert (await api("POST", "/mailboxes", json=body(), headers=headers)).status_code == 201


async def test_versions_are_kept_and_can_be_rolled_back_to(api, body) -> None:
    await create(api, body)
    changed = body(email="other@example.com", auth={"type": "basic", "username": "u", "password": CANARY})
    await api("PUT", "/mailboxes/support", json=changed, headers={"If-Match": '"1"'})
    found = (await api("GET", "/mailboxes/support/versions", Role.VIEWER)).json()["items"]
    assert [one["revision"] for one in found] == [2, 1]
    refused = await api("POST", "/mailboxes/support/roll-back", json={"revision": 1}, headers={"If-Match": '"2"'})
    assert refused.status_code == 422  # the stored secret is now another user's
    await api("PUT", "/mailboxes/support", json=body(domains={"onlyIfInTo": True}), headers={"If-Match": '"2"'})
    back = await api("POST", "/mailboxes/support/roll-back", json={"revision": 1}, headers={"If-Match": '"3"'})
    assert (back.status_code, back.json()["revision"]) == (200, 4)
    assert back.json()["spec"]["domains"]["onlyIfInTo"] is False
    unknown = await api("POST", "/mailboxes/support/roll-back", json={"revision": 99}, headers={"If-Match": '"4"'})
    assert unknown.status_code == 404


async def test_a_mailbox_is_paused_resumed_and_deleted(api, body) -> None:
    await create(api, body)
    assert (await api("POST", "/mailboxes/support/pause", Role.OPERATOR)).json()["paused"] is True
    assert (await api.store.mailboxes.get("support")).paused
    assert (await api("POST", "/mailboxes/support/resume", Role.OPERATOR)).json()["status"][
        "state"
    ] == "never_connected"
    gone = await api("DELETE", "/mailboxes/support", Role.EDITOR, headers={"If-Match": '"1"'})
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await api("GET", "/mailboxes/support")).status_code == 404
    assert len((await api("GET", "/mailboxes/support/versions")).json()["items"]) == 1


async def test_mails_that_came_back_in_masses_are_accepted_once_they_wait(api, body) -> None:
    """The word goes to the fetcher through the store, and into the audit log."""
    await create(api, body)
    path = "/mailboxes/support/accept-reappearance"
    early = await api("POST", path, Role.OPERATOR)
    assert (early.status_code, early.json()["code"]) == (409, "nothing_waits")
    assert (await api("POST", path, Role.VIEWER)).status_code == 403
    status = MailboxStatus(
        state=Phase.NEEDS_ATTENTION, code=MASS_REAPPEARANCE, sentence="600 mails", since=api.clock.now()
    )
    await api.store.runtime.set_status("support", status)
    assert not await api.store.runtime.reappearance_accepted("support")
    assert (await api("POST", path, Role.OPERATOR)).status_code == 200
    assert await api.store.runtime.reappearance_accepted("support")
    newest, *_ = (await api("GET", "/audit")).json()["items"]
    assert (newest["action"], newest["new"]) == ("accept_reappearance", {"sentence": "600 mails"})


async def test_what_git_manages_is_not_changed_by_accident(api, body) -> None:
    await create(api, body)
    stored = await api.store.mailboxes.get("support")
    await api.store.mailboxes.put(stored.model_copy(update={"managed_by": "apply"}), {})
    sent, headers = body(email="x@example.com"), {"If-Match": '"2"'}
    refused = await api("PUT", "/mailboxes/support", json=sent, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "managed_by_apply")
    assert (await api("DELETE", "/mailboxes/support", headers=headers)).status_code == 409
    back = await api("POST", "/mailboxes/support/roll-back", json={"revision": 1}, headers=headers)
    assert (back.status_code, back.json()["code"]) == (409, "managed_by_apply")
    for move in ("pause", "resume"):
        assert (await api("POST", f"/mailboxes/support/{move}", Role.OPERATOR)).status_code == 200
    sent["spec"]["auth"]["password"] = secret("typed again")
    taken = await api("PUT", "/mailboxes/support?force=true", json=sent, headers=headers)
    assert (taken.status_code, taken.json()["managedBy"]) == (200, "console")


async def test_no_secret_comes_back_in_any_answer_or_in_the_audit_log(api, body) -> None:
    await create(api, body)
    await api("POST", "/mailboxes", json=body("twice", auth={"type": "basic", "password": CANARY, "pasword": CANARY}))
    await api("POST", "/mailboxes", json=body("odd", email=CANARY))
    await api("POST", "/mailboxes", content=f'{{"metadata": "{CANARY}', headers={"Content-Type": "application/json"})
    await api("PUT", "/mailboxes/support", json=body(aliases=["a@example.com"]), headers={"If-Match": '"1"'})
    sent = body(auth={"type": "basic", "password": CANARY + "-new"})
    await api("PUT", "/mailboxes/support", json=sent, headers={"If-Match": '"2"'})
    for path in ("/mailboxes", "/mailboxes/support", "/mailboxes/support/versions"):
        await api("GET", path)
    log = (await api("GET", "/audit?kind=Mailbox&name=support")).json()["items"]
    assert [one["secrets"] for one in log] == [{"auth.password": fate} for fate in ("changed", "unchanged", "changed")]
    await api("DELETE", "/mailboxes/support", headers={"If-Match": '"3"'})
    assert not [text for text in api.seen if CANARY in text]
    for name in ("audit", "mailboxes", "mailbox_versions", "api_requests", "api_tokens"):
        assert CANARY not in str(await api.store.collection(name).find({}))


async def test_each_change_is_in_the_audit_log_with_who_old_and_new(api, body) -> None:
    await create(api, body)
    await api("PUT", "/mailboxes/support", json=body(aliases=["a@example.com"]), headers={"If-Match": '"1"'})
    api.clock.advance(seconds=1)
    await api("POST", "/mailboxes/support/pause", Role.OPERATOR)
    newest, *_ = log = (await api("GET", "/audit")).json()["items"]
    assert (newest["action"], newest["old"], newest["new"]) == ("pause", {"paused": False}, {"paused": True})
    assert newest["who"].startswith("token operator (")
    update = next(one for one in log if one["action"] == "update")
    assert "aliases" not in update["old"]["spec"]
    assert update["new"]["spec"]["aliases"] == ["a@example.com"]
    assert next(one for one in log if one["action"] == "create")["old"] is None


@pytest.mark.parametrize("source", [{"file": "/etc/passwd"}, {"env": "MAIL_AUTOMATOR_STORE_URL"}])
async def test_only_an_administrator_lets_a_mailbox_read_the_servers_files_and_variables(api, body, source) -> None:
    sent = body(auth={"type": "basic", "passwordFrom": source})
    refused = await api("POST", "/mailboxes", Role.EDITOR, json=sent)
    assert (refused.status_code, refused.json()["code"]) == (403, "secret_source_forbidden")
    assert (await api("POST", "/mailboxes", Role.ADMINISTRATOR, json=sent)).status_code == 201
    sent["spec"]["imap"]["host"] = "imap.attacker.example"
    moved = await api("PUT", "/mailboxes/support", Role.EDITOR, json=sent, headers={"If-Match": '"1"'})
    assert moved.status_code == 403


HOSTILE = [
    {"metadata": {"name": {"$ne": 1}}, "spec": {}},
    {"metadata": {"name": "a", "labels": {"$where": "1", "a.b": "c"}}, "spec": {}},
    {"metadata": {"name": "a"}, "spec": {"email": {"$gt": ""}, "module": {"$ne": 1}, "imap": {"host": ["x"]}}},
    {"metadata": {"name": "a"}, "spec": {}, "apiVersion": "other"},
    {"metadata": {"name": "a\u0000"}, "spec": None},
    [],
    None,
    7,
]


@pytest.mark.parametrize("sent", HOSTILE, ids=str)
@pytest.mark.row(86)
async def test_operators_and_unknown_fields_are_refused_as_problems(api, sent) -> None:
    answer = await api("POST", "/mailboxes", json=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 415, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert await api.store.mailboxes.all() == ()


async def test_label_keys_are_no_operators(api, body) -> None:
    for key in ("$set", "a.b", "", "\x00"):
        sent = body()
        sent["metadata"]["labels"] = {key: "x"}
        assert (await api("POST", "/mailboxes", json=sent)).status_code == 422, key


async def test_the_same_words_tell_a_mistake_as_in_yaml(api, body) -> None:
    answer = await api("POST", "/mailboxes", json=body(imap={"host": "h", "prot": 1}))
    (problem,) = answer.json()["problems"]
    assert 'unknown field "prot"' in problem["what"]
    assert problem["remedy"] == 'did you mean "port"?'
    assert problem["where"].endswith("spec.imap.prot")
    assert parse(read_yaml("apiVersion: mail-automator/v1\nkind: Department\nmetadata: {name: it}", "x")).catalogue


async def test_a_body_over_its_limit_and_of_another_kind_is_refused(api) -> None:
    large = await api("POST", "/mailboxes", content=b" " * 1_100_000, headers={"Content-Type": "application/json"})
    assert large.status_code == 413
    kind = await api("POST", "/mailboxes", content=b"a: 1", headers={"Content-Type": "application/yaml"})
    assert kind.status_code == 415


async def test_the_catalogue_is_replaced_whole_and_checked_against_mailboxes(api, body) -> None:
    sent = {"departments": [{"name": "it"}], "services": [{"name": "hr", "keywords": ["payroll"], "department": "it"}]}
    assert (await api("PUT", "/catalogue", json=sent)).status_code == 428
    saved = await api("PUT", "/catalogue", Role.EDITOR, json=sent, headers={"If-Match": '"0"'})
    assert (saved.status_code, saved.headers["etag"]) == (200, '"1"')
    assert (await api("PUT", "/catalogue", json=sent, headers={"If-Match": '"0"'})).status_code == 412
    missing = await api("POST", "/mailboxes", json=body(domains={"defaultService": "hrr"}))
    assert missing.json()["problems"][0]["remedy"] == 'did you mean "hr"?'
    await create(api, body, domains={"defaultService": "hr"})
    refused = await api("PUT", "/catalogue", json={}, headers={"If-Match": '"1"'})
    assert refused.status_code == 422
    await api("DELETE", "/mailboxes/support", headers={"If-Match": "*"})
    emptied = await api("PUT", "/catalogue", json={}, headers={"If-Match": '"1"'})
    assert (emptied.json()["services"], emptied.json()["revision"]) == ([], 2)
    assert (await api("GET", "/catalogue", Role.VIEWER)).json() == emptied.json()


async def test_mailboxes_are_listed_by_name_a_page_at_a_time(api, body) -> None:
    for name in ("c", "a", "b"):
        assert (await api("POST", "/mailboxes", json=body(name))).status_code == 201
    first = (await api("GET", "/mailboxes?limit=2", Role.VIEWER)).json()
    assert ([one["metadata"]["name"] for one in first["items"]], first["nextCursor"]) == (["a", "b"], "b")
    second = (await api("GET", "/mailboxes?limit=2&after=b", Role.VIEWER)).json()
    assert ([one["metadata"]["name"] for one in second["items"]], second["nextCursor"]) == (["c"], None)
