"""Mailboxes and their sealed secrets, each mailbox one document, so that both change in one step."""

from collections.abc import Mapping

from pydantic import SecretStr, ValidationError

from shared.domain.errors import ConfigurationError, Permanent
from shared.domain.mailbox import SECRET_FIELDS, Mailbox, MailboxSpec, SecretSource, secret_binding, split_secrets
from shared.store.collection import Collection, Database, Document, changed
from shared.store.config import Config
from shared.store.encryption import Vault, fingerprint, rebind
from shared.store.failures import Conflict


class Mailboxes:
    """The mailboxes that administrators configured, with every version they ever had."""

    def __init__(self, database: Database, config: Config, vault: Vault) -> None:
        self._collection = Collection(database, "mailboxes")
        self._versions = Collection(database, "mailbox_versions")
        self._sign_ins = Collection(database, "sign_ins")
        self._config = config
        self._vault = vault

    async def all(self) -> tuple[Mailbox, ...]:
        """Every mailbox, by name."""
        documents = await self._collection.find({}, without=("secrets",))
        return tuple(sorted(map(_mailbox, documents), key=lambda one: one.name))

    async def get(self, name: str) -> Mailbox | None:
        """The mailbox of that name."""
        document = await self._collection.get(name)
        return _mailbox(document) if document else None

    async def put(self, mailbox: Mailbox, secrets: Mapping[str, SecretStr]) -> Mailbox:
        """Create a mailbox, or change it over `mailbox.revision`; returns it as stored.

        `secrets` are by `part.field` (`auth.password`). Whether it is paused is kept: only `set_paused` changes that.
        Raises Conflict if somebody changed it meanwhile, ConfigurationError if a stored secret is wanted that was
        neither given nor is there for the same host and user.
        """
        spec, inline = split_secrets(mailbox.spec)
        mailbox = mailbox.model_copy(update={"spec": spec})
        current = await self._collection.get(mailbox.name)
        sealed = self._sealed(mailbox, {**inline, **secrets}, current)
        stored = await (self._change(mailbox, sealed, current) if current else self._create(mailbox, sealed))
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

    async def sealed_secret(self, name: str, field: str) -> dict[str, str] | None:
        """The stored secret of a mailbox, still sealed."""
        return _by_field(await self._collection.get(name)).get(field)

    def _sealed(
        self, mailbox: Mailbox, given: Mapping[str, SecretStr], current: Document | None
    ) -> list[dict[str, str]]:
        kept = _by_field(current)
        sealed: list[dict[str, str]] = []
        for field in stored_fields(mailbox.spec):
            binding = secret_binding(mailbox.spec, mailbox.name, field)
            if field in given:
                sealed.append({"field": field, **self._vault.box().seal(given[field], binding)})
            elif kept.get(field, {}).get("binding") == fingerprint(binding):
                sealed.append(kept[field])
            else:
                raise rebind(f"mailbox {mailbox.name}, {field}")
        return sealed

    async def _create(self, mailbox: Mailbox, sealed: list[dict[str, str]]) -> Mailbox:
        past = await self._versions.find({"name": mailbox.name}, only=("revision",))
        revision = max((int(one["revision"]) for one in past), default=0) + 1
        if mailbox.revision not in (1, revision):
            raise _conflict(mailbox)
        stored = mailbox.model_copy(update={"revision": revision})
        if not await self._collection.insert({"_id": stored.name, **_fields(stored, sealed), "paused": stored.paused}):
            raise _conflict(mailbox)
        return stored

    async def _change(self, mailbox: Mailbox, sealed: list[dict[str, str]], current: Document) -> Mailbox:
        update = {"revision": mailbox.revision + 1, "paused": bool(current["paused"])}
        stored = mailbox.model_copy(update=update)
        query = {"_id": mailbox.name, "revision": mailbox.revision}
        if not await self._collection.update(query, changed(_fields(stored, sealed))):
            raise _conflict(mailbox)
        return stored

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


def _by_field(document: Document | None) -> dict[str, dict[str, str]]:
    return {one["field"]: one for one in document["secrets"]} if document else {}


def _fields(mailbox: Mailbox, sealed: list[dict[str, str]]) -> Document:
    content = mailbox.model_dump(mode="json", include={"labels", "spec", "revision", "managed_by"}, exclude_none=True)
    return {**content, "secrets": sealed}


def _mailbox(document: Document) -> Mailbox:
    fields = {key: document[key] for key in ("labels", "spec", "revision", "managed_by", "paused")}
    try:
        return Mailbox.model_validate({"name": document["_id"], **fields})
    except ValidationError as error:
        raise ConfigurationError(
            f"the stored mailbox {document['_id']} is not of the form that this version reads "
            f"({error.error_count()} fields)",
            where="store, collection mailboxes",
            remedy="upgrade this process, or apply the mailbox's YAML again",
            code="mailbox_unreadable",
        ) from None


def _version(mailbox: Mailbox) -> Document:
    content = mailbox.model_dump(mode="json", exclude_none=True)
    return {"_id": f"{mailbox.name}@{mailbox.revision}", **content}
