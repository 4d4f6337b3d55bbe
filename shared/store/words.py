"""The words of subjects (collection `mail_words`): one small document for each word of each mail.

Not an array in the mail: the embedded server has no index on the elements of an array. Each has all words of the
subject besides, so that a search for several reads none of the mails that lack one. Written before the mail itself, so
that no mail is there without its words; a word without a mail is nothing to anybody.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from shared.mail.words import begin_all, words
from shared.store import seek
from shared.store.collection import Collection, Database, Document
from shared.store.seek import Seen, Span

BEGINNINGS = 20
"""Words that one word of a search may be the beginning of."""

LOOKED_AT = 4_000
"""Words that a page of a search looks at, about: it is short where they were not enough."""

_PROBED = 100
_CHOSEN_FROM = 3
_STEPS = (64, 1_024)
_NEXT = "\U0010ffff"


class Lead(NamedTuple):
    """The words that a walk goes along. `reached`: how far back their newest hundred go; None: they are no more."""

    words: tuple[str, ...]
    reached: Seen | None


class Step(NamedTuple):
    """Mails that were found, the newest first, and where the walk goes on; None: it is at its end."""

    found: tuple[Seen, ...] = ()
    more: Seen | None = None


class MailWords:
    """Which mails have which words in their subject."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "mail_words")

    async def insert_many(self, mails: Iterable[tuple[str, datetime, str]]) -> None:
        """Keep the words of mails: mail_id, stored_at, subject. What is there stays as it is. One round trip."""
        await self._collection.insert_many([one for mail in mails for one in _documents(*mail)])

    async def lead(self, beginnings: Sequence[str], span: Span, after: Seen | None) -> Lead:
        """The words to walk along: those of the beginning (among the longest three) that the fewest mails seem to have,
        which is the one whose newest mails go furthest back."""
        longest = sorted(beginnings, key=len, reverse=True)[:_CHOSEN_FROM]
        leads = [await self._reach(one, span, after) for one in longest]
        return min(leads, key=lambda one: (one.reached is not None, one.reached))

    async def walk(self, beginnings: Sequence[str], lead: Lead, span: Span, after: Seen | None) -> AsyncIterator[Step]:
        """The mails that have a word for each of the beginnings, newest first, older than `after`: in steps that grow,
        each one round trip for each word of the lead, until LOOKED_AT."""
        size, looked_at = _STEPS[0], 0
        most = max(size, _STEPS[1] // max(1, len(lead.words)))
        while looked_at < LOOKED_AT:
            documents = await self._newest(lead.words, span, after, size)
            after = seek.place(documents[-1]["key"]) if len(documents) == size else None
            yield Step(tuple(seek.place(one["key"]) for one in documents if _has_all(one, beginnings)), after)
            if after is None:
                return
            looked_at += size * len(lead.words)
            size = min(2 * size, most)

    async def beginning(self, start: str, limit: int = BEGINNINGS) -> tuple[str, ...]:
        """Up to `limit` different words that begin so, in their order."""
        found: dict[str, None] = {}
        above = start
        while len(found) < limit:
            query = {"key": {"$gte": above, "$lt": start + _NEXT}}
            documents = await self._collection.find(query, sort=(("key", 1),), limit=_PROBED)
            found |= dict.fromkeys(_word(one) for one in documents)
            if len(documents) < _PROBED:
                break
            above = f"{_word(documents[-1])} :"
        return tuple(found)[:limit]

    async def _reach(self, beginning: str, span: Span, after: Seen | None) -> Lead:
        meant = await self.beginning(beginning)
        documents = await self._newest(meant, span, after, _PROBED)
        return Lead(meant, seek.place(documents[-1]["key"]) if len(documents) == _PROBED else None)

    async def _newest(self, of: Sequence[str], span: Span, after: Seen | None, limit: int) -> list[Document]:
        """The newest of these words, one document for each mail."""
        found: dict[Seen, Document] = {}
        for word in of:
            query = {"key": seek.within(word, span, after)}
            documents = await self._collection.find(query, sort=seek.newest_first("key"), limit=limit)
            found |= {seek.place(one["key"]): one for one in documents}
        return [found[seen] for seen in sorted(found, reverse=True)[:limit]]


def _documents(mail_id: str, at: datetime, subject: str) -> Iterable[Document]:
    there = words(subject)
    together = " ".join(there)
    for word in there:
        yield {"_id": f"{mail_id}/{word}", "key": seek.key(word, at, mail_id), "words": together}


def _word(document: Document) -> str:
    return str(document["key"]).partition(" ")[0]


def _has_all(document: Document, beginnings: Sequence[str]) -> bool:
    together: Any = document.get("words")
    return together is None or begin_all(str(together).split(), beginnings)
