"""Signing in and out: sessions that end, forms that are refused, attempts that are counted, links that open once."""

import re

import httpx
import pytest

from services.console.users import first_link
from services.console.web.visitor import SESSION
from shared.domain.access import Role
from shared.domain.people import Purpose
from tests.support.canary import secret
from tests.support.console import PASSWORD, Console, forms, name_of, running_console, there

ANOTHER = secret("another password")


async def records(console: Console) -> list[tuple[str, str, str]]:
    return [(one.action, one.who, one.outcome) for one in reversed(await console.store.audit.page(kind="Console"))]


async def test_a_person_signs_in_is_led_back_and_signs_out(console: Console) -> None:
    async with console.person() as person:
        assert there(await person.get("/users?x=1")) == "/sign-in?next=%2Fusers%3Fx%3D1"
        shown = await person.get("/sign-in", params={"next": "/users?x=1"})
        answer = await person.submit(shown, name=" Administrator.Person ", password=PASSWORD)
        assert there(answer) == "/users?x=1"
        shown = await person.get("/users")
        assert shown.status_code == 200
        old = dict(person.client.cookies)
        assert there(await person.submit(shown, "/sign-out")) == "/sign-in?note=signed-out"
        assert there(await person.get("/users")) == "/sign-in?next=%2Fusers"
        person.client.cookies.update(old)
        assert there(await person.get("/users")) == "/sign-in?next=%2Fusers", "ended on the server, too"
    assert await records(console) == [
        ("sign_in", "user administrator.person", "done"),
        ("sign_out", "user administrator.person", "done"),
    ]


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"])
async def test_nobody_is_led_to_another_site(console: Console, elsewhere: str) -> None:
    async with console.person() as person:
        shown = await person.get("/sign-in", params={"next": elsewhere})
        assert there(await person.submit(shown, name=name_of(Role.VIEWER), password=PASSWORD)) == "/"


async def test_an_unknown_user_and_a_wrong_password_are_answered_alike(console: Console) -> None:
    async with console.person() as person:
        unknown = await person.sign_in("nobody", ANOTHER)
        wrong = await person.sign_in(name_of(Role.VIEWER), ANOTHER)
    assert (unknown.status_code, wrong.status_code) == (422, 422)
    assert "The name or the password is not right." in unknown.text
    assert unknown.text.replace("nobody", "X") == wrong.text.replace(name_of(Role.VIEWER), "X")
    assert [outcome for _, _, outcome in await records(console)] == ["failed", "failed"]


async def test_a_disabled_user_cannot_sign_in_and_is_told_no_more_than_others(console: Console) -> None:
    await console.store.users.set_disabled(name_of(Role.VIEWER), True)
    async with console.person() as person:
        assert "is not right" in (await person.sign_in(name_of(Role.VIEWER))).text


async def test_attempts_are_counted_per_user(console: Console) -> None:
    async with console.person() as person:
        for _ in range(10):
            assert (await person.sign_in(name_of(Role.VIEWER), ANOTHER)).status_code == 422
        assert (await person.sign_in(name_of(Role.VIEWER))).status_code == 429, "even with the right password"
        assert (await person.sign_in(name_of(Role.EDITOR))).status_code == 303
        console.clock.advance(minutes=5, seconds=1)
    async with console.person() as person:
        assert (await person.sign_in(name_of(Role.VIEWER))).status_code == 303


async def test_attempts_are_counted_per_address_behind_a_proxy_by_the_address_that_it_tells(store, clock) -> None:
    async with running_console(store, clock, proxies=1) as console, console.person() as person:
        shown = await person.get("/sign-in")
        for count in range(31):
            fields = {**forms(shown)["/sign-in"], "name": f"user{count}", "password": ANOTHER}
            forged = {"X-Forwarded-For": f"10.0.0.{count}, 192.0.2.7"}
            answer = await person.post("/sign-in", fields, forged)
        assert answer.status_code == 429
        other = await person.post("/sign-in", fields, {"X-Forwarded-For": "192.0.2.8"})
    assert other.status_code == 422


async def test_a_session_ends_when_it_is_not_used_for_half_an_hour(console: Console) -> None:
    async with await console.signed_in(Role.VIEWER) as person:
        for _ in range(3):
            console.clock.advance(minutes=29)
            assert (await person.get("/mailboxes")).status_code == 200
        console.clock.advance(minutes=30)
        assert there(await person.get("/mailboxes")) == "/sign-in?next=%2Fmailboxes"


async def test_a_session_ends_after_twelve_hours_however_much_it_is_used(console: Console) -> None:
    async with await console.signed_in(Role.VIEWER) as person:
        for _ in range(12 * 3 - 1):
            console.clock.advance(minutes=20)
            assert (await person.get("/mailboxes")).status_code == 200
        console.clock.advance(minutes=20)
        assert (await person.get("/mailboxes")).status_code == 303


@pytest.mark.row(86)
async def test_the_id_changes_at_sign_in_and_with_the_role(console: Console) -> None:
    cookie = console.site.cookie(SESSION)
    async with await console.signed_in(Role.EDITOR) as person:
        first = person.client.cookies[cookie]
        await console.store.users.set_role(name_of(Role.EDITOR), Role.VIEWER)
        assert (await person.get("/mailboxes")).status_code == 200
        second = person.client.cookies[cookie]
        assert second != first
        assert await console.store.sessions.find(first) is None
        console.clock.advance(seconds=1)
        assert (await person.get("/mailboxes")).status_code == 200
        assert person.client.cookies[cookie] == second, "once"


async def test_only_a_hash_of_the_id_is_kept(console: Console) -> None:
    async with await console.signed_in(Role.VIEWER) as person:
        given = person.client.cookies[console.site.cookie(SESSION)]
        assert len(given) == 43
        assert given not in str(await console.store.collection("sessions").find({}))


async def test_cookies_are_for_this_site_and_no_script(console: Console, store, clock) -> None:
    async with console.person() as person:
        plain = (await person.sign_in(name_of(Role.VIEWER))).headers.get_list("set-cookie")
    assert any(one.startswith(f"{console.site.cookie(SESSION)}=") for one in plain)
    assert all("HttpOnly" in one and "SameSite=Lax" in one and "Path=/" in one for one in plain)
    async with running_console(store, clock, public_url="https://desk.example") as behind, behind.person() as person:
        (tls,) = (await person.get("/sign-in")).headers.get_list("set-cookie")
    assert tls.startswith("__Host-") and "Secure" in tls and "Domain" not in tls


@pytest.mark.parametrize("word", ["", "f" * 64])
@pytest.mark.row(86)
async def test_a_form_without_its_word_changes_nothing(console: Console, word: str) -> None:
    async with await console.signed_in(Role.ADMINISTRATOR) as person:
        answer = await person.post("/users/new", {"csrf": word, "name": "mallory", "role": "viewer"})
        assert (answer.status_code, "too old" in answer.text) == (403, True)
    async with console.person() as person:
        await person.get("/sign-in")
        answer = await person.post("/sign-in", {"csrf": word, "name": name_of(Role.VIEWER), "password": PASSWORD})
        assert answer.status_code == 403
    assert await console.store.users.get("mallory") is None


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", ""])
@pytest.mark.row(86)
async def test_a_form_from_another_site_changes_nothing(console: Console, origin: str) -> None:
    async with await console.signed_in(Role.ADMINISTRATOR) as person:
        fields = {**forms(await person.get("/users/new"))["/users/new"], "name": "mallory", "role": "viewer"}
        answer = await person.post("/users/new", fields, {"Origin": origin})
    assert (answer.status_code, "did not come from a page" in answer.text) == (403, True)
    assert await console.store.users.get("mallory") is None


async def test_a_name_that_leads_here_by_a_trick_is_no_origin_of_ours(console: Console) -> None:
    """DNS rebinding: the attacker's page and host agree, but the host is none of ours."""
    async with await console.signed_in(Role.ADMINISTRATOR) as person:
        fields = {**forms(await person.get("/users/new"))["/users/new"], "name": "mallory", "role": "viewer"}
        cookie = "; ".join(f"{name}={value}" for name, value in person.client.cookies.items())
        headers = {"Origin": "http://evil.example", "Host": "evil.example", "Cookie": cookie}
        assert (await person.post("/users/new", fields, headers)).status_code == 403


async def test_a_form_that_is_too_large_is_not_read(console: Console) -> None:
    async with await console.signed_in(Role.ADMINISTRATOR) as person:
        answer = await person.post("/users/new", {"name": "x" * (1024 * 1024)})
    assert answer.status_code == 413


async def test_the_first_administrator_is_made_by_a_link_that_opens_once(empty: Console) -> None:
    link = await first_link(empty.store)
    assert link is not None
    path = f"/welcome?token={link.get_secret_value()}"
    async with empty.person() as person:
        shown = await person.get(path)
        answer = await person.submit(shown, "/welcome", name="Ada", password=PASSWORD, repeated=PASSWORD)
        assert there(answer) == "/"
        assert "Welcome, ada" in (await person.get("/mailboxes")).text
        assert "Welcome, ada" not in (await person.get("/mailboxes")).text, "said once"
        assert (await person.get("/users")).status_code == 200
    async with empty.person() as other:
        assert (await other.get(path)).status_code == 404
        answer = await other.submit(shown, "/welcome", name="mallory", password=ANOTHER, repeated=ANOTHER)
        assert answer.status_code == 403, "the form of another browser"
    assert await first_link(empty.store) is None
    assert link.get_secret_value() not in str(await empty.store.collection("invitations").find({}))


async def test_a_link_is_used_up_by_one_of_two_who_open_it_at_once(empty: Console) -> None:
    link = await first_link(empty.store)
    assert link is not None
    invitation = await empty.store.invitations.find(link.get_secret_value())
    assert invitation is not None
    assert [await empty.store.invitations.take(invitation) for _ in range(2)] == [True, False]


async def test_a_link_opens_for_an_hour_and_a_newer_one_replaces_it(empty: Console) -> None:
    first, second = await first_link(empty.store), await first_link(empty.store)
    assert first is not None and second is not None
    find = empty.store.invitations.find
    assert await find(first.get_secret_value()) is None
    empty.clock.advance(minutes=59)
    assert await find(second.get_secret_value()) is not None
    empty.clock.advance(minutes=1)
    assert await find(second.get_secret_value()) is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "ada", "password": "short", "repeated": "short"}, "at least 12 characters"),
        ({"name": "ada", "password": PASSWORD, "repeated": ANOTHER}, "The two passwords differ"),
        ({"name": "Ada Lovelace", "password": PASSWORD, "repeated": PASSWORD}, "small letters"),
    ],
)
async def test_what_is_wrong_with_a_new_password_is_said_and_the_link_stays_good(
    empty: Console, fields: dict[str, str], words: str
) -> None:
    link = await empty.store.invitations.make(Purpose.FIRST)
    path = f"/welcome?token={link.get_secret_value()}"
    async with empty.person() as person:
        answer = await person.submit(await person.get(path), "/welcome", **fields)
        assert (answer.status_code, words in answer.text) == (422, True)
        assert (await person.get(path)).status_code == 200


async def test_a_page_is_strict_about_what_it_loads(console: Console) -> None:
    async with console.person() as person:
        shown = await person.get("/sign-in")
        sheet = await person.get(asset(shown, "console.css"))
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "style-src 'self'" in policy
    assert "unsafe" not in policy and "data:" not in policy and "style=" not in shown.text
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert (sheet.status_code, sheet.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert sheet.headers["cache-control"] == "public, max-age=31536000, immutable"


def asset(shown: httpx.Response, name: str) -> str:
    stem, _, ending = name.partition(".")
    found = re.search(rf'"(/static/{stem}\.[0-9a-f]+\.{ending})"', shown.text)
    assert found is not None
    return found[1]


@pytest.mark.row(86)
@pytest.mark.parametrize(
    "fields",
    [
        {"name": '{"$ne": 1}', "password": '{"$ne": 1}'},
        {"name": name_of(Role.VIEWER), "password": '{"$ne": 1}'},
        {"name": '{"$ne": 1}', "password": PASSWORD},
        {"name[$ne]": "1", "password[$ne]": "1"},
        {"name": name_of(Role.VIEWER), "password[$ne]": "1"},
        {"name[$ne]": "1", "password": PASSWORD},
    ],
    ids=str,
)
async def test_an_operator_of_the_store_in_the_form_is_text_and_signs_nobody_in(
    console: Console, fields: dict[str, str]
) -> None:
    async with console.person() as person:
        hidden = forms(await person.get("/sign-in"))["/sign-in"]
        answer = await person.post("/sign-in", {**hidden, **fields})
        assert (answer.status_code, "The name or the password is not right." in answer.text) == (422, True)
        assert there(await person.get("/mailboxes")) == "/sign-in?next=%2Fmailboxes"
    assert await console.store.collection("sessions").find({}) == []
