"""Users: who may sign in, what each may do, and letting them in and out."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Path, Request
from starlette.responses import Response

from services.console import users
from services.console.api.surroundings import Here, Surroundings
from services.console.web import kit
from services.console.web.errors import sentence
from services.console.web.visitor import Me
from shared.domain.access import Role
from shared.domain.errors import Permanent
from shared.domain.people import LINK_VALID, User

Key = Annotated[str, Path(max_length=120)]
CHOICES = (
    (Role.VIEWER.value, "Viewer", "Sees mailboxes, mails, tickets and the catalogue."),
    (Role.OPERATOR.value, "Operator", "Also pauses and tests mailboxes, downloads, replays and discards mail."),
    (Role.EDITOR.value, "Editor", "Also changes mailboxes and the catalogue."),
    (Role.ADMINISTRATOR.value, "Administrator", "Also manages users and API tokens, and reads the audit log."),
)
"""Each role: its value, its title, and what it may do."""


async def list_(request: Request, here: Here) -> Response:
    """All of them."""
    return await kit.render(
        request, "users.html", title="Users", crumbs=[("Users", None)], users=await here.store.users.all()
    )


async def new(request: Request) -> Response:
    """Ask for a name and a role."""
    return await _new(request, "", Role.VIEWER)


async def create(request: Request, here: Here, me: Me) -> Response:
    """Add a user who has no password yet, and show the link on which one is set."""
    given = await kit.form(request)
    name, role = given.get("name", ""), _role(given.get("role", ""))
    try:
        user = await users.add(here.store, me.who, name, role)
    except Permanent as error:
        return await _new(request, name, role, error)
    return await _invited(request, here, me, user)


async def show(request: Request, here: Here, key: Key) -> Response:
    """One of them: role, sessions, and what can be done."""
    user = await users.find(here.store, key)
    return await kit.render(
        request,
        "user.html",
        title=user.name,
        crumbs=[("Users", "/users"), (user.name, None)],
        user=user,
        choices=CHOICES,
        sessions=await here.store.sessions.of(user.key),
    )


async def set_role(request: Request, here: Here, me: Me, key: Key) -> Response:
    """Give another role."""
    role = _role((await kit.form(request)).get("role", ""))
    return await _do(
        request, here, key, f"is {role.value} now", lambda user: users.set_role(here.store, me.who, user, role)
    )


async def disable(request: Request, here: Here, me: Me, key: Key) -> Response:
    """Close the door, and end every session."""
    return await _do(
        request,
        here,
        key,
        "is disabled and signed out everywhere",
        lambda user: users.set_disabled(here.store, me.who, user, True),
    )


async def enable(request: Request, here: Here, me: Me, key: Key) -> Response:
    """Open the door again."""
    return await _do(
        request, here, key, "may sign in again", lambda user: users.set_disabled(here.store, me.who, user, False)
    )


async def end_sessions(request: Request, here: Here, me: Me, key: Key) -> Response:
    """Sign a user out everywhere."""

    async def work(user: User) -> None:
        await here.store.audit.append(me.who, "end_sessions", users.KIND, user.key)
        await here.store.sessions.end_all(user.key)

    return await _do(request, here, key, "is signed out everywhere", work)


async def invite(request: Request, here: Here, me: Me, key: Key) -> Response:
    """Make a one-time link for a (new) password."""
    return await _invited(request, here, me, await users.find(here.store, key))


async def ask_remove(request: Request, here: Here, key: Key) -> Response:
    """Ask once more before a user is forgotten."""
    user = await users.find(here.store, key)
    crumbs = [("Users", "/users"), (user.name, f"/users/{user.key}"), ("Remove", None)]
    return await kit.render(request, "user_remove.html", title=f"Remove {user.name}?", crumbs=crumbs, user=user)


async def remove(request: Request, here: Here, me: Me, key: Key) -> Response:
    """Forget a user."""
    user = await users.find(here.store, key)
    await users.remove(here.store, me.who, user)
    await kit.flash(request, "done", f"{user.name} is removed.")
    return kit.redirect(request, "/users")


async def _do(
    request: Request, here: Surroundings, key: str, words: str, work: Callable[[User], Coroutine[Any, Any, None]]
) -> Response:
    """Change a user and go back to the user's page, which says what came of it."""
    user = await users.find(here.store, key)
    try:
        await work(user)
    except Permanent as error:
        await kit.flash(request, "wrong", f"{sentence(error.what)} {sentence(error.remedy)}")
    else:
        await kit.flash(request, "done", f"{user.name} {words}.")
    return kit.redirect(request, f"/users/{user.key}")


async def _invited(request: Request, here: Surroundings, me: Me, user: User) -> Response:
    token = await users.invite(here.store, me.who, user)
    crumbs = [("Users", "/users"), (user.name, f"/users/{user.key}"), ("Invitation", None)]
    site = here.site.public_url if here.site else ""
    return await kit.render(
        request,
        "user_invited.html",
        title=f"{user.name} is invited",
        crumbs=crumbs,
        user=user,
        link=f"{site}/welcome?token={token.get_secret_value()}",
        minutes=LINK_VALID.seconds // 60,
    )


async def _new(request: Request, name: str, role: Role, error: Permanent | None = None) -> Response:
    return await kit.render(
        request,
        "user_new.html",
        title="Add a user",
        crumbs=[("Users", "/users"), ("Add", None)],
        status=422 if error else 200,
        name=name,
        role=role,
        choices=CHOICES,
        error=f"{sentence(error.what)} {sentence(error.remedy)}" if error else "",
    )


def _role(given: str) -> Role:
    try:
        return Role(given)
    except ValueError:
        raise Permanent("that is not a role", remedy="choose one of the list", code="unknown_role") from None
