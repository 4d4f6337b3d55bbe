"""Import of old mail through the API, with a fetcher that reads a real Dovecot, and without one."""

from datetime import UTC, datetime

import pytest

from shared.domain.access import Role
from shared.domain.mailbox_runtime import Phase
from tests.contract.imap.test_following_mailboxes import has, is_in
from tests.support.fetching import Published, eventually, following, support_mailbox, tools
from tests.support.imap import USER, mail

PATH = "/mailboxes/support/import"


async def test_old_mail_is_counted_by_a_dry_run_and_taken_once(api, dovecot) -> None:
    for number in range(3):
        dovecot.deliver(USER, mail(number), received=datetime(2026, 10, number + 1, 12, tzinfo=UTC))
    await api.store.mailboxes.put(support_mailbox(dovecot, start_from="now"), {})
    published = Published()
    async with following(api.store, tools(api.store, published)):
        await eventually(is_in(api.store, Phase.IDLE))
        assert (await api("GET", PATH, Role.VIEWER)).json()["code"] == "no_import"
        sent = {"since": "2026-10-02", "dryRun": True}
        counting = (await api("POST", PATH, Role.EDITOR, json=sent)).json()
        assert counting["state"] in ("counting", "counted")

        async def counted() -> bool:
            return (await api("GET", PATH, Role.VIEWER)).json()["state"] == "counted"

        await eventually(counted)
        told = (await api("GET", PATH, Role.VIEWER)).json()
        assert (told["count"], told["since"], told["confirmedAt"]) == (2, "2026-10-02", None)
        assert published.messages == []

        async def ordered() -> bool:
            answer = await api("POST", PATH, Role.EDITOR, json={"since": "2026-10-02"})
            return answer.status_code == 200 and answer.json()["state"] in ("taking", "taken")

        await eventually(ordered)
        await eventually(has(published, 2))
        other = await api("POST", PATH, Role.EDITOR, json={"dryRun": True})
        assert other.status_code in (200, 409)
    records = await api.store.audit.page(kind="Mailbox", name="support")
    (record,) = [one for one in records if one.action == "import"]
    assert record.new == {"since": "2026-10-02", "mails": 2}
    assert {one.raw for one in published.messages} == {mail(1), mail(2)}


async def test_without_a_fetcher_nothing_is_taken_uncounted(api, body) -> None:
    await api("POST", "/mailboxes", json=body())
    counting = await api("POST", PATH, Role.EDITOR, json={"dryRun": True})
    assert (counting.status_code, counting.json()["state"], counting.json()["count"]) == (200, "counting", None)
    refused = await api("POST", PATH, Role.EDITOR, json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_counted")
    assert [one.action for one in await api.store.audit.page(kind="Mailbox", name="support")] == ["create"]


@pytest.mark.parametrize("since", ["yesterday", "2026-02-30", 20261001, "2026-10-01T00:00:00Z", ""])
async def test_what_is_no_day_is_refused(api, body, since) -> None:
    await api("POST", "/mailboxes", json=body())
    assert (await api("POST", PATH, json={"since": since})).status_code == 422


async def test_another_import_waits_for_the_one_under_way(api, body) -> None:
    await api("POST", "/mailboxes", json=body())
    wishes, now = api.store.wishes, api.clock.now()
    lease = await api.store.runtime.acquire("support", "f", tools(api.store, Published()).ttl)
    wish = await wishes.ask_old_mail("support", "ada", None, now)
    assert lease and await wishes.note("support", lease, wish.model_copy(update={"count": 4}))
    assert await wishes.confirm_old_mail("support", wish.number, "ada", now)
    same = await api("POST", PATH, json={})
    assert (same.status_code, same.json()["state"], same.json()["confirmedBy"]) == (200, "taking", "ada")
    other = await api("POST", PATH, json={"since": "2026-10-01", "dryRun": True})
    assert (other.status_code, other.json()["code"]) == (409, "import_under_way")
