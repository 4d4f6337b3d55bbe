"""Users by page: added with a link, changed, shut out; and never without an administrator."""

from shared.domain.access import Role
from tests.support.canary import secret
from tests.support.console import PASSWORD, Console, name_of, there

ADMIN = name_of(Role.ADMINISTRATOR)
ANOTHER = secret("another password")


def link_on(text: str) -> str:
    return text.partition("/welcome?token=")[2].partition('"')[0]


async def test_an_invited_user_sets_a_password_and_is_in(console: Console) -> None:
    async with await console.signed_in(Role.ADMINISTRATOR) as admin, console.person() as invited:
        shown = await admin.get("/users/new")
        answer = await admin.submit(shown, "/users/new", name="Grace", role="operator")
        token = link_on(answer.text)
        welcome = await invited.get(f"/welcome?token={token}")
        assert "Hello grace" in welcome.text
        assert there(await invited.submit(welcome, "/welcome", password=ANOTHER, repeated=ANOTHER)) == "/"
        assert (await invited.get("/users")).status_code == 403
    user = await console.store.users.get("grace")
    assert user is not None and (user.role, user.created_by) == (Role.OPERATOR, f"user {ADMIN}")
    log = await console.store.audit.page(kind="User", name="grace")
    assert [one.action for one in reversed(log)] == ["create", "invite", "set_password"]
    assert token not in str(log)


async def test_a_name_that_is_taken_or_none_is_said_on_the_form(console: Console) -> None:
    async with await console.signed_in(Role.ADMINISTRATOR) as admin:
        shown = await admin.get("/users/new")
        for name, words in ((ADMIN, "already"), ("<b>", "small letters")):
            answer = await admin.submit(shown, "/users/new", name=name, role="viewer")
            assert (answer.status_code, words in answer.text, "<b>" in answer.text) == (422, True, False)


async def test_a_disabled_user_is_out_at_once_and_may_come_back_when_enabled(console: Console) -> None:
    key = name_of(Role.EDITOR)
    async with await console.signed_in(Role.ADMINISTRATOR) as admin, await console.signed_in(Role.EDITOR) as editor:
        assert (await editor.get("/mailboxes")).status_code == 200
        await admin.submit(await admin.get(f"/users/{key}"), f"/users/{key}/disable")
        assert (await editor.get("/mailboxes")).status_code == 303
        assert (await editor.sign_in(key)).status_code == 422
        await admin.submit(await admin.get(f"/users/{key}"), f"/users/{key}/enable")
        assert (await editor.sign_in(key)).status_code == 303


async def test_another_role_counts_from_the_next_page_on(console: Console) -> None:
    key = name_of(Role.VIEWER)
    async with await console.signed_in(Role.ADMINISTRATOR) as admin, await console.signed_in(Role.VIEWER) as viewer:
        assert (await viewer.get("/users")).status_code == 403
        await admin.submit(await admin.get(f"/users/{key}"), f"/users/{key}/role", role="administrator")
        assert (await viewer.get("/users")).status_code == 200


async def test_the_only_administrator_can_neither_go_nor_become_less(console: Console) -> None:
    async with await console.signed_in(Role.ADMINISTRATOR) as admin:
        page = f"/users/{ADMIN}"
        await admin.submit(await admin.get(page), f"{page}/role", role="viewer")
        assert "the only administrator" in (await admin.get(page)).text
        await admin.submit(await admin.get(page), f"{page}/disable")
        assert "the only administrator" in (await admin.get(page)).text
        assert (await admin.submit(await admin.get(f"{page}/remove"), f"{page}/remove")).status_code == 422
    user = await console.store.users.get(ADMIN)
    assert user is not None and (user.role, user.disabled) == (Role.ADMINISTRATOR, False)


async def test_a_removed_user_is_forgotten_and_out(console: Console) -> None:
    key = name_of(Role.OPERATOR)
    async with await console.signed_in(Role.ADMINISTRATOR) as admin, await console.signed_in(Role.OPERATOR) as gone:
        await admin.submit(await admin.get(f"/users/{key}/remove"), f"/users/{key}/remove")
        assert f"{key} is removed." in (await admin.get("/users")).text
        assert (await gone.get("/mailboxes")).status_code == 303
        assert (await admin.get(f"/users/{key}")).status_code == 404


async def test_who_changes_the_own_password_stays_in_here_and_is_out_elsewhere(console: Console) -> None:
    async with await console.signed_in(Role.VIEWER) as here, await console.signed_in(Role.VIEWER) as elsewhere:
        shown = await here.get("/account")
        wrong = await here.submit(shown, "/account/password", present=ANOTHER, password=ANOTHER, repeated=ANOTHER)
        assert (wrong.status_code, "present password is not right" in wrong.text) == (422, True)
        right = await here.submit(shown, "/account/password", present=PASSWORD, password=ANOTHER, repeated=ANOTHER)
        assert there(right) == "/account"
        assert "signed out everywhere else" in (await here.get("/account")).text
        assert (await elsewhere.get("/account")).status_code == 303
        assert (await elsewhere.sign_in(name_of(Role.VIEWER))).status_code == 422
        assert (await elsewhere.sign_in(name_of(Role.VIEWER), ANOTHER)).status_code == 303


async def test_a_session_of_ones_own_can_be_ended_and_none_of_others(console: Console) -> None:
    async with await console.signed_in(Role.VIEWER) as here, await console.signed_in(Role.VIEWER) as elsewhere:
        assert (await elsewhere.get("/account")).status_code == 200
        shown = await here.get("/account")
        await here.submit(shown, "/account/sessions/end")
        assert (await elsewhere.get("/account")).status_code == 303
        assert (await here.get("/account")).status_code == 200
        await console.session_cookie(Role.ADMINISTRATOR)
        (foreign,) = await console.store.sessions.of(ADMIN)
        token = shown.text.partition('name="csrf" content="')[2].partition('"')[0]
        await here.post("/account/sessions/end", {"csrf": token, "key": foreign.key})
        assert len(await console.store.sessions.of(ADMIN)) == 1
