"""One pass over a folder: look for what is new, fetch it in batches, make it ours, move the cursor.

Order of writes per batch: raw and ledger, sightings, publish, cursor (fenced by the lease). The cursor never passes
a UID without a durable sighting. Must never change anything on the server.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Protocol, TypeVar

import structlog

from services.fetcher import asking, decide
from services.fetcher.cursor import save_cursor
from services.fetcher.decide import Batch, Progress
from services.fetcher.intake import Intake
from services.fetcher.pace import Pace, Paced, awake
from services.fetcher.place import Place
from services.fetcher.ports import Belt, Books, FetchedMail, ImapSession, Outline
from services.fetcher.reappearance import BY_IDENTITY, UNKNOWN, Reappearance
from services.fetcher.troubles import MAX_TRIES, Troubles
from services.fetcher.unfetchable import Unfetchable
from shared.contracts.messages import EmailFetched
from shared.domain.mailbox_runtime import Cursor, Lease
from shared.domain.sighting import Sight, Sighting

log = structlog.get_logger(__name__)

PAGE = 1000
FINISH_SECONDS = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """Most mails and bytes per batch, the bytes above which only a mail's start is taken, how many mails that have
    come back and are unknown are taken without asking a person, and most bytes of a mailbox within an hour."""

    batch: int = 50
    batch_bytes: int = 4 * 1024 * 1024
    mail_bytes: int = 50 * 1024 * 1024
    reappeared: int = 500
    bytes_per_hour: int = 1024 * 1024 * 1024


class Listener(Paced, Protocol):
    """Told of what happens."""

    def taken(self, messages: Sequence[EmailFetched]) -> None:
        """These are ours now."""
        ...

    def lag(self, mails: int) -> None:
        """So many mails are listed and not ours yet."""
        ...

    def sighted(self, state: Sight, mails: int) -> None:
        """So many UIDs are no mail of ours."""
        ...


@dataclass(slots=True)
class Folder:
    """A folder that has been selected, with its cursor from `open_cursor`."""

    mailbox: str
    books: Books
    intake: Intake
    limits: Limits
    lease: Callable[[], Lease]
    monotonic: Callable[[], float]
    now: Callable[[], datetime]
    cursor: Cursor
    troubles: Troubles
    report: Listener
    back: Reappearance
    pace: Pace
    belt: Belt
    revision: int = 0
    _caught_up: bool = field(default=False, init=False)
    """The last pass settled all that it listed: whatever is above the cursor came after it, and nobody has seen it."""

    @property
    def place(self) -> Place:
        """Where the UIDs belong."""
        return Place(self.mailbox, self.cursor.folder, self.cursor.validity)

    async def read(self, session: ImapSession, *, full: bool) -> int:
        """One pass; returns how many mails were new. `full` looks at every UID, not only above the cursor.

        Raises the session's errors, StoreUnavailable, BrokerUnavailable and LeaseLost.
        """
        began = self.now()
        caught_up, self._caught_up = self._caught_up and not full, False
        if (righted := decide.righted(self.cursor, began)) != self.cursor:
            log.warning("clock_was_ahead", mailbox=self.mailbox, passed_at=self.cursor.passed_at)
            await self._save(righted)
            self.back.release()
        listed = await (session.search_all() if full else session.search_above(self.cursor.low_water))
        if full and (moved := decide.renumbered(self.cursor, listed)) is not None:
            log.warning("folder_renumbered", mailbox=self.mailbox, mails=len(listed))
            await self._save(moved)
        new = [uid for uid in listed if uid > self.cursor.baseline_uid]
        unknown = new if caught_up else await self._unknown(new)
        progress = Progress(self.cursor.low_water, unknown, max(listed, default=0))
        held = await self.back.still_held(unknown)
        aside: list[Outline] = []
        count = 0
        for page in _pages([uid for uid in unknown if uid not in held]):
            count += await self._take_page(session, page, progress, aside)
        if aside and await self.back.may_take(aside):
            count += await self._take(session, aside, progress, back=True)
        if full:
            count += await self._retry_holes(session, set(listed))
        await self._pass_done(progress, began, listed if full else None)
        await self.back.passed(len(listed), complete=not progress.left)
        self._caught_up = not progress.left
        return count

    async def take_old(self, session: ImapSession, uids: Sequence[int]) -> list[int]:
        """Take mails from before the mailbox began; returns the UIDs that the server did not give yet.

        Raises what `read` raises.
        """
        await self._save(self.cursor.model_copy(update={"imported": True}))
        progress = Progress(self.cursor.low_water, uids, 0)
        outlines = await self._outlines(session, uids, progress, imported=True)
        await self._take(session, outlines, progress, imported=True)
        return progress.unsettled

    async def _pass_done(self, progress: Progress, began: datetime, listed: Sequence[int] | None) -> None:
        also: dict[str, object] = {}
        if not progress.left:
            also["passed_at"] = decide.passed(self.cursor, began)
            also |= {} if listed is None else {"listed": len(listed)}
        await self._advance(progress, also)

    async def _unknown(self, uids: Sequence[int]) -> list[int]:
        known: set[int] = set()
        for page in _pages(uids):
            known |= await self.books.sightings.known(self.mailbox, self.cursor.folder, self.cursor.validity, page)
        return [uid for uid in uids if uid not in known]

    async def _take_page(
        self, session: ImapSession, page: Sequence[int], progress: Progress, aside: list[Outline]
    ) -> int:
        """Take what is new. Mails that have come back and that nothing is known of are put `aside` for the end."""
        outlines = await self._outlines(session, page, progress)
        if decide.is_doubtful(self.cursor):
            outlines = await self._without_earlier(session, outlines, progress)
        known = await self.back.recognise(session, self.place, self.cursor, outlines, self.troubles)
        progress.settle(known)
        unknown = [one for one in outlines if one.uid not in known]
        aside += [one for one in unknown if decide.has_come_back(self.cursor, one.internal_date)]
        new = [one for one in unknown if not decide.has_come_back(self.cursor, one.internal_date)]
        return await self._take(session, new, progress)

    async def _outlines(
        self, session: ImapSession, uids: Sequence[int], progress: Progress, *, imported: bool = False
    ) -> list[Outline]:
        """Size and date of what the server gives. What it has refused too often is booked, what is gone is noted."""
        hopeless = {uid for uid in uids if self.troubles.is_hopeless(uid)}
        for uid in sorted(hopeless):
            await self._give_up(session, uid, progress, imported=imported)
        asked = [uid for uid in uids if uid not in hopeless]
        outlines, refused = await asking.outlines(session, asked, self.troubles)
        await self._missing(session, set(asked) - refused - {one.uid for one in outlines}, progress)
        return outlines

    async def _without_earlier(
        self, session: ImapSession, outlines: Sequence[Outline], progress: Progress
    ) -> list[Outline]:
        """Note mails that are older than the mailbox and have a new UID, but for those that were imported."""
        earlier = [one for one in outlines if decide.is_earlier(self.cursor, one.internal_date)]
        known = frozenset[int]()
        if self.cursor.imported:
            known = await self.back.recognise(session, self.place, self.cursor, earlier, self.troubles)
            progress.settle(known)
        await self._sight([one.uid for one in earlier if one.uid not in known], Sight.EARLIER, progress)
        uids = {one.uid for one in earlier}
        return [one for one in outlines if one.uid not in uids]

    async def _give_up(self, session: ImapSession, uid: int, progress: Progress, *, imported: bool = False) -> None:
        """Book a mail that the server does not give, and go on without it."""
        came = await asking.previews(session, [uid], self.troubles)
        one = Unfetchable(uid, MAX_TRIES, came[0] if came else None)
        mail_id = await self.intake.give_up(session, self.place, one, self.revision, imported=imported)
        self.troubles.give_up(uid, self.monotonic())
        progress.settle([uid])
        self.report.sighted(Sight.HOLE, 1)
        log.error("mail_unfetchable", mailbox=self.mailbox, uid=uid, mail_id=mail_id)

    async def _missing(self, session: ImapSession, uids: Collection[int], progress: Progress) -> None:
        """The server listed these and gave nothing. Only what it does not list any more has vanished."""
        there = await session.present(sorted(uids)) if uids else frozenset[int]()
        for uid in there:
            self.troubles.failed(uid, alone=True)
        await self._sight(sorted(set(uids) - there), Sight.VANISHED, progress)

    async def _sight(self, uids: Sequence[int], state: Sight, progress: Progress) -> None:
        if uids:
            await self.intake.sight(self.place, uids, state)
            progress.settle(uids)
            self.report.sighted(state, len(uids))

    async def _take(
        self,
        session: ImapSession,
        outlines: Iterable[Outline],
        progress: Progress,
        *,
        back: bool = False,
        imported: bool = False,
    ) -> int:
        """Fetch the next batch while the last one is stored: mail server and store work side by side.

        Not beside a mail larger than a batch: two of those would be in memory at once, in several copies each.
        """
        limits = self.limits
        batches = decide.plan(
            outlines,
            self.troubles.tries,
            most=lambda: min(limits.batch, self.belt.batch),
            most_bytes=limits.batch_bytes,
            cap=limits.mail_bytes,
        )
        count = 0
        coming = (self._fetch(session, batch, few=progress.left <= decide.FEW) for batch in batches)
        ahead = _start(islice(coming, 1))
        try:
            while ahead is not None:
                mails, silent = await ahead
                large = sum(len(one.raw) for one in mails) > limits.batch_bytes
                ahead = None if large else _start(islice(coming, 1))
                count += await _finish(self._keep(session, silent, mails, progress, back, imported))
                del mails
                ahead = ahead or _start(islice(coming, 1))
        finally:
            if ahead is not None:
                await _drop(ahead)
        return count

    async def _keep(
        self,
        session: ImapSession,
        silent: frozenset[int],
        mails: Sequence[FetchedMail],
        progress: Progress,
        back: bool,
        imported: bool,
    ) -> int:
        doubtful = back or decide.is_doubtful(self.cursor)
        few = progress.left <= decide.FEW
        new: list[EmailFetched] = []
        if mails:
            perhaps_known = doubtful or imported
            new = await self.intake.take(session, self.place, mails, doubtful=perhaps_known, imported=imported)
        self.belt.carries([one.mail_id for one in new], len(mails) + len(silent), few=few)
        progress.settle([one.uid for one in mails])
        await self._missing(session, silent, progress)
        await self._advance(progress, {})
        self.report.lag(progress.left)
        self.report.taken(new)
        self.back.count(BY_IDENTITY, len(mails) - len(new) if doubtful else 0)
        self.back.count(UNKNOWN, len(new) if back else 0)
        return len(new)

    async def _fetch(
        self, session: ImapSession, batch: Batch, *, few: bool
    ) -> tuple[list[FetchedMail], frozenset[int]]:
        """See `asking.fetch`; within the mailbox's bytes of the hour, and once there is room on the belt."""
        size = asking.START_BYTES if batch.start_only else batch.size
        await self.pace.keep(session, size, self.monotonic, self.report)
        await awake(session, self.belt.enter(len(batch.uids), few=few))
        return await asking.fetch(session, batch, self.troubles)

    async def _retry_holes(self, session: ImapSession, listed: set[int]) -> int:
        """Holes that are due get another chance, one by one, after everything else; those that are gone are gone."""
        found = await self.books.sightings.holes(self.mailbox, self.cursor.folder, self.cursor.validity)
        holes = {one.uid: one for one in found}
        await self.intake.gone([one for one in found if one.uid not in listed])
        count = 0
        for uid in self.troubles.due([uid for uid in holes if uid in listed], self.monotonic()):
            count += await self._retry_hole(session, uid, holes)
            self.troubles.tries.pop(uid, None)
        return count

    async def _retry_hole(self, session: ImapSession, uid: int, holes: Mapping[int, Sighting]) -> int:
        outlines, _ = await asking.outlines(session, [uid], self.troubles)
        cap, count = self.limits.mail_bytes, 0
        for outline in outlines:
            batch = Batch((uid,), min(outline.size, cap), outline.size > cap)
            mails, _ = await self._fetch(session, batch, few=True)
            old = uid <= self.cursor.baseline_uid
            new = await self.intake.take(session, self.place, mails, imported=old, holes=holes) if mails else []
            self.belt.carries([one.mail_id for one in new], 1, few=True)
            self.report.taken(new)
            count += len(new)
        return count

    async def _advance(self, progress: Progress, also: Mapping[str, object]) -> None:
        await self._save(self.cursor.model_copy(update={"low_water": progress.low_water, **also}))

    async def _save(self, moved: Cursor) -> None:
        if moved != self.cursor:
            await save_cursor(self.books, self.mailbox, self.lease(), moved)
            self.cursor = moved


def _pages(uids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (uids[at : at + PAGE] for at in range(0, len(uids), PAGE))


def _start(work: Iterable[Coroutine[object, object, T]]) -> "asyncio.Task[T] | None":
    return next((asyncio.ensure_future(one) for one in work), None)


async def _finish(work: Coroutine[object, object, T]) -> T:
    """Let this end even if we are cancelled meanwhile: mail that is in the ledger is published without a detour."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=FINISH_SECONDS)
        await _drop(task)
        raise


async def _drop(task: "asyncio.Task[T]") -> None:
    """Cancel it and hear it out; what it raises is of no interest any more."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
