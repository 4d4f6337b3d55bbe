"""Old mail by page: counted by a real fetcher at a real Dovecot, confirmed, taken."""

from datetime import UTC, datetime, timedelta

from services.all_in_one.demo.dovecot import Dovecot
from shared.domain.access import Role
from shared.domain.mailbox_runtime import Phase
from tests.contract.imap.test_following_mailboxes import has, is_in
from tests.contract.web.test_mailbox_pages import plain, stored
from tests.support.console import Console, there
from tests.support.fetching import Published, eventually, following, support_mailbox, tools
from tests.support.imap import USER, mail

PAGE = "/mailboxes/support"
BEGAN = datetime(2026, 10, 1, 12, tzinfo=UTC)


async def test_old_mail_is_counted_by_date_confirmed_and_taken(console: Console, dovecot: Dovecot) -> None:
    for number in range(6):
        dovecot.deliver(USER, mail(number), received=BEGAN + timedelta(days=number - 2))
    published, store = Published(), console.store
    await store.mailboxes.put(support_mailbox(dovecot, start_from="now"), {})
    async with following(store, tools(store, published)), await console.signed_in(Role.EDITOR) as editor:
        await eventually(is_in(store, Phase.IDLE))
        assert f'href="{PAGE}/import"' in (await editor.get(PAGE)).text
        shown = await editor.get(f"{PAGE}/import")
        wrong = await editor.submit(shown, f"{PAGE}/import/count", since="yesterday")
        assert (wrong.status_code, "Give a day as 2026-10-01" in plain(wrong)) == (422, True)
        counted = await editor.submit(shown, f"{PAGE}/import/count", since="2026-10-01")
        assert there(counted) == f"{PAGE}/import"
        asked = await editor.get(f"{PAGE}/import")
        said = "4 mails become tickets, as the rules of the mailbox say; they are not acknowledged."
        assert said in plain(asked)
        assert 'value="2026-10-01"' in asked.text
        taken = await editor.submit(asked, f"{PAGE}/import")
        assert there(taken) == PAGE
        assert "Old mail is being taken: 4 mails, since 2026-10-01" in plain(await editor.get(PAGE))
        await eventually(has(published, 4))
        await eventually(is_in(store, Phase.IDLE))
        repeated = await editor.submit(asked, f"{PAGE}/import")
        assert there(repeated) == PAGE, "a form that is sent twice changes nothing"
        await editor.submit(shown, f"{PAGE}/import/count", since="")
        late = await editor.submit(asked, f"{PAGE}/import")
        assert (late.status_code, "count again" in plain(late).lower()) == (409, True)
        assert "2 mails, all of it" in plain(await editor.get(f"{PAGE}/import"))
    assert {one.raw for one in published.messages} == {mail(number) for number in range(2, 6)}
    (record,) = [one for one in await store.audit.page(kind="Mailbox", name="support") if one.action == "import"]
    assert (record.who, record.new) == ("user editor.person", {"since": "2026-10-01", "mails": 4})


async def test_of_a_paused_mailbox_nothing_is_counted(console: Console) -> None:
    await stored(console)
    async with await console.signed_in(Role.EDITOR) as editor:
        shown = await editor.get(f"{PAGE}/import")
        await console.store.mailboxes.set_paused("support", True)
        refused = await editor.submit(shown, f"{PAGE}/import/count", since="")
        assert (refused.status_code, "is paused, so nobody reads it" in plain(refused)) == (409, True)
        page = await editor.get(f"{PAGE}/import")
        assert ("Resume or enable it first" in plain(page), f"{PAGE}/import/count" in page.text) == (True, False)
    assert (await console.store.wishes.of("support")).old_mail is None
