"""The people who may sign in to the console (collection `users`). A password is here only as its argon2id hash."""

from typing import Any

from shared.domain.access import Role
from shared.domain.people import Origin, User
from shared.store.collection import Collection, Database, Document, changed
from shared.store.ports import Clock


class Users:
    """The users, by key."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = Collection(database, "users")
        self._clock = clock

    async def get(self, key: str) -> User | None:
        """One of them."""
        document = await self._collection.get(key)
        return _user(document) if document else None

    async def all(self) -> tuple[User, ...]:
        """Everybody, by name."""
        return tuple(sorted(map(_user, await self._collection.find({})), key=lambda one: (one.name, one.key)))

    async def exist(self) -> bool:
        """Whether there is anybody yet."""
        return bool(await self._collection.find({}, only=("_id",), limit=1))

    async def add(
        self, key: str, name: str, role: Role, *, created_by: str, origin: Origin = Origin.LOCAL, password: str = ""
    ) -> bool:
        """Add a user, with the hash of a password if there is one; False if the key is taken."""
        document = {
            "_id": key,
            "name": name,
            "role": role.value,
            "origin": origin.value,
            "disabled": False,
            "password": password,
            "created": {"by": created_by, "at": self._clock.now()},
            "signed_in": None,
        }
        return await self._collection.insert(document)

    async def password(self, key: str) -> str:
        """The hash of a user's password; empty if there is none, or no such user, or a disabled one."""
        document = await self._collection.get(key)
        return "" if document is None or document["disabled"] else str(document["password"])

    async def set_password(self, key: str, hashed: str) -> bool:
        """Another password, as its hash; False if there is no such local user."""
        query = {"_id": key, "origin": Origin.LOCAL.value}
        return await self._collection.update(query, changed({"password": hashed}))

    async def set_role(self, key: str, role: Role) -> bool:
        """Another role; False if there is no such user."""
        return await self._collection.update({"_id": key}, changed({"role": role.value}))

    async def set_disabled(self, key: str, disabled: bool) -> bool:
        """Close or open the door to a user; False if there is no such user."""
        return await self._collection.update({"_id": key}, changed({"disabled": disabled}))

    async def set_name(self, key: str, name: str) -> bool:
        """What the provider calls the user today; False if there is no such user."""
        return await self._collection.update({"_id": key}, changed({"name": name}))

    async def note_sign_in(self, key: str) -> None:
        """The user has just signed in."""
        await self._collection.update({"_id": key}, changed({"signed_in": {"at": self._clock.now()}}))

    async def remove(self, key: str) -> bool:
        """Forget a user; False if there is none."""
        return await self._collection.delete({"_id": key}) > 0


def _user(document: Document) -> User:
    made, signed_in = document["created"], document["signed_in"]
    fields: dict[str, Any] = {name: document[name] for name in ("name", "role", "origin", "disabled")}
    return User(
        key=document["_id"],
        has_password=bool(document["password"]),
        created_by=made["by"],
        created_at=made["at"],
        signed_in_at=signed_in["at"] if signed_in else None,
        **fields,
    )
