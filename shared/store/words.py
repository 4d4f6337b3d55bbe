"""The words of subjects (collection `mail_words`): one small document for each word of each mail.

Not an array in the mail: the embedded server has no index on the elements of an array. Written before the mail itself,
so that no mail is there without its words; a word without a mail is nothing to anybody.
"""

from collections.abc import Iterable
from datetime import datetime

from shared.mail.words import words
from shared.store import seek
from shared.store.collection import Collection, Database
from shared.store.seek import Seen, Span

_NEXT = "\U0010ffff"


class MailWords:
    """Which mails have which words in their subject."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "mail_words")

    async def insert_many(self, mails: Iterable[tuple[str, datetime, str]]) -> None:
        """Keep the words of mails: mail_id, stored_at, subject. What is there stays as it is."""
        await self._collection.insert_many(
            [
                {"_id": f"{mail_id}/{word}", "key": seek.key(word, at, mail_id)}
                for mail_id, at, subject in mails
                for word in words(subject)
            ]
        )

    async def beginning(self, start: str, limit: int) -> tuple[str, ...]:
        """Up to `limit` different words that begin so. One round trip for each."""
        found: list[str] = []
        above = start
        while len(found) < limit:
            query = {"key": {"$gte": above, "$lt": start + _NEXT}}
            first = await self._collection.find(query, sort=(("key", 1),), limit=1)
            if not first:
                break
            found.append(str(first[0]["key"]).partition(" ")[0])
            above = f"{found[-1]} :"
        return tuple(found)

    async def newest(self, of: Iterable[str], span: Span, after: Seen | None, limit: int) -> tuple[Seen, ...]:
        """Up to `limit` mails with one of these words, newest first, older than `after`: stored_at and mail_id."""
        found: set[Seen] = set()
        for word in of:
            query = {"key": seek.within(word, span, after)}
            documents = await self._collection.find(query, sort=seek.newest_first("key"), limit=limit)
            found |= {seek.place(one["key"]) for one in documents}
        return tuple(sorted(found, reverse=True)[:limit])
