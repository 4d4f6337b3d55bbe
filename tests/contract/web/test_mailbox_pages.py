"""Mailboxes by page: listed, written, tested, submitted, changed by two at once, rolled back, deleted."""

import html
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from services.all_in_one.demo.dovecot import Dovecot
from shared.domain.access import Role
from shared.domain.catalogue import Catalogue, Department, Service
from shared.domain.mailbox import BasicAuth, Mailbox, SecretSource
from tests.support.backtests import write_past
from tests.support.canary import secret
from tests.support.console import Console, Person, there
from tests.support.dovecot import USERS

USER = "support@desk.example"
WRONG = secret("not the password")
SWITCHED_ON = {"classifyServiceBySubject": "on", "allowDuplicates": "on"}


def fields(server: Dovecot, password: str = USERS[USER], **more: str) -> dict[str, str]:
    """The tab Email Config, filled in for a mailbox at that server."""
    return {
        "provider": "other",
        "module": "ticket",
        "email": USER,
        "enabled": "on",
        "auth.type": "basic",
        "basic.password": password,
        "imap.host": "localhost",
        "imap.port": str(server.tls_port),
        "imap.encryption": "implicit_tls",
        "imap.folder": "INBOX",
        "imap.caFile": str(server.ca_file),
        "imap.startFrom": "now",
        **more,
    }


def rules(**given: Any) -> dict[str, Any]:
    """The tab Domains."""
    return {f"domains.{name}": value for name, value in {**SWITCHED_ON, "duplicateWindowHours": "24", **given}.items()}


def plain(page: httpx.Response) -> str:
    """The words of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


async def stored(console: Console, name: str = "support", **spec: Any) -> Mailbox:
    """A mailbox that is there already."""
    content = {
        "module": "ticket",
        "email": USER,
        "imap": {"host": "imap.desk.example"},
        "auth": {"type": "basic", "password": USERS[USER]},
        "acknowledgements": {"enabled": False},
        **spec,
    }
    return await console.store.mailboxes.put(Mailbox.model_validate({"name": name, "spec": content}), {}, create=True)


async def with_password(console: Console) -> None:
    """Let the mailbox `support` have what a document of it needs."""
    found = await console.store.mailboxes.get("support")
    assert found is not None
    auth = BasicAuth(password_from=SecretSource(env="SUPPORT_PASSWORD"))
    spec = found.spec.model_copy(update={"auth": auth})
    await console.store.mailboxes.put(found.model_copy(update={"spec": spec}), {})


async def new_draft(editor: Person, server: Dovecot, **given: str) -> httpx.Response:
    """Fill in the first tab of `support` and press a button of it."""
    shown = await editor.get("/mailboxes/new/email")
    return await editor.submit(shown, "/mailboxes/new/email", name="support", **{**fields(server), **given})


async def test_the_list_shows_each_with_its_state_and_finds_by_words_and_state(console: Console) -> None:
    await stored(console)
    await stored(console, "sales", email="sales@desk.example", module="request")
    await console.store.mailboxes.set_paused("sales", True)
    async with await console.signed_in(Role.VIEWER) as viewer:
        page = plain(await viewer.get("/mailboxes"))
        assert "support support@desk.example Ticket Basic Never connected" in page
        assert "sales sales@desk.example Request Basic Paused" in page
        assert "New mailbox" not in page
        assert "sales@" not in plain(await viewer.get("/mailboxes?state=never_connected"))
        assert "support@" not in plain(await viewer.get("/mailboxes?q=sales"))
        assert "No mailbox is like that" in plain(await viewer.get("/mailboxes?q=nobody"))


async def test_the_list_has_pages_of_fifty_by_name(console: Console) -> None:
    for number in range(52):
        await stored(console, f"box-{number:02}")
    async with await console.signed_in(Role.VIEWER) as viewer:
        first = await viewer.get("/mailboxes?q=box")
        there = html.unescape(re.findall(r'rel="next" href="([^"]+)"', first.text)[0])
        second = await viewer.get(there)
    assert ("box-49" in first.text, "box-50" in first.text) == (True, False)
    assert re.findall(r"/mailboxes/(box-\d\d)", second.text) == ["box-50", "box-51"]


async def test_without_a_mailbox_the_page_says_how_to_begin(console: Console) -> None:
    async with await console.signed_in(Role.EDITOR) as editor:
        page = await editor.get("/mailboxes")
    assert "It takes three steps" in page.text
    assert "/mailboxes/new/email" in page.text


async def test_a_mailbox_is_written_tested_and_submitted_and_its_password_is_shown_nowhere(
    console: Console, dovecot: Dovecot
) -> None:
    async with await console.signed_in(Role.EDITOR) as editor:
        failed = await new_draft(editor, dovecot, do="test", **{"basic.password": WRONG})
        assert there(failed) == "/mailboxes/support/edit/email"
        shown = await editor.get(there(failed))
        assert "IMAP_AUTH_DENIED" in shown.text
        assert "What to do:" in plain(shown)
        tested = await editor.submit(shown, "/mailboxes/support/edit/email", **fields(dovecot), do="test")
        shown = await editor.get(there(tested))
        assert "These values passed the test." in plain(shown)
        assert "Kept with this draft, sealed" in plain(shown)
        kept = fields(dovecot, password="")
        onward = await editor.submit(shown, "/mailboxes/support/edit/email", **kept, do="next")
        assert there(onward) == "/mailboxes/support/edit/domains"
        shown = await editor.get(there(onward))
        ruled = await editor.submit(
            shown, "/mailboxes/support/edit/domains", **rules(blockedSenders="*@spam.example\nno@desk.example")
        )
        shown = await editor.get(there(ruled))
        assert "*@spam.example" in shown.text
        assert await console.store.mailboxes.get("support") is None
        saved = await editor.submit(shown, "/mailboxes/support/edit/review")
        assert there(saved) == "/mailboxes/support"
        assert "support is saved. Fetching begins within seconds." in plain(await editor.get("/mailboxes/support"))
    found = await console.store.mailboxes.get("support")
    assert found is not None
    assert (found.spec.domains.blocked_senders, found.managed_by) == (("*@spam.example", "no@desk.example"), "console")
    assert (await console.store.secrets.reveal(found, "auth.password")).get_secret_value() == USERS[USER]
    assert console.told
    assert not await console.store.collection("drafts").find({})


async def test_a_draft_is_sealed_and_another_persons_is_not_seen(console: Console, dovecot: Dovecot) -> None:
    async with (
        await console.signed_in(Role.EDITOR) as editor,
        await console.signed_in(Role.ADMINISTRATOR) as other,
    ):
        await new_draft(editor, dovecot, do="keep")
        assert (await editor.get("/mailboxes/support/edit/email")).status_code == 200
        assert (await other.get("/mailboxes/support/edit/email")).status_code == 404
    (kept,) = await console.store.collection("drafts").find({})
    assert USERS[USER] not in str(kept)
    assert USER not in str(kept)
    console.clock.advance(days=1)
    assert await console.store.drafts.get("editor.person", "support") is None


async def test_values_that_did_not_pass_a_test_go_on_only_as_disabled(console: Console, dovecot: Dovecot) -> None:
    async with await console.signed_in(Role.EDITOR) as editor:
        kept = await new_draft(editor, dovecot, do="next")
        assert there(kept) == "/mailboxes/support/edit/email"
        shown = await editor.get(there(kept))
        assert "have not passed a test" in plain(shown)
        review = await editor.get("/mailboxes/support/edit/review")
        refused = await editor.submit(review, "/mailboxes/support/edit/review")
        assert there(refused) == "/mailboxes/support/edit/email"
        assert await console.store.mailboxes.get("support") is None
        off = await editor.submit(shown, "/mailboxes/support/edit/email", **fields(dovecot, enabled=""), do="next")
        assert there(off) == "/mailboxes/support/edit/domains"
        await editor.submit(await editor.get("/mailboxes/support/edit/review"), "/mailboxes/support/edit/review")
    found = await console.store.mailboxes.get("support")
    assert found is not None and not found.spec.enabled


async def test_a_test_is_of_its_own_values_only(console: Console, dovecot: Dovecot) -> None:
    async with await console.signed_in(Role.EDITOR) as editor:
        await new_draft(editor, dovecot, do="test")
        shown = await editor.get("/mailboxes/support/edit/email")
        port = {"imap.port": str(dovecot.starttls_port), "imap.encryption": "starttls"}
        other = await editor.submit(
            shown, "/mailboxes/support/edit/email", **{**fields(dovecot, ""), **port}, do="next"
        )
        assert there(other) == "/mailboxes/support/edit/email"
        assert "were changed since this test" in plain(await editor.get("/mailboxes/support/edit/email"))


async def test_our_script_gets_the_test_as_a_stream_and_the_draft_keeps_it(console: Console, dovecot: Dovecot) -> None:
    async with await console.signed_in(Role.EDITOR) as editor:
        shown = await editor.get("/mailboxes/new/email")
        csrf = re.findall(r'name="csrf" content="([^"]+)"', shown.text)[0]
        given = {**fields(dovecot), "name": "support", "csrf": csrf, "do": "test"}
        answer = await editor.post("/mailboxes/new/email", given, {"Accept": "text/event-stream"})
        assert answer.headers["content-location"] == "/mailboxes/support/edit/email"
        assert re.findall(r"^event: (\w+)$", answer.text, re.MULTILINE)[-1] == "end"
        assert "passed the test" in plain(await editor.get("/mailboxes/support/edit/email"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "Not A Name"}, "not a valid name"),
        ({"email": "nobody"}, "not an email address"),
        ({"imap.host": "https://x"}, "not a host name"),
        ({"imap.port": "many"}, "must be a whole number"),
        ({"imap.startFrom": "since", "imap.since": "soon"}, "not one of its values"),
        ({"basic.password": ""}, "password is missing"),
        ({"auth.type": "oauth2_microsoft"}, '"clientId" is missing'),
        ({"acknowledgements.enabled": "on"}, "need smtp"),
    ],
)
async def test_what_is_wrong_stands_on_the_form_and_nothing_is_kept(
    console: Console, dovecot: Dovecot, given: dict[str, str], words: str
) -> None:
    async with await console.signed_in(Role.EDITOR) as editor:
        shown = await editor.get("/mailboxes/new/email")
        sent = {"name": "support", **fields(dovecot), **given, "do": "next"}
        answer = await editor.submit(shown, "/mailboxes/new/email", **sent)
    assert (answer.status_code, words in plain(answer)) == (422, True), plain(answer)
    assert not await console.store.collection("drafts").find({})


async def test_use_default_fills_in_the_servers_of_the_address(console: Console) -> None:
    async with await console.signed_in(Role.EDITOR) as editor:
        shown = await editor.get("/mailboxes/new/email")
        answer = await editor.submit(
            shown, "/mailboxes/new/email", name="", email="me@gmail.com", provider="other", do="defaults"
        )
        assert 'value="imap.gmail.com"' in answer.text
        assert "Give the address first" in plain(await editor.submit(shown, "/mailboxes/new/email", do="defaults"))


async def test_an_edit_keeps_the_secret_that_is_stored_and_says_since_when(console: Console, dovecot: Dovecot) -> None:
    async with await console.signed_in(Role.EDITOR) as editor:
        await new_draft(editor, dovecot, do="test")
        await editor.submit(await editor.get("/mailboxes/support/edit/review"), "/mailboxes/support/edit/review")
        shown = await editor.get("/mailboxes/support/edit/email")
        assert "Stored, set on 01 Mar 2026: leave empty to keep it." in plain(shown)
        kept = fields(dovecot, "", **{"imap.folder": "Archive"})
        untested = await editor.submit(shown, "/mailboxes/support/edit/email", **kept, do="next")
        assert there(untested) == "/mailboxes/support/edit/email"
        tested = await editor.submit(shown, "/mailboxes/support/edit/email", **kept, do="test")
        assert "IMAP_FOLDER" in (await editor.get(there(tested))).text
        await editor.submit(shown, "/mailboxes/support/edit/email", **fields(dovecot, "", module="request"), do="next")
        review = await editor.get("/mailboxes/support/edit/review")
        assert "1 → 2" in plain(review)
        assert "+ module: request" in plain(review)
        await editor.submit(review, "/mailboxes/support/edit/review")
    found = await console.store.mailboxes.get("support")
    assert found is not None and (found.revision, found.spec.module.value) == (2, "request")
    assert (await console.store.secrets.reveal(found, "auth.password")).get_secret_value() == USERS[USER]


async def test_only_an_administrator_may_have_a_secret_file_go_to_another_server(
    console: Console, dovecot: Dovecot
) -> None:
    await stored(console, auth={"type": "basic", "passwordFrom": {"file": "/run/secrets/support"}})
    async with await console.signed_in(Role.EDITOR) as editor:
        shown = await editor.get("/mailboxes/support/edit/email")
        answer = await editor.submit(shown, "/mailboxes/support/edit/email", **fields(dovecot, ""), do="test")
    assert answer.status_code == 403


async def test_rules_are_validated_and_contradictions_are_shown(console: Console) -> None:
    await stored(console)
    catalogue = Catalogue(services=(Service(name="hr"), Service(name="it")), departments=(Department(name="desk"),))
    await console.store.catalogue.save(catalogue)
    page = "/mailboxes/support/edit/domains"
    async with await console.signed_in(Role.EDITOR) as editor:
        shown = await editor.get(page)
        wrong = await editor.submit(shown, page, **rules(fullSubjectMatch="on", blockedSenders="not a pattern!"))
        assert wrong.status_code == 422
        assert "subjectKeywords is empty" in plain(wrong) or "is not a domain" in plain(wrong)
        given = rules(
            blockedSenders="*@partner.example",
            approvedDomains="partner.example",
            subjectKeywords="Printer broken",
            impactServices="hr",
            defaultService="it",
            department="desk",
        )
        review = plain(await editor.get(there(await editor.submit(shown, page, **given))))
    assert "*@partner.example is blocked and partner.example is approved" in review
    assert "The approved domains are not used" in review
    assert "The subjects are not used" in review
    assert "The default service it is not one of the services" in review


async def test_rules_are_tried_on_the_last_mails_before_they_are_saved(console: Console) -> None:
    await write_past(console.store, console.clock)
    await with_password(console)
    page = "/mailboxes/support/edit/domains"
    async with await console.signed_in(Role.EDITOR) as editor:
        shown = await editor.get(page)
        given = rules(allowDuplicates="", onlyIfInTo="on", blockedSenders="bob@people.example")
        tried = plain(await editor.submit(shown, page, **given, do="try"))
    assert "8 mails of support tried; 1 would end differently, 1 of them by these rules." in tried
    assert "VPN is slow bob@people.example" in tried
    assert "rejected: blocked_sender 0 1" in tried


async def test_who_vouches_for_senders_is_set_beside_the_rule_that_needs_it(console: Console) -> None:
    await stored(console)
    page = "/mailboxes/support/edit/domains"
    async with await console.signed_in(Role.EDITOR) as editor:
        shown = await editor.get(page)
        wrong = await editor.submit(shown, page, **rules(requireAlignedSender="on"))
        assert (wrong.status_code, "authservId names no server" in plain(wrong)) == (422, True)
        far = await editor.submit(shown, page, authservId="mx.desk.example", authservHops="11", **rules())
        assert far.status_code == 422
        vouched = {"authservId": "mx.desk.example", "authservHops": "1", **rules(requireAlignedSender="on")}
        review = await editor.get(there(await editor.submit(shown, page, **vouched)))
        assert "requireAlignedSender: true" in plain(review)
        again = (await editor.get(page)).text
    assert 'value="mx.desk.example"' in again
    assert re.search(r'name="authservHops"[^>]*value="1"', again)


async def test_who_was_slower_sees_who_changed_what_and_may_go_on(console: Console) -> None:
    await stored(console)
    page = "/mailboxes/support/edit"
    async with (
        await console.signed_in(Role.EDITOR) as slow,
        await console.signed_in(Role.ADMINISTRATOR) as fast,
    ):
        for person, department in ((slow, "slow.example"), (fast, "fast.example")):
            await person.submit(
                await person.get(f"{page}/domains"), f"{page}/domains", **rules(blockedSenders=department)
            )
        mine = await slow.get(f"{page}/review")
        await fast.submit(await fast.get(f"{page}/review"), f"{page}/review")
        lost = await slow.submit(mine, f"{page}/review")
        assert lost.status_code == 409
        assert "user administrator.person" in plain(lost)
        assert "+ - fast.example" in plain(lost)
        await slow.submit(lost, f"{page}/rebase")
        review = await slow.get(f"{page}/review")
        assert "2 → 3" in plain(review)
        assert "- fast.example" in plain(review)
        assert there(await slow.submit(review, f"{page}/review")) == "/mailboxes/support"
    found = await console.store.mailboxes.get("support")
    assert found is not None and found.spec.domains.blocked_senders == ("slow.example",)


async def test_the_history_says_who_made_each_revision_and_an_earlier_one_comes_back(console: Console) -> None:
    await stored(console)
    page = "/mailboxes/support"
    async with await console.signed_in(Role.EDITOR) as editor:
        shown = await editor.get(f"{page}/edit/domains")
        await editor.submit(shown, f"{page}/edit/domains", **rules(blockedSenders="spam.example"))
        await editor.submit(await editor.get(f"{page}/edit/review"), f"{page}/edit/review")
        history = plain(await editor.get(page))
        assert "Revision 2, in force user editor.person" in history
        asked = await editor.get(f"{page}/roll-back?revision=1")
        assert "- spam.example" in plain(asked)
        assert there(await editor.submit(asked, f"{page}/roll-back")) == page
        assert "Revision 3 says what revision 1 said." in plain(await editor.get(page))
        assert (await editor.submit(asked, f"{page}/roll-back")).status_code == 412
        assert (await editor.get(f"{page}/roll-back?revision=9")).status_code == 404
    found = await console.store.mailboxes.get("support")
    assert found is not None and (found.revision, found.spec.domains.blocked_senders) == (3, ())


async def test_operators_pause_resume_and_test_and_see_no_more(console: Console, dovecot: Dovecot) -> None:
    imap = {"host": "localhost", "port": dovecot.tls_port, "caFile": str(dovecot.ca_file)}
    await stored(console, imap=imap)
    page = "/mailboxes/support"
    async with await console.signed_in(Role.OPERATOR) as operator:
        await operator.submit(await operator.get(page), f"{page}/pause")
        paused = await console.store.mailboxes.get("support")
        assert paused is not None and paused.paused
        shown = await operator.get(page)
        await operator.submit(shown, f"{page}/resume")
        resumed = await console.store.mailboxes.get("support")
        assert resumed is not None and not resumed.paused
        tested = await operator.submit(shown, f"{page}/test")
        assert "Everything works." in plain(tested)
        assert "Edit" not in plain(shown)
        assert (await operator.get(f"{page}/edit/email")).status_code == 403


async def test_a_mailbox_is_read_now_and_its_page_says_when_it_was(console: Console) -> None:
    await stored(console)
    page = "/mailboxes/support"
    async with await console.signed_in(Role.OPERATOR) as operator:
        shown = await operator.get(page)
        assert "Read on request nobody asked" in plain(shown)
        assert there(await operator.submit(shown, f"{page}/poll")) == page
        console.clock.advance(seconds=5)
        assert "Read on request asked 5 s ago by user operator.person" in plain(await operator.get(page))
        lease = await console.store.runtime.acquire("support", "a fetcher", timedelta(seconds=30))
        wish = (await console.store.wishes.of("support")).reading
        assert lease is not None and wish is not None
        ended = wish.model_copy(update={"ended_at": console.clock.now()})
        assert await console.store.wishes.note("support", lease, ended)
        console.clock.advance(seconds=2)
        said = "Read on request read 2 s ago, asked 7 s ago by user operator.person"
        assert said in plain(await operator.get(page))
        await operator.submit(await operator.get(page), f"{page}/pause")
        assert f"{page}/poll" not in (await operator.get(page)).text
        refused = await operator.submit(shown, f"{page}/poll")
        assert (refused.status_code, "is paused, so nobody reads it" in plain(refused)) == (409, True)
    async with await console.signed_in(Role.VIEWER) as viewer:
        assert f"{page}/poll" not in (await viewer.get(page)).text


async def test_a_mailbox_that_git_manages_is_read_here_paused_and_tested_but_not_changed(console: Console) -> None:
    mailbox = await stored(console, name="other")
    await console.store.mailboxes.put(
        mailbox.model_copy(update={"name": "support", "managed_by": "apply"}),
        {"auth.password": SecretStr(USERS[USER])},
        create=True,
    )
    page = "/mailboxes/support"
    async with await console.signed_in(Role.ADMINISTRATOR) as person:
        shown = await person.get(page)
        assert "Managed by Git" in plain(shown)
        assert (f'action="{page}/pause"' in shown.text, f'action="{page}/test"' in shown.text) == (True, True)
        for path in ("edit/email", "edit/domains", "edit/review", "delete", "roll-back?revision=1"):
            assert f"{page}/{path}" not in shown.text
            assert (await person.get(f"{page}/{path}")).status_code == 409
    assert await console.store.mailboxes.get("support")


async def test_a_mailbox_is_deleted_only_after_a_question(console: Console) -> None:
    await stored(console)
    async with await console.signed_in(Role.EDITOR) as editor:
        asked = await editor.get("/mailboxes/support/delete")
        assert await console.store.mailboxes.get("support")
        assert there(await editor.submit(asked, "/mailboxes/support/delete")) == "/mailboxes"
    assert await console.store.mailboxes.get("support") is None
    (record,) = await console.store.audit.page(kind="Mailbox", name="support", limit=1)
    assert (record.action, record.who) == ("delete", "user editor.person")
