"""Gives the keys they are found by (shared/store/seek.py) to mails and tickets of a version that had none.

Safe to repeat, to break off, and to run beside everything else: a document that moves on meanwhile is left for the next
run.
"""

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from shared.store import ledger_documents, tickets
from shared.store.collection import Collection, Document, changed
from shared.store.legible import legible
from shared.store.seek import WITHOUT_KEYS
from shared.store.words import MailWords

if TYPE_CHECKING:
    from shared.store.client import Store

_PAGE = 500


async def upgrade(store: "Store") -> int:
    """Bring older documents up to date; returns how many were."""
    mails, words, count = store.collection("mails"), store.words, 0
    async for page in _pages(mails):
        count += await _upgrade_mails(mails, words, page)
    heads = store.collection("tickets")
    async for page in _pages(heads):
        found = [tickets.ticket_of(one) for one in page]
        count += await heads.update_each(
            ({"_id": one.ticket_id}, changed({"seek": tickets.keys(one)})) for one in found
        )
    return count


async def _upgrade_mails(mails: Collection, words: MailWords, page: Sequence[Document]) -> int:
    found = list(legible(page, ledger_documents.entry_of))
    await words.insert_many((one.mail_id, one.stored_at, one.headline.subject) for one in found)
    return await mails.update_each(
        ({"_id": one.mail_id, "state": one.state.value}, changed({"seek": ledger_documents.keys(one)})) for one in found
    )


async def _pages(collection: Collection) -> AsyncIterator[list[Document]]:
    """The documents without keys, a page at a time. Each is asked for anew: what has keys is not in it."""
    seen: set[str] = set()
    while page := await collection.find(WITHOUT_KEYS, limit=_PAGE):
        fresh = [one for one in page if one["_id"] not in seen]
        if not fresh:
            return
        seen |= {one["_id"] for one in fresh}
        yield fresh
