"""A browser that is signed in may use the API as its person: to read, and to change only from a page of ours."""

import pytest

from services.console.web.visitor import HEADER
from shared.domain.access import Role
from tests.support.console import Console, Person, name_of


async def word(person: Person) -> str:
    return (await person.get("/mailboxes")).text.partition('name="csrf" content="')[2].partition('"')[0]


async def test_it_reads_with_the_role_of_its_person(console: Console) -> None:
    async with await console.signed_in(Role.VIEWER) as person:
        assert (await person.get("/api/v1/mailboxes")).status_code == 200
        assert (await person.get("/api/v1/audit")).status_code == 403
        console.clock.advance(minutes=31)
        assert (await person.get("/api/v1/mailboxes")).status_code == 401


async def test_it_changes_only_with_the_word_and_from_a_page_of_ours(console: Console) -> None:
    async with await console.signed_in(Role.ADMINISTRATOR) as person:
        right = {HEADER: await word(person), "Origin": console.url}
        body = {"name": "ci", "role": "viewer"}
        for wrong in (
            {},
            {HEADER: right[HEADER]},
            {"Origin": console.url},
            {**right, "Origin": "https://evil.example"},
        ):
            answer = await person.client.post("/api/v1/tokens", json=body, headers=wrong)
            assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
        assert await console.store.api_tokens.all() == ()
        answer = await person.client.post("/api/v1/tokens", json=body, headers=right)
        assert answer.status_code == 201
    (made,) = await console.store.api_tokens.all()
    assert made.created_by == f"user {name_of(Role.ADMINISTRATOR)}"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_it_cannot_change_what_its_person_may_not(console: Console, role: Role) -> None:
    async with await console.signed_in(role) as person:
        headers = {HEADER: await word(person), "Origin": console.url}
        answer = await person.client.post("/api/v1/tokens", json={"name": "ci", "role": "viewer"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
