"""Use Default, raw mail and API tokens over HTTP."""

import pytest

from shared.domain.access import Role
from tests.support.builders import entry

RAW = b"From: a@example.org\r\nSubject: \xff\x00\r\n\r\nhello\r\n"


async def test_use_default_says_the_servers_of_an_address(api) -> None:
    found = (await api("GET", "/defaults?email=help@gmail.com", Role.VIEWER)).json()
    assert found["imap"] == {"host": "imap.gmail.com", "port": 993, "encryption": "implicit_tls"}
    chosen = (await api("GET", "/defaults?email=help@corp.example&provider=microsoft&auth=oauth2_microsoft")).json()
    assert chosen["smtp"] == {"host": "smtp.office365.com", "port": 587, "encryption": "starttls"}
    for wrong in ("/defaults", "/defaults?email=nobody", "/defaults?email=a@b.example&auth=magic"):
        answer = await api("GET", wrong)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), wrong


@pytest.mark.parametrize("size", [len(RAW), 3_000_000], ids=["inline", "in chunks"])
async def test_a_raw_mail_is_downloaded_byte_for_byte_and_that_is_written_down(api, size) -> None:
    raw = RAW + b"x" * (size - len(RAW))
    await api.store.ledger.insert_many([entry("m1")])
    await api.store.raw.put_many({"m1": raw})
    answer = await api("GET", "/mails/m1/raw", Role.OPERATOR)
    assert answer.content == raw
    assert answer.headers["content-type"] == "message/rfc822"
    assert answer.headers["content-length"] == str(size)
    assert answer.headers["content-disposition"] == 'attachment; filename="m1.eml"'
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    (record,) = (await api("GET", "/audit?kind=Mail&name=m1")).json()["items"]
    assert (record["action"], record["who"][:15]) == ("download", "token operator ")


async def test_a_raw_mail_that_is_gone_or_not_whole_is_a_problem_and_no_download(api) -> None:
    assert (await api("GET", "/mails/m1/raw")).json()["code"] == "unknown_mail"
    await api.store.ledger.insert_many([entry("m1")])
    assert (await api("GET", "/mails/m1/raw")).json()["code"] == "raw_missing"
    await api.store.raw.put_many({"m1": b"x" * 3_000_000})
    await api.store.collection("raw_large.chunks").delete({"files_id": "m1", "n": 3})
    assert (await api("GET", "/mails/m1/raw")).json()["code"] == "raw_missing"
    assert (await api("GET", "/audit?kind=Mail")).json()["items"] == []


async def test_a_token_is_made_shown_once_used_and_revoked(api) -> None:
    made = await api("POST", "/tokens", json={"name": "wall screen", "role": "operator", "days": 2})
    assert made.status_code == 201
    text = made.json()["token"]
    headers = {"Authorization": f"Bearer {text}"}
    assert (await api("GET", "/mailboxes", None, headers=headers)).status_code == 200
    listed = await api("GET", "/tokens")
    mine = next(one for one in listed.json()["items"] if one["name"] == "wall screen")
    assert (mine["role"], mine["createdBy"][:20]) == ("operator", "token administrator ")
    assert text not in listed.text and text[-32:] not in listed.text
    assert (await api("DELETE", f"/tokens/{mine['tokenId']}")).status_code == 204
    assert (await api("GET", "/mailboxes", None, headers=headers)).status_code == 401
    again = await api("DELETE", f"/tokens/{mine['tokenId']}")
    assert (again.status_code, again.json()["code"]) == (404, "unknown_token")
    log = (await api("GET", "/audit?kind=ApiToken")).json()["items"]
    assert [(one["action"], one["secrets"]) for one in log] == [
        ("revoke", {"token": "removed"}),
        ("create", {"token": "changed"}),
    ]
    assert text[-32:] not in str(log)


async def test_a_token_of_days_no_longer_opens_after_them(api) -> None:
    text = (await api("POST", "/tokens", json={"name": "short", "days": 1})).json()["token"]
    api.clock.advance(hours=23)
    headers = {"Authorization": f"Bearer {text}"}
    assert (await api("GET", "/health", None, headers=headers)).status_code == 200
    api.clock.advance(hours=2)
    assert (await api("GET", "/health", None, headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "sent", [{}, {"name": ""}, {"name": "a\nb"}, {"name": "a", "role": "root"}, {"name": "a", "days": 0}], ids=str
)
async def test_a_token_that_is_described_wrong_is_refused(api, sent) -> None:
    answer = await api("POST", "/tokens", json=sent)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert {one["name"] for one in (await api("GET", "/tokens")).json()["items"]} == {one.value for one in Role}
