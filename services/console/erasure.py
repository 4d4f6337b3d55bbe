"""Erases what is held of a person, by the address that the mails came from. What would go is said first.

Erased are: every mail from that address; every ticket that it opened, with all mails of it, since a conversation quotes
itself; its part in other tickets; its fingerprints and budget. What must stay so that nothing is lost, doubled or
opened again stays without a word of anybody: the bare ledger rows, and the shells of tickets.

The row, by which a mail is found, always goes last: so it may be killed anywhere, and run again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.console import changes
from shared.domain.errors import Permanent
from shared.domain.patterns import normalise_address
from shared.store.client import Store
from shared.store.erasing import Shell
from shared.store.fading import Ended

_BATCH = 200


class NotAnAddress(Permanent):
    """What was given is no address."""

    code = "not_an_address"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is held: tickets that the address opened, their mails by ticket, its other mails, the tickets of others in
    which it takes part, and where the configuration names it, which is not changed."""

    address: str
    tickets: tuple[Shell, ...] = ()
    of_tickets: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    others: tuple[str, ...] = ()
    takes_part: tuple[str, ...] = ()
    configuration: tuple[str, ...] = ()

    @property
    def mails(self) -> tuple[str, ...]:
        """All mails that are touched."""
        return tuple(dict.fromkeys((*self.others, *(mail for mails in self.of_tickets.values() for mail in mails))))


@dataclass(frozen=True, slots=True)
class Counts:
    """So much of it there is. `left` are mails and tickets that nothing can be taken of yet: in flight, in quarantine,
    with an event that is owed or an acknowledgement that is on its way."""

    mails: int = 0
    raws: int = 0
    tickets: int = 0
    articles: int = 0
    takes_part: int = 0
    left: int = 0


async def look(store: Store, sender: str) -> Scope:
    """What is held of the person. Raises NotAnAddress. Changes nothing."""
    address = normalise_address(sender)
    if address is None:
        raise NotAnAddress(f"{sender} is no address", remedy="give it as name@example.org")
    mails = await store.fading.from_sender(address)
    tickets = await store.erasing.opened_by(address, mails)
    open_shells = tuple(one for one in tickets if not one.erased or one.origin_mail_id in mails)
    of_tickets = {one.ticket_id: await store.fading.of_ticket(one.ticket_id) for one in open_shells}
    there = {mail for several in of_tickets.values() for mail in several}
    return Scope(
        address,
        open_shells,
        of_tickets,
        tuple(one for one in mails if one not in there),
        await store.erasing.taking_part(address),
        await _configuration(store, address),
    )


async def count(store: Store, scope: Scope) -> Counts:
    """How much that is."""
    mails = [one for batch in _batches(scope.mails) for one in await store.fading.named(batch)]
    whole = [one.mail_id for one in mails if not _is_erased(one)]
    raws = [len(await store.raw.has(batch)) for batch in _batches(whole)]
    articles = [len(await store.erasing.articles_of(batch)) for batch in _batches(whole)]
    restless = [one for one in mails if not one.at_rest], [one for one in scope.tickets if not one.at_rest]
    return Counts(
        mails=len(whole),
        raws=sum(raws),
        tickets=sum(not one.erased for one in scope.tickets),
        articles=sum(articles),
        takes_part=len(scope.takes_part),
        left=sum(map(len, restless)),
    )


async def erase(store: Store, who: str, scope: Scope, counts: Counts) -> Counts:
    """Erase it, audited under a digest of the address; returns what is left."""
    name = await store.mark_keys.digest(scope.address)
    new = {"mails": counts.mails, "tickets": counts.tickets, "articles": counts.articles}
    async with changes.audited(store, who, "erase", "Person", name, new=new):
        for ticket in scope.tickets:
            await _ticket(store, scope, ticket)
        for mails in _batches(scope.others):
            await _mails(store, mails)
        await store.erasing.leave(scope.takes_part, scope.address)
        await store.erasing.budget(scope.address)
    return await count(store, await look(store, scope.address))


async def _ticket(store: Store, scope: Scope, ticket: Shell) -> None:
    """Its mails, then it, then the mail that opened it: by the last two it is found again after a kill."""
    mails = [one for one in scope.of_tickets[ticket.ticket_id] if one != ticket.origin_mail_id]
    done = [await _mails(store, batch) for batch in _batches(mails)]
    if all(done) and await store.erasing.ticket(ticket, scope.address, await store.server_time()):
        await _mails(store, [ticket.origin_mail_id])


async def _mails(store: Store, mail_ids: Sequence[str]) -> bool:
    """Whether all of them could be erased."""
    mails = await store.fading.named(mail_ids)
    resting = [one for one in mails if one.at_rest and not _is_erased(one)]
    await store.erasing.fingerprints([one.mail_id for one in resting])
    at = await store.server_time()
    done = [await store.erasing.article(one.mail_id) and await store.fading.erase(one, at) for one in resting]
    return all(done) and all(one.at_rest for one in mails)


def _is_erased(one: Ended) -> bool:
    return "erased" in (one.document.get("gone") or {})


async def _configuration(store: Store, address: str) -> tuple[str, ...]:
    """Which mailboxes name the address, as a blocked sender or otherwise, and whether a user of the console does."""
    boxes = [one.name for one in await store.mailboxes.all() if address in one.spec.model_dump_json().lower()]
    users = [one.name for one in await store.users.all() if address in one.name.lower()]
    return (*(f"mailbox {name}" for name in boxes), *(f"user {name}" for name in users))


def _batches(mails: Iterable[str]) -> list[list[str]]:
    listed = list(mails)
    return [listed[at : at + _BATCH] for at in range(0, len(listed), _BATCH)]
