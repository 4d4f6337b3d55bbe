"""The console's users, as pages and command line change them: audited, and never without an administrator.

Whoever changes a role, a password or a user ends or renews the sessions that it concerns.
"""

import re

from pydantic import SecretStr

from services.console import passwords
from services.console.changes import audited
from services.console.passwords import Passwords
from shared.domain.access import Role
from shared.domain.errors import Permanent
from shared.domain.people import Invitation, Origin, Purpose, User
from shared.store.client import Store

KIND = "User"
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,99}")


def checked_name(given: str) -> str:
    """A name as it is kept. Raises Permanent for one that is none."""
    name = given.strip().casefold()
    if not _NAME.fullmatch(name):
        what = "a name has small letters, digits and . _ @ - only, and begins with a letter or digit"
        raise Permanent(what, where="name", remedy="for example: ada.lovelace", code="name_refused")
    return name


async def find(store: Store, key: str) -> User:
    """The user. Raises Permanent if there is none."""
    found = await store.users.get(key)
    if found is None:
        raise Permanent(f"there is no user {key}", remedy="`mail-automator users list` shows all", code="unknown_user")
    return found


async def add(store: Store, who: str, name: str, role: Role, hashed: str = "") -> User:
    """A new local user, with a password's hash or without. Raises Permanent if the name is taken or is none."""
    key, new = checked_name(name), {"role": role.value}
    if await store.users.get(key) is not None:
        raise _taken(key)
    async with audited(store, who, "create", KIND, key, new=new):
        if not await store.users.add(key, key, role, created_by=who, password=hashed):
            raise _taken(key)
    return await find(store, key)


async def invite(store: Store, who: str, user: User) -> SecretStr:
    """The secret part of a one-time link on which a user sets a password; it replaces an earlier one."""
    _check_local(user)
    async with audited(store, who, "invite", KIND, user.key):
        return await store.invitations.make(Purpose.PASSWORD, user.key)


async def first_link(store: Store) -> SecretStr | None:
    """The secret part of the one link on which the first administrator is made; None once there is a user."""
    return None if await store.users.exist() else await store.invitations.make(Purpose.FIRST)


async def welcome(store: Store, invitation: Invitation, name: str, hashed: str) -> User:
    """What a one-time link is for: the first administrator, or a user's password. Raises Permanent if it was used."""
    if invitation.purpose is Purpose.FIRST:
        key = checked_name(name)
        await _use(store, invitation)
        if await store.users.exist():
            raise used()
        return await add(store, "one-time link", key, Role.ADMINISTRATOR, hashed)
    user = await find(store, invitation.user)
    await _use(store, invitation)
    await set_password(store, "one-time link", user, hashed)
    return await find(store, user.key)


async def set_password(store: Store, who: str, user: User, hashed: str, but: str = "") -> None:
    """Another password; all sessions end but one. Raises Permanent for a user who has none here."""
    _check_local(user)
    async with audited(store, who, "set_password", KIND, user.key, secrets={"password": "changed"}):
        await store.users.set_password(user.key, hashed)
        await store.invitations.withdraw(Purpose.PASSWORD, user.key)
        await store.sessions.end_all(user.key, but)


async def set_role(store: Store, who: str, user: User, role: Role) -> None:
    """Another role; the user's sessions go on under new ids. Raises Permanent for the last administrator."""
    if user.origin is Origin.OPENID:
        what = "the role of this user comes from the groups of the OpenID provider"
        raise Permanent(what, where=f"user {user.name}", remedy="change the groups there", code="role_from_provider")
    if role is not Role.ADMINISTRATOR:
        await _check_not_last(store, user)
    async with audited(store, who, "set_role", KIND, user.key, old={"role": user.role.value}, new={"role": role.value}):
        await store.users.set_role(user.key, role)


async def set_disabled(store: Store, who: str, user: User, disabled: bool) -> None:
    """Close or open the door to a user. Raises Permanent for the last administrator."""
    if disabled:
        await _check_not_last(store, user)
    async with audited(store, who, "disable" if disabled else "enable", KIND, user.key):
        await store.users.set_disabled(user.key, disabled)
        if disabled:
            await _shut_out(store, user)


async def remove(store: Store, who: str, user: User) -> None:
    """Forget a user. Raises Permanent for the last administrator."""
    await _check_not_last(store, user)
    async with audited(store, who, "delete", KIND, user.key, old={"role": user.role.value}):
        await store.users.remove(user.key)
        await _shut_out(store, user)


async def hashed(hasher: Passwords, password: SecretStr, name: str) -> str:
    """What is kept of a new password. Raises Permanent for one that is too weak."""
    passwords.check(password, name)
    return await hasher.hash(password)


def used() -> Permanent:
    """A one-time link that opens nothing (any more)."""
    what = "this link is not valid: it was used, it was replaced by a newer one, or it is older than an hour"
    return Permanent(what, remedy="ask for a new one: `mail-automator users invite NAME`", code="link_invalid")


async def _use(store: Store, invitation: Invitation) -> None:
    if not await store.invitations.take(invitation):
        raise used()


async def _shut_out(store: Store, user: User) -> None:
    await store.sessions.end_all(user.key)
    await store.invitations.withdraw(Purpose.PASSWORD, user.key)


async def _check_not_last(store: Store, user: User) -> None:
    """Whoever is the only one who can let others in cannot be shut out."""
    others = [one for one in await store.users.all() if one.key != user.key and not one.disabled]
    if user.role is Role.ADMINISTRATOR and not any(one.role is Role.ADMINISTRATOR for one in others):
        what = "this is the only administrator"
        raise Permanent(what, where=f"user {user.name}", remedy="make another one first", code="last_administrator")


def _check_local(user: User) -> None:
    if user.origin is Origin.OPENID:
        what = "this user signs in at the OpenID provider and has no password here"
        raise Permanent(what, where=f"user {user.name}", remedy="change it there", code="password_elsewhere")


def _taken(name: str) -> Permanent:
    return Permanent(f"there is a user {name} already", where="name", remedy="choose another name", code="exists")
