"""What is held of a person besides the ledger (`fading`): tickets, articles, acknowledgements, fingerprints, budgets.

A ticket that the person opened stays as a shell: number, mailbox, place in the catalogue, times, and which mails belong
to it. So numbers have no gaps, the books balance, and nothing is opened twice. Everything that was written goes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from shared.domain import identity
from shared.domain.ticket import AcknowledgementState, Answerable, Article
from shared.observability.crash_points import crash_point
from shared.store import seek
from shared.store.budgets import BudgetCounts
from shared.store.collection import Collection, Database, Document, changed, milliseconds, read

_AT_WORK = frozenset(
    {
        AcknowledgementState.PENDING.value,
        AcknowledgementState.CLAIMED.value,
        AcknowledgementState.DATA_STARTED.value,
    }
)


class Shell(NamedTuple):
    """A ticket as far as erasing needs it. `at_rest`: it owes no event, and its acknowledgement has come to its end."""

    ticket_id: str
    number: str
    origin_mail_id: str
    at_rest: bool
    erased: bool


class Erasing:
    """Erases. Every method may be repeated, after a kill at any instant too."""

    def __init__(self, database: Database) -> None:
        self._tickets = Collection(database, "tickets")
        self._articles = Collection(database, "articles")
        self._outbound = Collection(database, "outbound")
        self._fingerprints = Collection(database, "fingerprints")
        self._budgets = BudgetCounts(database)

    async def opened_by(self, address: str, mail_ids: Sequence[str]) -> tuple[Shell, ...]:
        """The tickets that a (normalised) address asked for, and those that these mails opened."""
        fields = ("number", "origin_mail_id", "owed_ms", "acknowledgement", "erased_ms", "acknowledged")
        found = await self._tickets.find({"seek.requester": seek.within(address)}, only=fields)
        there = {one["_id"] for one in found}
        ids = [one for mail in mail_ids if (one := identity.ticket_id(mail)) not in there]
        found += await self._tickets.find({"_id": {"$in": ids}}, only=fields)
        return tuple([await self._shell(one) for one in found])

    async def taking_part(self, address: str) -> tuple[str, ...]:
        """The tickets in which an address takes part. Reads all tickets: no index knows."""
        stream = self._tickets.stream({}, only=("participants",))
        return tuple([one["_id"] async for one in stream if address in (one.get("participants") or ())])

    async def articles_of(self, mail_ids: Sequence[str]) -> frozenset[str]:
        """Those of the mails that are articles, and still say something."""
        found = await self._articles.find({"_id": {"$in": list(mail_ids)}}, only=("article",))
        return frozenset(one["_id"] for one in found if one["article"]["sender"] or one["article"]["text"])

    async def article(self, mail_id: str) -> bool:
        """Empty the article that a mail became; False if it owes an event. None is there: nothing to do."""
        document = await self._articles.get(mail_id)
        if document is None:
            return True
        fields: Document = {"article": _emptied(document["article"]), "outbox": []}
        done = await self._articles.update({"_id": mail_id, "owed_ms": None}, changed(fields))
        crash_point("store.after_erased_article")
        return done

    async def ticket(self, shell: Shell, address: str, at: datetime) -> bool:
        """Leave the shell of a ticket; False if it owes an event, or is being acknowledged."""
        document = await self._tickets.get(shell.ticket_id)
        if document is None or not shell.at_rest:
            return False
        await self._acknowledgement(shell.ticket_id)
        told: Document = document.get("acknowledgement") or {}
        fields = {
            "subject": "",
            "requester": None,
            "participants": [one for one in document["participants"] if one != address],
            "articles": [_emptied(one) for one in document["articles"]],
            "answerable": Answerable().model_dump(),
            "outbox": [],
            "seek.requester": None,
            "erased_ms": milliseconds(at),
            **({"acknowledgement": {**told, "sentence": ""}} if told else {}),
        }
        query = {"_id": shell.ticket_id, "owed_ms": None, "acknowledged": document["acknowledged"]}
        done = await self._tickets.update(query, changed(fields))
        crash_point("store.after_erased_ticket")
        return done

    async def leave(self, ticket_ids: Sequence[str], address: str) -> None:
        """The address takes no part in these tickets any more."""
        for ticket_id in ticket_ids:
            await self._tickets.update({"_id": ticket_id}, changed({}, pull={"participants": address}))
            crash_point("store.after_left_ticket")

    async def fingerprints(self, mail_ids: Sequence[str]) -> None:
        """Nothing that comes later repeats these mails. Reads all fingerprints: no index knows."""
        if mail_ids:
            await self._fingerprints.delete({"owner.mail_id": {"$in": list(mail_ids)}})
            crash_point("store.after_erased_fingerprints")

    async def budget(self, address: str) -> None:
        """Forget how often the address was answered."""
        await self._budgets.forget_address(address)
        crash_point("store.after_erased_budget")

    async def _shell(self, document: Document) -> Shell:
        sending = await self._outbound.get(document["_id"])
        at_work = sending is not None and sending["status"]["state"] in _AT_WORK
        at_rest = document["owed_ms"] is None and not at_work
        erased = document.get("erased_ms") is not None
        return Shell(document["_id"], document["number"], document["origin_mail_id"], at_rest, erased)

    async def _acknowledgement(self, ticket_id: str) -> None:
        """What the mail server answered may name the address."""
        sending = await self._outbound.get(ticket_id)
        if sending is not None:
            query = {"_id": ticket_id, "turn": sending["turn"], "moves": sending["moves"]}
            await self._outbound.update(query, changed({"status": {**sending["status"], "sentence": ""}}))
            crash_point("store.after_erased_acknowledgement")


def _emptied(article: Document) -> Document:
    kept = read(Article, article)
    empty = Article(
        mail_id=kept.mail_id,
        kind=kept.kind,
        message_id=None,
        sender=None,
        text="",
        html=None,
        attachments=(),
        received_at=kept.received_at,
    )
    return empty.model_dump()
