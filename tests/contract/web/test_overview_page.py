"""The first page, as each role is shown it."""

from datetime import timedelta

from shared.domain.access import Role
from shared.domain.mailbox_runtime import MailboxStatus, Phase
from shared.store.client import Store
from tests.support.builders import mailbox
from tests.support.console import Console, running_console, there
from tests.support.embedded_store import FakeClock
from tests.support.overviews import write_days

MICROSOFT = {
    "type": "oauth2_microsoft",
    "client_id": "app-1",
    "tenant_id": "a-tenant",
    "client_secret_from": {"env": "SECRET"},
}


async def test_who_is_not_signed_in_is_sent_to_sign_in_and_a_new_system_shows_how_to_begin(console: Console) -> None:
    async with console.person() as stranger, await console.signed_in(Role.VIEWER) as viewer:
        assert there(await stranger.get("/")) == "/sign-in?next=%2F"
        assert "Three steps to the first ticket" in (await viewer.get("/")).text


async def test_mail_that_nobody_can_account_for_is_said_with_what_to_do(
    console: Console, store: Store, clock: FakeClock
) -> None:
    await write_days(store, clock, billing=2)
    async with await console.signed_in(Role.VIEWER) as viewer:
        shown = (await viewer.get("/")).text
    assert "They do not balance" in shown
    assert "2 mails have no end" in shown
    assert "mail-automator audit" in shown


async def test_a_token_that_ends_soon_is_told_to_administrators_alone(
    console: Console, store: Store, clock: FakeClock
) -> None:
    await write_days(store, clock)
    soon, late = clock.now() + timedelta(days=3), clock.now() + timedelta(days=90)
    await store.api_tokens.create("nightly export", Role.VIEWER, created_by="a test", expires_at=soon)
    await store.api_tokens.create("far away", Role.VIEWER, created_by="a test", expires_at=late)
    async with await console.signed_in(Role.ADMINISTRATOR) as admin, await console.signed_in(Role.EDITOR) as editor:
        shown, other = (await admin.get("/")).text, (await editor.get("/")).text
    assert ("nightly export" in shown, "far away" in shown, "nightly export" in other) == (True, False, False)


async def test_queues_are_told_as_far_as_the_broker_answers(store: Store, clock: FakeClock) -> None:
    await write_days(store, clock)
    for queues, words in ((None, "The broker does not answer"), ({"filter": 7, "quarantine": 0}, ">7</span>")):
        async with running_console(store, clock, queues=queues) as running:
            if not await store.users.all():
                await running.people()
            async with await running.signed_in(Role.VIEWER) as viewer:
                assert words in (await viewer.get("/")).text


async def test_secrets_and_certificates_that_end_soon_are_told_with_their_mailbox(
    console: Console, store: Store, clock: FakeClock
) -> None:
    await write_days(store, clock)
    days = {"ends-soon": 20, "ends-late": 60}
    for name, left in days.items():
        auth = {"client_secret_expires": (clock.now() + timedelta(days=left)).date(), **MICROSOFT}
        await store.mailboxes.put(mailbox(name, auth=auth), {}, create=True)
    await store.mailboxes.put(mailbox("old-server"), {}, create=True)
    status = MailboxStatus(state=Phase.IDLE, since=clock.now(), certificate_until=clock.now() - timedelta(hours=1))
    await store.runtime.set_status("old-server", status)
    async with await console.signed_in(Role.VIEWER) as viewer:
        shown = (await viewer.get("/")).text
        page = (await viewer.get("/mailboxes/ends-soon")).text
    assert ">ends-soon</a>" in shown and "The client secret ends on" in shown
    assert ">old-server</a>" in shown and "The mail server&#39;s certificate ends on" in shown
    assert ">ends-late</a>" not in shown.partition('id="credentials"')[2].partition("</section>")[0]
    assert "2 to renew" in shown
    assert "The client secret ends" in page
