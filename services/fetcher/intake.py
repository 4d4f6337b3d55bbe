"""Makes fetched mails ours: raw and ledger (from here on the mail is ours), then sightings, then publish.

Each step repeats harmlessly after a kill at any instruction. Must never touch the server's copy or the cursor.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.fetcher import decide
from services.fetcher.beginnings import fetched
from services.fetcher.place import Place
from services.fetcher.ports import Books, Clock, FetchedMail, ImapSession, Preview, Publisher
from services.fetcher.unfetchable import Unfetchable, booking, given_later
from shared.contracts.events import DEFAULT_SOURCE
from shared.contracts.messages import EmailFetched
from shared.domain import identity
from shared.domain.ledger import LedgerEntry, MailOrigin, State
from shared.domain.sighting import Sight, Sighting
from shared.mail.headline import headline
from shared.observability.crash_points import crash_point
from shared.observability.tracing import Tracing

BY_VALUE_MAX = 256 * 1024
"""Bytes up to which a raw mail travels in the message itself."""


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
    event_source: str = DEFAULT_SOURCE
    tracing: Tracing | None = None

    async def take(
        self,
        session: ImapSession,
        place: Place,
        mails: Sequence[FetchedMail],
        *,
        doubtful: bool = False,
        imported: bool = False,
        holes: Mapping[int, Sighting] | None = None,
    ) -> list[EmailFetched]:
        """Make these mails ours; returns the new ones as published. Those in the ledger already are only sighted.

        `doubtful`: some are expected to be in the ledger, so their raw is not written again. Otherwise each is taken
        for the first copy of its content, and only those that the ledger knows already are looked at more closely.
        `imported`: they are older than the mailbox, and were asked for. `holes`: what these UIDs have been sighted as,
        if they were holes. Raises StoreUnavailable, BrokerUnavailable and the session's errors; what was done until
        then holds.
        """
        now = self.clock.now()
        contents = {one.uid: identity.content_id(place.mailbox, one.internal_date, one.raw) for one in mails}
        taken = await self._taken(session, place, contents) if doubtful else frozenset[str]()
        found = _identified(mails, contents, taken)
        entries = [self._entry(place, one, now, imported) for one in found]
        ids = [one.mail_id for one in entries]
        there: Mapping[str, LedgerEntry] = await self.books.ledger.get_many(ids) if doubtful else {}
        fresh = [one for one in entries if one.mail_id not in there]
        raws = {one.mail_id: one.mail.raw for one in found if one.mail_id not in there}
        await asyncio.gather(self._keep_raw(raws), self._keep_words(fresh))
        new = await self.books.ledger.insert_many(fresh, words_kept=True)
        crash_point("fetcher.after_ledger")
        await self._keep_away([one for one in fresh if one.mail_id not in new])
        ours = [one for one in found if doubtful or one.mail_id in new]
        await self._sight(place, ours, now, imported, holes)
        crash_point("fetcher.after_sightings")
        messages = [_message(place, one, now, imported) for one in found if one.mail_id in new]
        with fetched(self.tracing, messages):
            await self.publisher.publish_fetched(messages)
        crash_point("fetcher.after_publish")
        if len(ours) < len(found):
            known = [one.mail for one in found if one.mail_id not in new]
            messages += await self.take(session, place, known, doubtful=True, imported=imported, holes=holes)
        return messages

    async def _keep_raw(self, raws: Mapping[str, bytes]) -> None:
        await self.books.raw.put_many(raws)
        crash_point("fetcher.after_raw")

    async def _keep_words(self, entries: Sequence[LedgerEntry]) -> None:
        await self.books.ledger.keep_words(entries)
        crash_point("fetcher.after_words")

    async def _keep_away(self, known: Sequence[LedgerEntry]) -> None:
        """Mails that were in the books all along: what was deleted of them at the end of its retention, or because a
        person asked for it, was written again just now, and goes again."""
        if known:
            await self.books.fading.keep_away(known)
            crash_point("fetcher.after_kept_away")

    async def recognise(self, session: ImapSession, place: Place, previews: Sequence[Preview]) -> frozenset[int]:
        """Sight those that the ledger knows by their headers, date and size; returns their UIDs. Nothing is downloaded.

        Where several different mails share all that, or a copy more is there than the ledger has, the mail is not
        recognised: it must be downloaded, and its identity decides.
        """
        outlines = {
            one.uid: identity.outline_id(place.mailbox, one.internal_date, one.size, one.head) for one in previews
        }
        known = await self.books.ledger.contents_of(tuple(set(outlines.values())))
        contents = {uid: known[outline] for uid, outline in outlines.items() if outline in known}
        if not contents:
            return frozenset()
        numbers = decide.copy_numbers(contents, await self._taken(session, place, contents))
        mails = {uid: identity.mail_id(content, numbers[uid]) for uid, content in contents.items()}
        there = await self.books.ledger.get_many(tuple(set(mails.values())))
        now = self.clock.now()
        found = [
            _sighting(place, uid, Sight.MAIL, now, contents[uid], mail) for uid, mail in mails.items() if mail in there
        ]
        await self.books.sightings.insert_many(found)
        crash_point("fetcher.after_recognised")
        return frozenset(one.uid for one in found)

    async def give_up(
        self, session: ImapSession, place: Place, one: Unfetchable, revision: int, *, imported: bool = False
    ) -> str:
        """Book a mail that the server does not give as rejected; returns its mail_id. Repeating it changes nothing.

        The bookkeeper sends the event: it is owed, like any other.
        """
        now, content = self.clock.now(), one.content_id(place)
        numbers = decide.copy_numbers({one.uid: content}, await self._taken(session, place, {one.uid: content}))
        entry, event = booking(one, place, numbers[one.uid], revision, now, self.event_source)
        await self.books.raw.put_many({entry.mail_id: one.head})
        crash_point("fetcher.after_head")
        await self.books.ledger.insert_decided(entry, (event,))
        crash_point("fetcher.after_unfetchable")
        sighting = _sighting(place, one.uid, Sight.HOLE, now, content, entry.mail_id)
        await self._keep([sighting], imported)
        crash_point("fetcher.after_hole")
        return entry.mail_id

    async def gone(self, holes: Sequence[Sighting]) -> None:
        """These holes are not on the server any more. What was booked for them stays."""
        await self.books.sightings.settle([one.model_copy(update={"state": Sight.VANISHED}) for one in holes])
        if holes:
            crash_point("fetcher.after_gone")

    async def sight(self, place: Place, uids: Sequence[int], state: Sight) -> None:
        """Note UIDs that are no mail of ours."""
        now = self.clock.now()
        await self.books.sightings.insert_many([_sighting(place, uid, state, now) for uid in uids])
        crash_point("fetcher.after_odd_sightings")

    async def _sight(
        self,
        place: Place,
        found: Sequence[_Identified],
        now: datetime,
        imported: bool,
        holes: Mapping[int, Sighting] | None,
    ) -> None:
        sightings = [_sighting(place, one.mail.uid, Sight.MAIL, now, one.content_id, one.mail_id) for one in found]
        if holes is None:
            await self._keep(sightings, imported)
            return
        for one in found:
            rejected = holes[one.mail.uid].mail_id
            if rejected is not None:
                await self.books.ledger.note(rejected, given_later(one.mail_id))
                crash_point("fetcher.after_note")
        await self.books.sightings.settle(sightings)

    async def _keep(self, sightings: Sequence[Sighting], imported: bool) -> None:
        if imported:
            await self.books.sightings.take_over(sightings)
        else:
            await self.books.sightings.insert_many(sightings)

    async def _taken(self, session: ImapSession, place: Place, contents: Mapping[int, str]) -> frozenset[str]:
        """The mail_ids of other copies of these contents that are in the folder at this moment.

        Only a content whose first copy is in the ledger can have others.
        """
        firsts = {identity.mail_id(content, 0): content for content in contents.values()}
        repeated = tuple(firsts[mail] for mail in await self.books.ledger.get_many(tuple(firsts)))
        known = await self.books.sightings.by_content(place.mailbox, place.folder, place.uid_validity, repeated)
        others = {one.uid: one.mail_id for one in known if one.uid not in contents and one.mail_id is not None}
        if not others:
            return frozenset()
        present = await session.present(tuple(others))
        return frozenset(mail for uid, mail in others.items() if uid in present)

    def _entry(self, place: Place, one: _Identified, now: datetime, imported: bool) -> LedgerEntry:
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
            outline_id=identity.outline_id(
                place.mailbox, one.mail.internal_date, one.mail.announced or one.mail.size, one.mail.raw
            ),
            imported=imported,
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


def _identified(mails: Sequence[FetchedMail], contents: Mapping[int, str], taken: frozenset[str]) -> list[_Identified]:
    numbers = decide.copy_numbers(contents, taken)
    return [
        _Identified(one, contents[one.uid], numbers[one.uid], identity.mail_id(contents[one.uid], numbers[one.uid]))
        for one in mails
    ]


def _sighting(
    place: Place, uid: int, state: Sight, now: datetime, content_id: str | None = None, mail_id: str | None = None
) -> Sighting:
    return Sighting(
        mailbox=place.mailbox,
        folder=place.folder,
        uid_validity=place.uid_validity,
        uid=uid,
        content_id=content_id,
        mail_id=mail_id,
        state=state,
        seen_at=now,
    )


def _message(place: Place, one: _Identified, now: datetime, imported: bool) -> EmailFetched:
    return EmailFetched(
        mail_id=one.mail_id,
        mailbox=place.mailbox,
        received_at=one.mail.internal_date,
        fetched_at=now,
        imported=imported,
        size=one.mail.size,
        raw=one.mail.raw if len(one.mail.raw) <= BY_VALUE_MAX else None,
    )
