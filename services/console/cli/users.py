"""`users list|add|invite|set-role|set-password|disable|enable|remove`: who may sign in to the console.

A password is typed in or read from standard input, never an argument: arguments are seen by everybody on the machine.
"""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from services.console import passwords, users
from services.console.cli.actor import actor
from services.console.cli.exits import Exit
from services.console.cli.session import Session, session_of
from services.console.passwords import Passwords
from shared.domain.access import Role
from shared.domain.people import LINK_VALID, User
from shared.store.client import Store

COLUMNS = ("name", "role", "origin", "disabled", "has_password", "signed_in_at", "key")
Key = Annotated[str, typer.Argument(metavar="USER", help="Name of the user; for one of the OpenID provider the key.")]
RoleOption = Annotated[Role, typer.Option("--role", help="What the user may do.")]


def list_(context: typer.Context) -> int:
    """List the users: their role, whether they may sign in, when they last did."""
    session = session_of(context)

    async def work(store: Store) -> list[dict[str, Any]]:
        return [record(one) for one in await store.users.all()]

    session.printer.records("Users", COLUMNS, session.run(work), "none yet; `mail-automator users add NAME`")
    return Exit.OK


def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the user signs in as.")],
    role: RoleOption = Role.VIEWER,
    link: Annotated[bool, typer.Option("--link", help="Ask for no password: print a one-time link instead.")] = False,
) -> int:
    """Add a user. The password is typed in, or read from standard input; with --link the user sets it."""
    session, name = session_of(context), users.checked_name(name)
    password = None if link else read_password(name)

    async def work(store: Store) -> str:
        hashed = "" if password is None else await Passwords().hash(password)
        user = await users.add(store, actor(), name, role, hashed)
        return "" if password is not None else (await users.invite(store, actor(), user)).get_secret_value()

    token = session.run(work)
    _say(session, f"user {name} added as {role.value}", {"name": name, "role": role.value}, token)
    return Exit.OK


def invite(context: typer.Context, key: Key) -> int:
    """Print a one-time link on which the user sets a (new) password. It replaces the one before."""
    session = session_of(context)

    async def work(store: Store) -> str:
        return (await users.invite(store, actor(), await users.find(store, key))).get_secret_value()

    _say(session, f"user {key} is invited", {"name": key}, session.run(work))
    return Exit.OK


def set_role(
    context: typer.Context, key: Key, role: Annotated[Role, typer.Argument(help="What the user may do.")]
) -> int:
    """Give a user another role."""
    return _change(context, key, f"is {role.value} now", lambda store, user: users.set_role(store, actor(), user, role))


def set_password(context: typer.Context, key: Key) -> int:
    """Give a user another password, typed in or read from standard input; all sessions of the user end."""
    password = read_password(key)

    async def work(store: Store, user: User) -> None:
        await users.set_password(store, actor(), user, await Passwords().hash(password))

    return _change(context, key, "has a new password", work)


def disable(context: typer.Context, key: Key) -> int:
    """Let a user sign in no more; all sessions of the user end."""
    return _change(context, key, "is disabled", lambda store, user: users.set_disabled(store, actor(), user, True))


def enable(context: typer.Context, key: Key) -> int:
    """Let a disabled user sign in again."""
    return _change(context, key, "is enabled", lambda store, user: users.set_disabled(store, actor(), user, False))


def remove(context: typer.Context, key: Key) -> int:
    """Forget a user; all sessions of the user end. What the user did stays in the audit log."""
    return _change(context, key, "is removed", lambda store, user: users.remove(store, actor(), user))


def read_password(name: str) -> SecretStr:
    """A password, typed in twice at a terminal, otherwise the first line of standard input. Raises Permanent."""
    if sys.stdin.isatty():
        given = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    else:
        given = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    password = SecretStr(given)
    passwords.check(password, name)
    return password


def record(user: User) -> dict[str, Any]:
    """A user as a flat record with stable names."""
    return {name: getattr(user, name) for name in COLUMNS} | {"role": user.role.value, "origin": user.origin.value}


def _change(context: typer.Context, key: str, words: str, change: Callable[[Store, User], Awaitable[None]]) -> int:
    session = session_of(context)

    async def work(store: Store) -> dict[str, Any]:
        user = await users.find(store, key)
        await change(store, user)
        return record(await store.users.get(key) or user)

    done = session.run(work)
    _say(session, f"user {key} {words}", done)
    return Exit.OK


def _say(session: Session, words: str, fields: dict[str, Any], token: str = "") -> None:
    """For people a sentence; a link where one was made, which is seen this once."""
    link = f"{session.console_url()}/welcome?token={token}" if token else ""
    if not session.printer.for_people:
        session.printer.data({**fields, "link": link} if token else fields)
        return
    session.printer.line(words)
    if token:
        session.printer.line(f"open once, within {LINK_VALID.seconds // 60} minutes: {link}")
