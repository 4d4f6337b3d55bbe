"""Makes fetched mails ours: raw and ledger (from here on the mail is ours), then sightings, then publish.

Each step repeats harmlessly after a kill at any instruction. Must never touch the server's copy or the cursor.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.fetcher import decide
from services.fetcher.ports import Books, Clock, FetchedMail, ImapSession, Publisher
from shared.contracts.messages import EmailFetched
from shared.domain import identity
from shared.domain.ledger import LedgerEntry, MailOrigin, State
from shared.domain.sighting import Sight, Sighting
from shared.mail.headline import headline
from shared.observability.crash_points import crash_point

BY_VALUE_MAX = 256 * 1024
"""Bytes up to which a raw mail travels in the message itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder under one UIDVALIDITY."""

    mailbox: str
    folder: str
    uid_validity: int


@dataclass(frozen=True, slots=True)
class _Identified:
    """A mail with its identity."""

    mail: FetchedMail
    content_id: str
    copy_number: int
    mail_id: str


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes batches in. One for all mailboxes."""

    books: Books
    publisher: Publisher
    clock: Clock

    async def take(
        self,
        session: ImapSession,
        place: Place,
        mails: Sequence[FetchedMail],
        *,
        doubtful: bool = False,
        holes: bool = False,
    ) -> list[EmailFetched]:
        """Make these mails ours; returns the new ones as published. Those in the ledger already are only sighted.

        `doubtful`: most are expected to be in the ledger, so their raw is not written again. `holes`: these UIDs have
        been sighted as holes.
        Raises StoreUnavailable, BrokerUnavailable and the session's errors; what was done until then holds.
        """
        now = self.clock.now()
        found = await self._identify(session, place, mails)
        entries = [self._entry(place, one, now) for one in found]
        ids = [one.mail_id for one in entries]
        there: Mapping[str, LedgerEntry] = await self.books.ledger.get_many(ids) if doubtful else {}
        await self.books.raw.put_many({one.mail_id: one.mail.raw for one in found if one.mail_id not in there})
        crash_point("fetcher.after_raw")
        new = await self.books.ledger.insert_many([one for one in entries if one.mail_id not in there])
        crash_point("fetcher.after_ledger")
        await self._sight(place, found, now, holes)
        crash_point("fetcher.after_sightings")
        messages = [_message(place, one, now) for one in found if one.mail_id in new]
        await self.publisher.publish_fetched(messages)
        crash_point("fetcher.after_publish")
        return messages

    async def sight(self, place: Place, uids: Sequence[int], state: Sight) -> None:
        """Note UIDs that are no mail of ours."""
        now = self.clock.now()
        await self.books.sightings.insert_many([_sighting(place, uid, state, now) for uid in uids])

    async def _sight(self, place: Place, found: Sequence[_Identified], now: datetime, holes: bool) -> None:
        sightings = [
            Sighting(
                mailbox=place.mailbox,
                folder=place.folder,
                uid_validity=place.uid_validity,
                uid=one.mail.uid,
                content_id=one.content_id,
                mail_id=one.mail_id,
                seen_at=now,
            )
            for one in found
        ]
        await (self.books.sightings.settle if holes else self.books.sightings.insert_many)(sightings)

    async def _identify(self, session: ImapSession, place: Place, mails: Sequence[FetchedMail]) -> list[_Identified]:
        contents = {one.uid: identity.content_id(place.mailbox, one.internal_date, one.raw) for one in mails}
        numbers = decide.copy_numbers(contents, await self._taken(session, place, contents))
        return [
            _Identified(one, contents[one.uid], numbers[one.uid], identity.mail_id(contents[one.uid], numbers[one.uid]))
            for one in mails
        ]

    async def _taken(self, session: ImapSession, place: Place, contents: Mapping[int, str]) -> frozenset[str]:
        """The mail_ids of other copies of these contents that are in the folder at this moment.

        Only a content whose first copy is in the ledger can have others, so new mail costs one look-up by key.
        """
        firsts = {identity.mail_id(content, 0): content for content in contents.values()}
        repeated = tuple(firsts[mail] for mail in await self.books.ledger.get_many(tuple(firsts)))
        known = await self.books.sightings.by_content(place.mailbox, place.folder, place.uid_validity, repeated)
        others = {one.uid: one.mail_id for one in known if one.uid not in contents and one.mail_id is not None}
        if not others:
            return frozenset()
        present = await session.present(tuple(others))
        return frozenset(mail for uid, mail in others.items() if uid in present)

    def _entry(self, place: Place, one: _Identified, now: datetime) -> LedgerEntry:
        origin = MailOrigin(
            mailbox=place.mailbox,
            folder=place.folder,
            uid_validity=place.uid_validity,
            uid=one.mail.uid,
            internal_date=one.mail.internal_date,
            size=one.mail.size,
            content_id=one.content_id,
            copy_number=one.copy_number,
            raw_sha256=hashlib.sha256(one.mail.raw).hexdigest(),
        )
        return LedgerEntry(
            mail_id=one.mail_id,
            origin=origin,
            raw_kind=self.books.raw.kind_for(len(one.mail.raw)),
            headline=headline(one.mail.raw),
            state=State.STORED,
            stored_at=now,
            progress_at=now,
        )


def _sighting(place: Place, uid: int, state: Sight, now: datetime) -> Sighting:
    return Sighting(
        mailbox=place.mailbox, folder=place.folder, uid_validity=place.uid_validity, uid=uid, state=state, seen_at=now
    )


def _message(place: Place, one: _Identified, now: datetime) -> EmailFetched:
    return EmailFetched(
        mail_id=one.mail_id,
        mailbox=place.mailbox,
        received_at=one.mail.internal_date,
        fetched_at=now,
        size=one.mail.size,
        raw=one.mail.raw if len(one.mail.raw) <= BY_VALUE_MAX else None,
    )
