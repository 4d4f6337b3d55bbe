"""Counts the mails that nobody can account for, page by page: each round checks all, spread over time.

Three faults there are: a sighting whose mail is not in the ledger, a mail that is done though its ticket does not
exist or does not count it, and an entry that somebody edited to what none can be. What was found is looked at again
each time, so that the count is 0 once it is mended; `mail-automator audit` names each one. Must never write.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.bookkeeper.ports import Articles, Ledger, Sightings, Tickets
from shared.domain import effects
from shared.domain.decision import Kind
from shared.domain.ledger import State
from shared.store.ledger import LedgerRow
from shared.store.tickets import TicketOrigin

PAGE = 100
"""Documents in one question, so that no answer holds up those who take mail in."""


@dataclass(slots=True)
class Accounts:
    """Where the round stands, and what was found: mailbox by mail_id."""

    sightings: Sightings
    ledger: Ledger
    tickets: Tickets
    articles: Articles
    page: int = PAGE
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    _sighting: str = ""
    _mail: str = ""
    _unbooked: dict[str, str] = field(default_factory=dict[str, str])
    _without_effect: dict[str, str] = field(default_factory=dict[str, str])

    async def look(self) -> Mapping[str, int]:
        """Look again at what was found, then at the next page of both, of a new round where the last one has come
        through; returns the mails unaccounted for, by mailbox. Raises StoreUnavailable."""
        async with self._one_at_a_time:
            self._unbooked = await self._of_no_mail(self._unbooked)
            again = await self.ledger.rows_of(self._without_effect) if self._without_effect else ()
            self._without_effect = await self._missing(again)
            await self._page_of_sightings()
            await self._page_of_mails()
            return Counter((self._unbooked | self._without_effect).values())

    async def go_on(self) -> None:
        """The next page of both, where the round has not come through. Raises StoreUnavailable."""
        async with self._one_at_a_time:
            if self._sighting:
                await self._page_of_sightings()
            if self._mail:
                await self._page_of_mails()

    async def _page_of_sightings(self) -> None:
        rows = await self.sightings.mails_after(self._sighting, self.page)
        self._unbooked |= await self._of_no_mail({mail: mailbox for _, mailbox, mail in rows if mail is not None})
        self._sighting = rows[-1][0] if len(rows) == self.page else ""

    async def _page_of_mails(self) -> None:
        rows = await self.ledger.rows_after(self._mail, self.page)
        self._without_effect |= await self._missing(rows)
        self._mail = rows[-1].mail_id if len(rows) == self.page else ""

    async def _of_no_mail(self, mails: Mapping[str, str]) -> dict[str, str]:
        booked = await self.ledger.existing(mails)
        return {mail: mailbox for mail, mailbox in mails.items() if mail not in booked}

    async def _missing(self, rows: Sequence[LedgerRow]) -> dict[str, str]:
        """Those whose effect should be there and is not, and those that no entry can be."""
        done = [row for row in rows if row.state is State.DONE and row.kind is not Kind.REJECTED]
        tickets = await self.tickets.origins({row.ticket_id for row in done if row.ticket_id})
        places = await self.articles.places([row.mail_id for row in done if row.kind is Kind.REPLY])
        found = {row.mail_id: row.mailbox for row in rows if row.state is None}
        for row in done:
            if not _effect_is_there(row, tickets.get(row.ticket_id or ""), places.get(row.mail_id)):
                found[row.mail_id] = row.mailbox
        return found


def _effect_is_there(row: LedgerRow, ticket: TicketOrigin | None, place: str | None) -> bool:
    if row.kind is None or ticket is None:
        return False
    appended = place == ticket.ticket_id
    return effects.is_there(row.kind, row.mail_id, ticket.origin_mail_id, ticket.duplicates, appended=appended)
