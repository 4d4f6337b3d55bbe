"""The catalogue by page: listed, written, tried before it is saved, saved over nobody's change, taken out."""

import asyncio
import html
import re
from typing import Any

import httpx
import pytest

from services.console.api import backtests
from shared.domain.access import Role
from shared.domain.catalogue import Catalogue, Department, Process, Service
from shared.store.rates import TooOften
from tests.support.backtests import write_past
from tests.support.builders import mailbox
from tests.support.console import Console, Person, name_of, there

VPN = Service(name="vpn", title="Remote access", keywords=("vpn", "remote access"), department="desk")
SAVED = Catalogue(
    services=(VPN, Service(name="mail")),
    processes=(Process(name="onboarding", senders=("*@hr.example",), department="desk"),),
    departments=(Department(name="desk", title="Service desk"), Department(name="spare")),
)
PAGE = "/catalogue/services/vpn"
NEW = "/catalogue/services/new"


def plain(page: httpx.Response) -> str:
    """The words of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def filled(page: httpx.Response) -> dict[str, str]:
    """The fields of the form as they stand on the page."""
    areas = re.findall(r'<textarea id="(\w+)".*?>(.*?)</textarea>', page.text, re.DOTALL)
    inputs = re.findall(r'<input id="(\w+)" name="\w+" type="text" value="([^"]*)"', page.text)
    chosen = re.findall(r'<select id="(\w+)".*?<option value="([^"]*)" selected>', page.text, re.DOTALL)
    return {name: html.unescape(value) for name, value in (*areas, *inputs, *chosen)}


async def write(console: Console, **domains: Any) -> Catalogue:
    """The catalogue, and a mailbox that names some of it."""
    await console.store.mailboxes.put(mailbox(domains=domains), {}, create=True)
    return await console.store.catalogue.save(SAVED)


async def take(person: Person, path: str, **given: str) -> httpx.Response:
    """Open a page of an entry, change some fields and press a button."""
    shown = await person.get(path)
    return await person.submit(shown, path, **{**filled(shown), "do": "save", **given})


async def test_the_lists_say_what_each_has_and_how_many_name_it(console: Console) -> None:
    await write(console, impactServices=["vpn"], defaultService="vpn", department="desk")
    async with await console.signed_in(Role.VIEWER) as viewer:
        page = plain(await viewer.get("/catalogue"))
        assert "vpn Remote access vpn, remote access desk 1" in page
        assert "mail – – 0" in page
        assert "onboarding – *@hr.example – desk" in page
        assert "desk Service desk 1 2" in page
        assert "New service" not in page
        shown = await viewer.get(PAGE)
        assert "Mailbox support impactServices, defaultService" in plain(shown)
        assert ("Keywords vpn, remote access" in plain(shown), "<textarea" in shown.text) == (True, False)


async def test_without_an_entry_the_page_says_what_the_three_are(console: Console) -> None:
    async with await console.signed_in(Role.EDITOR) as editor:
        page = await editor.get("/catalogue")
    assert "Departments own tickets." in plain(page)
    assert {f"/catalogue/{one}/new" for one in ("services", "processes", "departments")} <= set(
        re.findall(r'href="([^"]+)"', page.text)
    )


async def test_one_of_each_is_made_with_all_its_fields_and_services_are_told(console: Console) -> None:
    async with await console.signed_in(Role.EDITOR) as editor:
        await take(editor, "/catalogue/departments/new", name="desk", title="Service desk")
        fields = {"name": "vpn", "title": "Remote access", "keywords": "vpn\n\n remote access \n", "department": "desk"}
        assert there(await take(editor, NEW, **fields)) == "/catalogue"
        conditions = {"keywords": "", "senders": "*@hr.example, boss@b.example", "recipients": "hr@desk.example"}
        await take(editor, "/catalogue/processes/new", name="onboarding", **conditions)
        assert "The process onboarding is saved" in plain(await editor.get("/catalogue"))
    found = await console.store.catalogue.load()
    assert (found.revision, found.services, found.departments) == (3, (VPN,), (SAVED.departments[0],))
    assert found.processes == (
        Process(name="onboarding", senders=("*@hr.example", "boss@b.example"), recipients=("hr@desk.example",)),
    )
    assert len(console.told) == 3
    (newest, *_) = await console.store.audit.page(kind="Catalogue")
    assert (newest.who, newest.action) == (f"user {name_of(Role.EDITOR)}", "update")


async def test_a_change_keeps_the_place_in_the_order_and_everything_else(console: Console) -> None:
    await write(console)
    async with await console.signed_in(Role.EDITOR) as editor:
        assert there(await take(editor, PAGE, keywords="tunnel", department="")) == "/catalogue"
    found = await console.store.catalogue.load()
    changed = VPN.model_copy(update={"keywords": ("tunnel",), "department": None})
    assert found == SAVED.model_copy(update={"revision": 2, "services": (changed, SAVED.services[1])})


@pytest.mark.parametrize(
    ("path", "given", "field", "words"),
    [
        (NEW, {"name": "Not A Name"}, "name", "not a valid name"),
        (NEW, {"name": "vpn"}, "name", "There is a service of that name already."),
        (NEW, {"name": "x", "keywords": "k" * 201}, "keywords", "at most 200 characters"),
        (NEW, {"name": "x", "department": "nowhere"}, "department", 'No Department is named "nowhere".'),
        (NEW, {"name": "x", "do": "catch"}, "keywords", "Give a keyword first."),
        (NEW, {"name": "x", "department": "nowhere", "do": "try"}, "department", "No Department is named"),
        ("/catalogue/processes/new", {"name": "x", "senders": "not@a@pattern"}, "senders", "is not an address"),
    ],
)
async def test_what_is_wrong_stands_at_its_field_and_what_was_typed_is_kept(
    console: Console, path: str, given: dict[str, str], field: str, words: str
) -> None:
    await write(console)
    async with await console.signed_in(Role.EDITOR) as editor:
        answer = await take(editor, path, title="Typed <b>", **given)
    (error,) = re.findall(rf'<p class="error" id="{field}-error">(.*?)</p>', answer.text)
    assert (answer.status_code, words in html.unescape(error)) == (422, True), error
    assert filled(answer)["title"] == "Typed <b>"
    assert (await console.store.catalogue.load()).revision == 1


async def test_each_keyword_shows_the_subjects_it_would_catch_and_who_takes_them(console: Console) -> None:
    await write_past(console.store, console.clock)
    await console.store.catalogue.save(Catalogue(services=(Service(name="printing", keywords=("printer",)),)))
    async with await console.signed_in(Role.EDITOR) as editor:
        answer = await take(editor, NEW, name="fires", keywords="printer on fire\nvpn\nflood", do="catch")
    page = plain(answer)
    assert "newest 8 mails" in page
    assert "“printer on fire” 7 subjects" in page
    assert "Re: Printer on fire ann@people.example, support printing fires" in page
    assert "VPN is slow bob@people.example, support – fires" in page
    assert "“flood” 0 subjects" in page
    assert filled(answer)["keywords"] == "printer on fire\nvpn\nflood"
    assert [one.name for one in (await console.store.catalogue.load()).services] == ["printing"]


async def test_a_back_test_shows_each_mail_that_ends_otherwise_with_its_reason(console: Console) -> None:
    await write_past(console.store, console.clock)
    async with await console.signed_in(Role.EDITOR) as editor:
        answer = await take(editor, NEW, name="network", title="Typed", keywords="vpn", do="try")
        page = plain(answer)
        assert "8 mails of all mailboxes tried; 1 would end differently, 1 of them by these rules." in page
        assert "VPN is slow bob@people.example" in page
        assert "ticket INC-000002 ticket INC-000002 service network" in page
        assert "The subject has the keyword “vpn” of the service network." in page
        assert (filled(answer)["title"], (await console.store.catalogue.load()).services) == ("Typed", ())
        saved = await editor.submit(answer, NEW, **filled(answer), do="save")
        assert there(saved) == "/catalogue"


async def test_the_timeline_of_a_mail_leads_to_the_entry_that_took_it(console: Console) -> None:
    await console.store.catalogue.save(Catalogue(services=(Service(name="network", keywords=("vpn",)),)))
    await write_past(console.store, console.clock)
    async with await console.signed_in(Role.VIEWER) as viewer:
        (path,) = re.findall(r'href="(/catalogue/[^"]+)"', (await viewer.get("/mails/d")).text)
        assert "Keywords vpn" in plain(await viewer.get(path))


async def test_back_tests_are_admitted_as_those_of_the_api(console: Console) -> None:
    await write_past(console.store, console.clock)
    async with await console.signed_in(Role.EDITOR) as editor:
        shown = await editor.get(NEW)
        given = {"name": "network", "keywords": "vpn", "do": "try"}
        both = await asyncio.gather(*(editor.submit(shown, NEW, **given) for _ in range(2)))
        done, busy = sorted(both, key=lambda one: one.status_code)
        assert (done.status_code, busy.status_code) == (200, 429)
        assert "One back-test at a time" in plain(busy)
        assert filled(busy)["keywords"] == "vpn"
    with pytest.raises(TooOften):
        for _ in range(backtests.LIMIT):
            await console.store.rates.take(
                "back-tests", f"user {name_of(Role.EDITOR)}", backtests.LIMIT, backtests.SPAN
            )


async def test_who_was_slower_sees_who_changed_it_keeps_what_was_typed_and_may_save_over_it(console: Console) -> None:
    await write(console)
    async with (
        await console.signed_in(Role.EDITOR) as slow,
        await console.signed_in(Role.ADMINISTRATOR) as fast,
    ):
        mine = await slow.get(PAGE)
        await take(fast, PAGE, keywords="theirs")
        await take(fast, "/catalogue/departments/new", name="late")
        lost = await slow.submit(mine, PAGE, **{**filled(mine), "keywords": "mine", "do": "save"})
        assert lost.status_code == 409
        assert plain(lost).count(f"user {name_of(Role.ADMINISTRATOR)}") == 2
        assert "- - theirs + - mine" in plain(lost)
        assert filled(lost)["keywords"] == "mine"
        assert (await console.store.catalogue.load()).service("vpn") != VPN
        tried = await slow.submit(lost, PAGE, **filled(lost), do="catch")
        assert there(await slow.submit(tried, PAGE, **filled(tried), do="save")) == "/catalogue"
    found = await console.store.catalogue.load()
    service = found.service("vpn")
    assert (found.revision, service and service.keywords, len(found.departments)) == (4, ("mine",), 3)


async def test_trying_something_never_makes_a_stale_form_fresh(console: Console) -> None:
    await write(console)
    async with await console.signed_in(Role.EDITOR) as slow, await console.signed_in(Role.ADMINISTRATOR) as fast:
        mine = await slow.get(PAGE)
        await take(fast, PAGE, keywords="theirs")
        tried = await slow.submit(mine, PAGE, **filled(mine), do="catch")
        assert (await slow.submit(tried, PAGE, **filled(tried), do="save")).status_code == 409


async def test_what_somebody_deleted_meanwhile_comes_back_only_as_a_new_one(console: Console) -> None:
    await write(console)
    async with await console.signed_in(Role.EDITOR) as slow, await console.signed_in(Role.ADMINISTRATOR) as fast:
        mine = await slow.get("/catalogue/services/mail")
        asked = await fast.get("/catalogue/services/mail/delete")
        await fast.submit(asked, "/catalogue/services/mail/delete")
        lost = await slow.submit(mine, "/catalogue/services/mail", **filled(mine), do="save")
        assert (lost.status_code, filled(lost)["name"]) == (409, "mail")
        assert there(await slow.submit(lost, NEW, **filled(lost), do="save")) == "/catalogue"
        assert (await slow.get("/catalogue/services/nothing")).status_code == 404


async def test_an_entry_that_is_named_is_not_deleted_and_one_that_is_not_only_after_a_question(
    console: Console,
) -> None:
    await write(console, impactServices=["vpn"], department="desk")
    async with await console.signed_in(Role.EDITOR) as editor:
        for path, words in (
            (PAGE, 'No Service is named "vpn" (the store, document 1, Mailbox support'),
            ("/catalogue/departments/desk", 'No Department is named "desk" (the store, document 1, Process onboarding'),
        ):
            asked = await editor.get(f"{path}/delete")
            assert "Mailbox support" in plain(asked)
            refused = await editor.submit(asked, f"{path}/delete")
            assert (refused.status_code, words in plain(refused)) == (422, True), plain(refused)
        asked = await editor.get("/catalogue/departments/spare/delete")
        assert "Nothing names it." in plain(asked)
        assert (await console.store.catalogue.load()).revision == 1
        assert there(await editor.submit(asked, "/catalogue/departments/spare/delete")) == "/catalogue"
    found = await console.store.catalogue.load()
    assert found == SAVED.model_copy(update={"revision": 2, "departments": (SAVED.departments[0],)})
    assert len(console.told) == 1


async def test_a_question_before_a_change_of_somebody_else_is_asked_again(console: Console) -> None:
    await write(console)
    path = "/catalogue/departments/spare/delete"
    async with await console.signed_in(Role.EDITOR) as slow, await console.signed_in(Role.ADMINISTRATOR) as fast:
        asked = await slow.get(path)
        await take(fast, "/catalogue/services/mail", department="spare")
        again = await slow.submit(asked, path)
        assert (again.status_code, "Service mail department" in plain(again)) == (409, True)
        assert f"user {name_of(Role.ADMINISTRATOR)}" in plain(again)
        assert (await slow.submit(again, path)).status_code == 422
    assert len((await console.store.catalogue.load()).departments) == 2
