"""Mailboxes and their sealed secrets, each mailbox one document, so that both change in one step."""

from collections.abc import Mapping

from pydantic import SecretStr, ValidationError

from shared.domain.bindings import again, elsewhere, secret_binding
from shared.domain.errors import ConfigurationError, Permanent
from shared.domain.mailbox import SECRET_FIELDS, Mailbox, MailboxSpec, SecretSource, split_secrets
from shared.store.collection import Collection, Database, Document, changed, read
from shared.store.config import Config
from shared.store.encryption import Sealed, Vault, fits
from shared.store.failures import Conflict


class Mailboxes:
    """The mailboxes that administrators configured, with every version they ever had."""

    def __init__(self, database: Database, config: Config, vault: Vault) -> None:
        self._collection = Collection(database, "mailboxes")
        self._versions = Collection(database, "mailbox_versions")
        self._sign_ins = Collection(database, "sign_ins")
        self._config = config
        self._vault = vault
        self._known: tuple[int, tuple[Mailbox, ...]] | None = None

    async def all(self) -> tuple[Mailbox, ...]:
        """Every mailbox, by name."""
        documents = await self._collection.find({}, without=("secrets",))
        return tuple(sorted(map(_mailbox, documents), key=lambda one: one.name))

    async def known(self) -> tuple[Mailbox, ...]:
        """Every mailbox, by name, as of the last change: read again only once there was one, so that a list of
        thousands costs one small round trip. For lists; what is to be changed is read by `get`."""
        generation = await self._config.generation()
        if self._known is None or self._known[0] != generation:
            self._known = generation, await self.all()
        return self._known[1]

    async def get(self, name: str) -> Mailbox | None:
        """The mailbox of that name."""
        document = await self._collection.get(name)
        return _mailbox(document) if document else None

    async def put(self, mailbox: Mailbox, secrets: Mapping[str, SecretStr], *, create: bool = False) -> Mailbox:
        """Create a mailbox, or change it over `mailbox.revision` (never if `create`); returns it as stored.

        `secrets` are by `part.field` (`auth.password`). Whether it is paused is kept: only `set_paused` changes that.
        Raises Conflict if somebody changed or created it meanwhile, ConfigurationError if a stored secret is wanted
        that was neither given nor is there for the same servers and users.
        """
        spec, inline = split_secrets(mailbox.spec)
        mailbox = mailbox.model_copy(update={"spec": spec})
        given = {**inline, **secrets}
        current = None if create else await self._collection.get(mailbox.name)
        stored = await (self._change(mailbox, given, current) if current else self._create(mailbox, given))
        await self._keep_versions(stored, current)
        await self._config.bump()
        return stored

    async def set_paused(self, name: str, paused: bool) -> Mailbox:
        """Pause or resume a mailbox; its revision stays. Raises Permanent if there is none of that name."""
        document = await self._collection.change({"_id": name}, changed({"paused": paused}))
        if document is None:
            raise Permanent(f"there is no mailbox {name}", code="unknown_mailbox")
        await self._config.bump()
        return _mailbox(document)

    async def delete(self, name: str) -> bool:
        """Delete a mailbox, its secrets and its sign-in; False if there is none. Its versions and its mails stay."""
        await self._sign_ins.delete({"_id": name})
        deleted = await self._collection.delete({"_id": name}) > 0
        if deleted:
            await self._config.bump()
        return deleted

    async def sealed_secret(self, mailbox: Mailbox, field: str) -> Sealed:
        """The stored secret of a field, still sealed. Raises ConfigurationError if there is none, or if it was given
        for other servers or users than this mailbox (which may be an edited one) names."""
        return _kept(mailbox, field, await self._collection.get(mailbox.name))

    def _sealed(self, mailbox: Mailbox, given: Mapping[str, SecretStr], current: Document | None) -> list[Sealed]:
        return [
            {"field": field, **self._vault.seal(given[field], secret_binding(mailbox.spec, mailbox.name, field))}
            if field in given
            else _kept(mailbox, field, current)
            for field in stored_fields(mailbox.spec)
        ]

    async def _create(self, mailbox: Mailbox, given: Mapping[str, SecretStr]) -> Mailbox:
        past = await self._versions.find({"name": mailbox.name}, only=("revision",))
        revision = max((int(one["revision"]) for one in past), default=0) + 1
        if mailbox.revision not in (1, revision):
            raise _conflict(mailbox)
        stored = mailbox.model_copy(update={"revision": revision})
        content = _fields(stored, self._sealed(stored, given, None))
        fresh = {"_id": stored.name, **content, "secrets_rev": 0, "paused": stored.paused}
        if not await self._collection.insert(fresh):
            raise _conflict(mailbox)
        return stored

    async def _change(self, mailbox: Mailbox, given: Mapping[str, SecretStr], current: Document) -> Mailbox:
        """Over the revision and over the wrapping of the secrets that were read: a key rotation is never undone."""
        if "secrets_rev" not in current:
            raise _unreadable(mailbox.name, "of an older form", "delete it and make it again; its mails and books stay")
        update = {"revision": mailbox.revision + 1, "paused": bool(current["paused"])}
        stored = mailbox.model_copy(update=update)
        content = _fields(stored, self._sealed(mailbox, given, current))
        query = {"_id": mailbox.name, "revision": mailbox.revision, "secrets_rev": current["secrets_rev"]}
        if await self._collection.update(query, changed(content)):
            return stored
        newer = await self._collection.get(mailbox.name)
        if newer is None or newer["revision"] != mailbox.revision:
            raise _conflict(mailbox)
        return await self._change(mailbox, given, newer)

    async def _keep_versions(self, stored: Mailbox, current: Document | None) -> None:
        past = [_mailbox(current)] if current else []
        await self._versions.insert_many([_version(one) for one in (*past, stored)])


def stored_fields(spec: MailboxSpec) -> tuple[str, ...]:
    """The fields of a spec, as `part.field`, whose secret is in our own store."""
    return tuple(f"{part}.{field}" for part, field in SECRET_FIELDS if source_of(spec, f"{part}.{field}") == _STORED)


def source_of(spec: MailboxSpec, field: str) -> SecretSource | None:
    """Where a spec says that a secret comes from; None if it names no source."""
    part, _, name = field.partition(".")
    found = getattr(getattr(spec, part, None), f"{name}_from", None)
    return found if isinstance(found, SecretSource) else None


_STORED = SecretSource(stored=True)


def _conflict(mailbox: Mailbox) -> Conflict:
    what = f"mailbox {mailbox.name} was changed by somebody else meanwhile"
    return Conflict(what, where=f"revision {mailbox.revision}", remedy="read it again and repeat the change")


def _kept(mailbox: Mailbox, field: str, current: Document | None) -> Sealed:
    sealed = next((one for one in current["secrets"] if one["field"] == field), None) if current else None
    if current is None or sealed is None:
        raise ConfigurationError(
            "no secret is stored", where=f"mailbox {mailbox.name}, {field}", remedy=again(field), code="secret_missing"
        )
    if not fits(sealed, secret_binding(mailbox.spec, mailbox.name, field)):
        raise elsewhere(_mailbox(current).spec, mailbox, field)
    return sealed


def _fields(mailbox: Mailbox, sealed: list[Sealed]) -> Document:
    content = mailbox.model_dump(mode="json", include={"labels", "spec", "revision", "managed_by"}, exclude_none=True)
    return {**content, "secrets": sealed}


def _mailbox(document: Document) -> Mailbox:
    fields = {key: document[key] for key in ("labels", "spec", "revision", "managed_by", "paused")}
    try:
        return read(Mailbox, {"name": document["_id"], **fields})
    except ValidationError as error:
        why = f"not of the form that this version reads ({error.error_count()} fields)"
        raise _unreadable(document["_id"], why, "upgrade this process, or apply the mailbox's YAML again") from None


def _unreadable(name: str, why: str, remedy: str) -> ConfigurationError:
    where = "store, collection mailboxes"
    return ConfigurationError(
        f"the stored mailbox {name} is {why}", where=where, remedy=remedy, code="mailbox_unreadable"
    )


def _version(mailbox: Mailbox) -> Document:
    content = mailbox.model_dump(mode="json", exclude_none=True)
    return {"_id": f"{mailbox.name}@{mailbox.revision}", **content}
