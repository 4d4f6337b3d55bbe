"""Back-tests over HTTP, on mails that went through the real stages: changes and counts, streamed or as one document."""

import asyncio

import pytest

from services.console.api import backtests
from services.filter import parser_worker
from shared.domain.access import Role
from tests.contract.api.test_mailbox_tests_api import JSON, events
from tests.support.backtests import LETTERS, write_past

SAME = {"allowDuplicates": False, "onlyIfInTo": True}


async def ask(api, body, role=Role.OPERATOR, headers=JSON, span=None, **domains):
    sent = {**body(domains={**SAME, **domains}), **(span or {})}
    return await api("POST", "/mailboxes/support/backtest", role, json=sent, headers=headers)


def ends(found: dict) -> dict[str, tuple[str, str]]:
    return {one["mailId"]: (one["old"]["outcome"], one["new"]["outcome"]) for one in found["changes"]}


async def test_unchanged_rules_change_nothing_over_replies_repeats_and_rejections(api, body) -> None:
    await write_past(api.store, api.clock)
    found = (await ask(api, body)).json()
    assert found["changes"] == []
    counts = {"ticket": 5, "reply": 1, "duplicate": 1, "rejected: not_in_to": 1}
    assert (found["old"], found["new"], found["today"]) == (counts, counts, None)
    assert (found["examined"], found["changed"], found["byRules"], found["untested"]) == (8, 0, 0, {})


async def test_a_rule_turns_a_ticket_into_a_rejection_and_those_after_it_follow(api, body) -> None:
    """Ann is blocked: her mails are rejected; Eve's, which named Ann's ticket, still opens one."""
    await write_past(api.store, api.clock)
    found = (await ask(api, body, blockedSenders=["ann@people.example"])).json()
    blocked = "rejected: blocked_sender"
    assert ends(found) == {
        "a": ("ticket", blocked),
        "b": ("reply", blocked),
        "c": ("duplicate", blocked),
        "f": ("rejected: not_in_to", blocked),
        "g": ("ticket", blocked),
        "h": ("ticket", blocked),
    }
    first = found["changes"][0]
    assert (first["old"]["number"], first["sender"], first["today"]) == ("INC-000001", "ann@people.example", None)
    assert "ann@people.example" in first["why"][0]
    assert (await api("GET", "/mails/a")).json()["state"] == "done", "nothing is changed"
    assert await api.store.tickets.count() == 5


async def test_what_a_mail_becomes_counts_for_those_after_it(api, body) -> None:
    """The rejected mail would open a ticket: so its reply would be one, and its repeat be counted there."""
    await write_past(api.store, api.clock)
    found = (await ask(api, body, onlyIfInTo=False)).json()
    assert ends(found) == {
        "f": ("rejected: not_in_to", "ticket"),
        "g": ("ticket", "reply"),
        "h": ("ticket", "duplicate"),
    }
    assert {one["new"]["number"] for one in found["changes"]} == {"INC-…"}


async def test_where_the_rules_were_changed_since_the_ends_of_today_are_told_beside(api, body) -> None:
    await write_past(api.store, api.clock)
    saved = await api(
        "PUT",
        "/mailboxes/support",
        json=body(domains={**SAME, "blockedSenders": ["bob@people.example"]}),
        headers={"If-Match": "*"},
    )
    assert saved.status_code == 200
    found = (await ask(api, body, blockedSenders=["eve@evil.example"])).json()
    blocked = "rejected: blocked_sender"
    told = {
        one["mailId"]: (one["new"]["outcome"], one["today"] and one["today"]["outcome"]) for one in found["changes"]
    }
    assert told == {"d": ("ticket", blocked), "e": (blocked, None)}
    assert (found["changed"], found["byRules"], found["today"][blocked]) == (1, 2, 1)


async def test_repeats_are_found_without_what_was_claimed_when_they_came(api, body) -> None:
    """As where duplicates were allowed then: nothing was claimed."""
    await write_past(api.store, api.clock)
    await api.store.collection("fingerprints").delete({})
    assert (await ask(api, body)).json()["changes"] == []


async def test_the_stream_tells_progress_each_change_and_the_result(api, body) -> None:
    await write_past(api.store, api.clock)
    answer = await ask(api, body, headers={}, blockedSenders=["bob@people.example"])
    told = events(answer.text)
    assert [name for name, _ in told] == ["progress", "change", "progress", "result"]
    assert (told[0][1], told[2][1]) == ({"done": 0, "of": 8}, {"done": 8, "of": 8})
    assert (told[1][1]["mailId"], told[3][1]["changed"]) == ("d", 1)


async def test_only_the_newest_or_those_since_an_instant_are_tried(api, body) -> None:
    await write_past(api.store, api.clock)
    at = api.clock.now()
    assert (await ask(api, body, span={"last": 2})).json()["examined"] == 2
    since = at.replace(second=at.second - 4).isoformat()
    assert (await ask(api, body, span={"since": since})).json()["examined"] == 4
    assert (await ask(api, body, span={"last": 5001})).status_code == 422


async def test_a_mail_whose_raw_bytes_are_gone_is_counted_and_stays_what_it_was(api, body) -> None:
    await write_past(api.store, api.clock)
    await api.store.collection("raw").delete({"_id": "a"})
    found = (await ask(api, body)).json()
    assert (found["changes"], found["untested"], found["examined"]) == ([], {"raw_missing": 1}, 7)


async def test_of_a_mail_that_kills_its_parser_the_header_is_tried_and_it_harms_no_other(api, body) -> None:
    await write_past(api.store, api.clock)
    raw = api.store.raw
    whole = type(raw).get

    async def huge(mail_id: str) -> bytes:
        mail = await whole(raw, mail_id)
        return mail + bytes(parser_worker.MAX_MEMORY + 1) if mail_id == "d" else mail

    raw.get = huge
    found = (await ask(api, body)).json()
    assert ends(found) == {}
    assert (found["examined"], found["byRules"]) == (8, 0), "no rule does it"


async def test_a_keyword_moves_the_service_and_the_sentence_names_it(api) -> None:
    await write_past(api.store, api.clock)
    catalogue = {"services": [{"name": "network", "keywords": ["vpn"]}]}
    found = (await api("POST", "/catalogue/backtest", Role.OPERATOR, json=catalogue, headers=JSON)).json()
    (change,) = found["changes"]
    assert (change["mailId"], change["old"]["service"], change["new"]["service"]) == ("d", None, "network")
    assert change["why"] == ["The subject has the keyword “vpn” of the service network."]
    assert found["old"] == found["new"]
    other = {**catalogue, "mailbox": "sales"}
    found = (await api("POST", "/catalogue/backtest", Role.OPERATOR, json=other, headers=JSON)).json()
    assert found["examined"] == 0


async def test_a_keyword_shows_the_subjects_it_would_catch_and_who_takes_them_now(api) -> None:
    await write_past(api.store, api.clock)
    saved = {"services": [{"name": "printing", "keywords": ["printer"]}]}
    await api("PUT", "/catalogue", json=saved, headers={"If-Match": '"0"'})
    sent = {"kind": "service", "name": "fires", "keywords": ["printer on fire", "vpn", "flood"]}
    answer = await api("POST", "/keywords", Role.OPERATOR, json=sent)
    found = answer.json()
    assert (answer.status_code, found["searched"], found["unsearched"]) == (200, 8, 0)
    fire, vpn, flood = found["keywords"]
    assert (fire["subjects"], vpn["subjects"], flood["subjects"]) == (7, 1, 0)
    assert {(one["now"], one["new"]) for one in fire["newest"]} == {("printing", "fires")}
    assert [(one["subject"], one["now"], one["new"]) for one in vpn["newest"]] == [("VPN is slow", None, "fires")]


async def test_one_back_test_at_a_time_and_ten_a_minute_for_each_token(api, body) -> None:
    await write_past(api.store, api.clock)
    done, busy = sorted(await asyncio.gather(ask(api, body), ask(api, body)), key=lambda one: one.status_code)
    assert (done.status_code, busy.status_code) == (200, 429)
    assert (busy.json()["code"], busy.headers["retry-after"]) == ("too_many_requests", "10")
    api.clock.advance(seconds=61)
    answers = [(await ask(api, body, span={"last": 1})).status_code for _ in range(backtests.LIMIT + 1)]
    assert answers == [200] * backtests.LIMIT + [429]
    assert (await ask(api, body, role=Role.ADMINISTRATOR)).status_code == 200


@pytest.mark.parametrize(("sent", "status"), [({"metadata": {"name": "x"}}, 422), ({"last": 0}, 422)])
async def test_what_cannot_be_tried_is_refused_before_it_begins(api, body, sent: dict, status: int) -> None:
    await write_past(api.store, api.clock)
    answer = await api("POST", "/mailboxes/support/backtest", json={**body(), **sent}, headers=JSON)
    assert answer.status_code == status
    unknown = await api("POST", "/mailboxes/suport/backtest", json=body(), headers=JSON)
    assert unknown.status_code == 404
    missing = await ask(api, body, defaultService="nowhere")
    assert (missing.status_code, missing.json()["problems"][0]["what"]) == (422, 'no Service is named "nowhere"')
    assert len(LETTERS) == (await ask(api, body)).json()["examined"]
