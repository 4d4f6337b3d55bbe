"""One pass over a folder: look for what is new, fetch it in batches, make it ours, move the cursor.

Order of writes per batch: raw and ledger, sightings, publish, cursor (fenced by the lease). The cursor never passes
a UID without a durable sighting. Must never change anything on the server.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

import structlog

from services.fetcher import decide
from services.fetcher.cursor import save_cursor
from services.fetcher.decide import Batch, Progress
from services.fetcher.errors import MessageTrouble, NetworkTrouble, ServerTrouble
from services.fetcher.intake import Intake, Place
from services.fetcher.ports import Books, FetchedMail, ImapSession, Outline
from services.fetcher.troubles import Troubles
from shared.contracts.messages import EmailFetched
from shared.domain.mailbox_runtime import Cursor, Lease
from shared.domain.sighting import Sight

log = structlog.get_logger(__name__)

PAGE = 1000
FINISH_SECONDS = 10.0
START_BYTES = 256 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """Most mails and bytes per batch, and the bytes above which only a mail's start is taken."""

    batch: int = 50
    batch_bytes: int = 4 * 1024 * 1024
    mail_bytes: int = 50 * 1024 * 1024


class Listener(Protocol):
    """Told of what happens."""

    def taken(self, messages: Sequence[EmailFetched]) -> None:
        """These are ours now."""
        ...

    def lag(self, mails: int) -> None:
        """So many mails are listed and not ours yet."""
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
    cursor: Cursor
    troubles: Troubles
    report: Listener

    @property
    def place(self) -> Place:
        """Where the UIDs belong."""
        return Place(self.mailbox, self.cursor.folder, self.cursor.uid_validity)

    async def read(self, session: ImapSession, *, full: bool) -> int:
        """One pass; returns how many mails were new. `full` looks at every UID, not only above the cursor.

        Raises the session's errors, StoreUnavailable, BrokerUnavailable and LeaseLost.
        """
        listed = await (session.search_all() if full else session.search_above(self.cursor.low_water))
        if full and (moved := decide.renumbered(self.cursor, listed)) is not None:
            log.warning("folder_renumbered", mailbox=self.mailbox, mails=len(listed))
            await self._save(moved)
        unknown = await self._unknown([uid for uid in listed if uid > self.cursor.baseline_uid])
        progress = Progress(self.cursor.low_water, unknown, max(listed, default=0))
        count = 0
        for page in _pages(unknown):
            count += await self._take_page(session, page, progress)
        if full:
            count += await self._retry_holes(session, set(listed))
        complete = {"listed": len(listed)} if full and not progress.left else {}
        await self._advance(progress, complete)
        return count

    async def _unknown(self, uids: Sequence[int]) -> list[int]:
        known: set[int] = set()
        for page in _pages(uids):
            known |= await self.books.sightings.known(self.mailbox, self.cursor.folder, self.cursor.uid_validity, page)
        return [uid for uid in uids if uid not in known]

    async def _take_page(self, session: ImapSession, page: Sequence[int], progress: Progress) -> int:
        hopeless = [uid for uid in page if self.troubles.is_hopeless(uid)]
        await self._sight(hopeless, Sight.HOLE, progress)
        self.troubles.give_up(hopeless, self.monotonic())
        page = [uid for uid in page if uid not in set(hopeless)]
        outlines = await session.outlines(page)
        await self._missing(session, set(page) - {one.uid for one in outlines}, progress)
        if decide.is_doubtful(self.cursor):
            earlier = [one.uid for one in outlines if decide.is_earlier(self.cursor, one.internal_date)]
            await self._sight(earlier, Sight.EARLIER, progress)
            outlines = [one for one in outlines if one.uid not in set(earlier)]
        return await self._take(session, outlines, progress)

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

    async def _take(self, session: ImapSession, outlines: Iterable[Outline], progress: Progress) -> int:
        """Fetch the next batch while the last one is stored: mail server and store work side by side."""
        limits = self.limits
        batches = decide.plan(
            outlines, self.troubles.tries, most=limits.batch, most_bytes=limits.batch_bytes, cap=limits.mail_bytes
        )
        count = 0
        ahead = _start(self._fetch(session, batch) for batch in islice(batches, 1))
        try:
            while ahead is not None:
                mails, batch = await ahead
                ahead = _start(self._fetch(session, batch) for batch in islice(batches, 1))
                count += await _finish(self._keep(session, batch, mails, progress))
        finally:
            if ahead is not None:
                await _drop(ahead)
        return count

    async def _keep(self, session: ImapSession, batch: Batch, mails: Sequence[FetchedMail], progress: Progress) -> int:
        doubtful = decide.is_doubtful(self.cursor)
        new = await self.intake.take(session, self.place, mails, doubtful=doubtful) if mails else []
        progress.settle([one.uid for one in mails])
        failed = {uid for uid in batch.uids if uid in self.troubles.tries}
        await self._missing(session, set(batch.uids) - {one.uid for one in mails} - failed, progress)
        await self._advance(progress, {})
        self.report.lag(progress.left)
        self.report.taken(new)
        return len(new)

    async def _fetch(self, session: ImapSession, batch: Batch) -> tuple[list[FetchedMail], Batch]:
        """The batch; mails the server cannot give are counted in `troubles` and are missing from it."""
        try:
            mails = await self._fetch_at_once(session, batch)
        except MessageTrouble as error:
            mails = await self._fetch_singly(session, batch, error)
        except (NetworkTrouble, ServerTrouble):
            # One of these may have broken the connection. Next time each goes alone, and last.
            for uid in batch.uids:
                self.troubles.failed(uid, alone=len(batch.uids) == 1)
            raise
        for one in mails:
            self.troubles.tries.pop(one.uid, None)
        return mails, batch

    async def _fetch_at_once(self, session: ImapSession, batch: Batch) -> list[FetchedMail]:
        if not batch.start_only:
            return await session.fetch(batch.uids, batch.size)
        start = await session.fetch_start(batch.uids[0], START_BYTES)
        return [start] if start is not None else []

    async def _fetch_singly(self, session: ImapSession, batch: Batch, error: MessageTrouble) -> list[FetchedMail]:
        if len(batch.uids) == 1:
            uid = batch.uids[0]
            self.troubles.failed(uid, alone=True)
            log.warning("mail_not_fetched", mailbox=self.mailbox, uid=uid, error=error.line())
            return []
        alone = [Batch((uid,), batch.size) for uid in batch.uids]
        return [mail for one in alone for mail in (await self._fetch(session, one))[0]]

    async def _retry_holes(self, session: ImapSession, listed: set[int]) -> int:
        """Holes that are due get another chance, one by one, after everything else."""
        holes = await self.books.sightings.holes(self.mailbox, self.cursor.folder, self.cursor.uid_validity)
        count = 0
        for uid in self.troubles.due([one.uid for one in holes if one.uid in listed], self.monotonic()):
            for outline in await session.outlines([uid]):
                cap = self.limits.mail_bytes
                mails, _ = await self._fetch(session, Batch((uid,), min(outline.size, cap), outline.size > cap))
                new = await self.intake.take(session, self.place, mails, holes=True) if mails else []
                self.report.taken(new)
                count += len(new)
            self.troubles.tries.pop(uid, None)
        return count

    async def _advance(self, progress: Progress, also: Mapping[str, int]) -> None:
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
