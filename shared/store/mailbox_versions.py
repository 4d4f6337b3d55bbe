"""Every revision a mailbox ever had (collection `mailbox_versions`, written by `Mailboxes`). Reads only."""

from shared.domain.mailbox import Mailbox
from shared.store.collection import Collection, Database, Document, read


class MailboxVersions:
    """The past of the mailboxes, without their secrets."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "mailbox_versions")

    async def of(self, name: str) -> tuple[Mailbox, ...]:
        """All revisions of a mailbox, the newest first; also those of one that was deleted."""
        found = await self._collection.find({"name": name})
        return tuple(sorted(map(_mailbox, found), key=lambda one: one.revision, reverse=True))

    async def get(self, name: str, revision: int) -> Mailbox | None:
        """One revision."""
        document = await self._collection.get(f"{name}@{revision}")
        return _mailbox(document) if document else None


def _mailbox(document: Document) -> Mailbox:
    return read(Mailbox, {key: value for key, value in document.items() if key != "_id"})
