"""Every page of the table, with every role and without any."""

import pytest

from services.console.web.navigation import ENTRIES
from services.console.web.table import PAGES, Page
from shared.domain.access import Role
from tests.support.console import Console, name_of, there

FILLED = {
    "{name}": "nothing",
    "{link}": "no-link",
    "{key}": name_of(Role.VIEWER),
    "{mail_id}": "no-mail",
    "{ticket}": "INC-000009",
    "{part}": "2",
    "{code}": "no_cause",
    "{kind}": "services",
    "{token_id}": "0" * 16,
}
GUARDED = tuple(one for one in PAGES if one.role is not None)
WORDS = "this page needs the role"


def path(page: Page) -> str:
    found = page.path
    for name, value in FILLED.items():
        found = found.replace(name, value)
    return found


def named(page: Page) -> str:
    return f"{page.method} {page.path}"


@pytest.mark.parametrize("page", GUARDED, ids=named)
@pytest.mark.row(86)
async def test_each_role_may_see_exactly_the_pages_of_its_rank(console: Console, page: Page) -> None:
    for role in Role:
        async with await console.signed_in(role) as person:
            csrf = (await person.get("/mailboxes")).text.partition('name="csrf" content="')[2].partition('"')[0]
            answer = await (person.get(path(page)) if page.method == "GET" else person.post(path(page), {"csrf": csrf}))
        if page.role is not None and role.covers(page.role):
            assert answer.status_code in (200, 303, 404, 422), (role, answer.text)
        else:
            assert (answer.status_code, WORDS in answer.text.lower()) == (403, True), role


@pytest.mark.parametrize("page", GUARDED, ids=named)
async def test_who_is_not_signed_in_is_sent_to_sign_in(console: Console, page: Page) -> None:
    async with console.person() as person:
        answer = await (person.get(path(page)) if page.method == "GET" else person.post(path(page), {}))
    assert there(answer).startswith("/sign-in")


def test_the_pages_that_everybody_may_see_are_these() -> None:
    assert {one.path for one in PAGES if one.role is None} == {
        "/static/{name}",
        "/welcome",
        "/sign-in",
        "/sign-in/{link}",
        "/sign-in/callback",
        "/openid/start",
        "/openid/callback",
    }


def test_every_entry_of_the_navigation_leads_to_a_page_of_that_role() -> None:
    roles = {one.path: one.role for one in PAGES if one.method == "GET"}
    assert [(one.path, one.role) for one in ENTRIES] == [(one.path, roles[one.path]) for one in ENTRIES]


def test_every_parameter_of_a_path_has_a_value_in_these_tests() -> None:
    assert not [one.path for one in PAGES if "{" in path(one)]


async def test_an_address_that_is_no_page_is_a_page_in_plain_words_with_the_navigation(console: Console) -> None:
    async with await console.signed_in(Role.VIEWER) as person:
        answer = await person.get("/nowhere")
    assert (answer.status_code, "There is no such page" in answer.text, "Error id" in answer.text) == (404, True, True)
    assert "Sign out" in answer.text
