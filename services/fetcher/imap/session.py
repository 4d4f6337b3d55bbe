"""A logged-in IMAP session: the fetcher's port `ImapSession` on the wire. Never sets \\Seen, never plain EXPUNGE."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Literal

from aioimaplib import quoted
from pydantic import SecretStr

from services.fetcher.errors import FolderMissing, MessageTrouble, NetworkTrouble, ServerTrouble, Throttled
from services.fetcher.imap import parse
from services.fetcher.imap.classify import refused
from services.fetcher.imap.signin import sign_in
from services.fetcher.imap.tls import open_wire
from services.fetcher.imap.wire import Answer, Wire, shown
from services.fetcher.ports import FetchedMail, Marked, Outline, Preview, Selected
from shared.domain.errors import AutomatorError
from shared.domain.mailbox import Imap
from shared.mail import folder_names
from shared.mail.headline import headline
from shared.observability.crash_points import crash_point
from shared.sasl.values import Credentials, Kind

SLOWEST = 64 * 1024
"""Bytes per second below which a download counts as stuck."""
WHOLE = "(UID INTERNALDATE RFC822.SIZE BODY.PEEK[])"
MANY = 500
"""UIDs per command for small answers; a longer sequence set may exceed a server's line length."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
HEADERS = 100
"""Header blocks per command."""
HEAD_BYTES = 64 * 1024
"""What is taken of a header block. A mail with more is not known by its header, and so it is downloaded."""
ID_BYTES = 4 * 1024
"""What is taken of a Message-ID field."""
_UNMARKED = {"seen": "UNSEEN", "flagged": "UNFLAGGED", "deleted": "UNDELETED"}


@dataclass(frozen=True, slots=True)
class Patience:
    """Deadlines in seconds: for connecting with login, and for one command; and the largest literal in bytes."""

    connect: float = 30
    command: float = 60
    max_literal: int = 64 * 1024 * 1024


class Opener:
    """Opens sessions: the port `Connect`."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    async def __call__(self, imap: Imap, login: str, secret: SecretStr, *, kind: Kind = Kind.BASIC) -> "Session":
        """Connect, TLS, greeting, login, capabilities within one deadline. See `open_wire` and `sign_in` for errors.

        Words that no mechanism carries are a ConfigurationError before anything is connected.
        """
        credentials = Credentials(login, secret)
        where = f"{imap.host}:{imap.port}"
        wire: Wire | None = None
        try:
            async with _deadline(self._patience.connect, "connecting", where):
                wire = await open_wire(imap, self._patience.max_literal)
                offered = await sign_in(wire, imap.host, kind, credentials)
        except BaseException:
            if wire is not None:
                wire.abort()
            raise
        return Session(wire, offered, self._patience)


class Session:
    """One connection with its folder. One step at a time."""

    def __init__(self, wire: Wire, offered: frozenset[str], patience: Patience) -> None:
        self._wire = wire
        self._patience = patience
        self._turn = asyncio.Lock()
        self.capabilities = offered
        self.impossible = 0

    @property
    def certificate_until(self) -> datetime | None:
        """When the server's certificate ends; None without TLS."""
        return self._wire.certificate_until

    async def select(self, folder: str) -> Selected:
        """Open a folder for reading and flagging (SELECT, RFC 9051 section 6.3.2)."""
        answer = await self._run("SELECT", _folder(folder))
        if not answer.ok:
            raise await self._folder_refused(folder, answer)
        self._wire.selected()
        told = parse.codes(answer.untagged)
        return Selected(
            uid_validity=0 if "UIDNOTSTICKY" in told else parse.number(told.get("UIDVALIDITY")),
            exists=parse.exists(answer.untagged),
            uid_next=parse.number(told.get("UIDNEXT")),
            read_only=parse.code(answer.text)[0] == "READ-ONLY",
        )

    async def search_above(self, uid: int) -> list[int]:
        """New mail. `n:*` always names the last mail too, so what is not above is dropped."""
        first = min(uid + 1, parse.LAST_UID)
        return [found for found in await self._search("UID", f"{first}:*") if found > uid]

    async def search_all(self) -> list[int]:
        """Every UID in the folder; how many were named that cannot be is in `impossible` from now on."""
        answer = await self._searched("ALL")
        self.impossible = parse.impossible(answer.untagged)
        return parse.search(answer.untagged)

    async def search_since(self, day: date) -> list[int]:
        """By INTERNALDATE; the server's time zone decides where a day begins."""
        return await self._search("SINCE", _day(day))

    async def search_unmarked(
        self, mark: Literal["seen", "flagged", "deleted"], before: date | None = None
    ) -> list[int]:
        """Mails that do not carry \\Seen, \\Flagged or \\Deleted."""
        return await self._search(_UNMARKED[mark], *(() if before is None else ("BEFORE", _day(before))))

    async def present(self, uids: Sequence[int]) -> frozenset[int]:
        """Which of these are still there."""
        found: set[int] = set()
        for some in _chunks(uids):
            found.update(await self._search("UID", parse.uid_set(some)))
        return frozenset(found & set(uids))

    async def outlines(self, uids: Sequence[int]) -> list[Outline]:
        """RFC822.SIZE and INTERNALDATE of each."""
        wanted = "(UID INTERNALDATE RFC822.SIZE)"
        items = [item for some in _chunks(uids) for item in await self._items(some, wanted)]
        return [
            Outline(item.uid, item.size, item.internal_date)
            for item in items
            if item.size is not None and item.internal_date is not None
        ]

    async def previews(self, uids: Sequence[int]) -> list[Preview]:
        """BODY.PEEK[HEADER] of each, with RFC822.SIZE and INTERNALDATE."""
        wanted = f"(UID INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER]<0.{HEAD_BYTES}>)"
        items = [item for some in _chunks(uids, HEADERS) for item in await self._items(some, wanted)]
        return [
            Preview(item.uid, item.internal_date, item.size, item.body)
            for item in items
            if item.internal_date is not None and item.size is not None and item.body is not None
        ]

    async def fetch(self, uids: Sequence[int], size: int) -> list[FetchedMail]:
        """BODY.PEEK[] of each, in UID order.

        Dovecot gives nothing, as if the mail were empty, for one that somebody moves away at that moment; asked again
        it leaves it out. So what is empty is asked for again, and then counts as not given, unless its size is 0.
        """
        items = await self._items(uids, WHOLE, size)
        if empty := [item.uid for item in items if not item.body]:
            again = await self._items(empty, WHOLE, size)
            items = [item for item in items if item.body] + [item for item in again if item.body or not item.size]
        return [
            FetchedMail(item.uid, item.internal_date, item.body, len(item.body), announced=item.size or 0)
            for item in sorted(items, key=lambda item: item.uid)
            if item.internal_date is not None and item.body is not None
        ]

    async def fetch_start(self, uid: int, limit: int) -> FetchedMail | None:
        """BODY.PEEK[]<0.limit>, for mails too large to take whole."""
        for item in await self._items([uid], f"(UID INTERNALDATE RFC822.SIZE BODY.PEEK[]<0.{limit}>)", limit):
            if item.internal_date is not None and item.body is not None:
                size = max(item.size or 0, len(item.body))
                partial = len(item.body) < size
                return FetchedMail(uid, item.internal_date, item.body, size, partial, item.size or 0)
        return None

    async def marks(self, uids: Sequence[int]) -> dict[int, Marked]:
        """INTERNALDATE and Message-ID of each."""
        wanted = f"(UID INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]<0.{ID_BYTES}>)"
        items = [item for some in _chunks(uids) for item in await self._items(some, wanted)]
        return {
            item.uid: Marked(item.uid, item.internal_date, headline(item.body).message_id)
            for item in items
            if item.internal_date is not None and item.body is not None
        }

    async def idle(self, seconds: float, news: asyncio.Event | None = None) -> bool:
        """IDLE, renewed by the caller at least every nine minutes."""
        if self._wire.pushed.is_set() or (news is not None and news.is_set()):
            return self._wire.pushed.is_set()
        async with self._turn, self._step(seconds + 3 * self._patience.command, "IDLE"):
            answer = await self._wire.await_push(seconds, self._patience.command, news)
        self._same_validity(answer)
        return self._wire.pushed.is_set()

    async def noop(self) -> None:
        """A poll's first half: the server may tell of new mail only now."""
        await self._done("NOOP")

    async def mark_seen(self, uids: Sequence[int]) -> None:
        """Add \\Seen."""
        await self._store(uids, "\\Seen")

    async def flag(self, uids: Sequence[int]) -> None:
        """Add \\Flagged."""
        await self._store(uids, "\\Flagged")

    async def move(self, uids: Sequence[int], folder: str) -> None:
        """MOVE (RFC 6851), or copy and delete where the server has none. A folder that is missing is made."""
        if "MOVE" in self.capabilities:
            await self._into("MOVE", uids, folder)
        else:
            await self._into("COPY", uids, folder)
            crash_point("fetcher.after_copy")
            await self.delete(uids)

    async def delete(self, uids: Sequence[int]) -> None:
        """Flag as deleted; expunge these alone where the server can (UIDPLUS), else leave that to the owner.

        The flag is then also what keeps them from being copied or flagged again (`search_unmarked`).
        """
        await self._store(uids, "\\Deleted")
        crash_point("fetcher.after_deletion_mark")
        if "UIDPLUS" in self.capabilities:
            await self._done("EXPUNGE", parse.uid_set(uids), uid=True)

    async def close(self) -> None:
        """Say good-bye within two seconds, then drop the connection."""
        with contextlib.suppress(AutomatorError, TimeoutError):
            if not self._wire.lost.is_set():
                async with asyncio.timeout(2):
                    await self._wire.run("LOGOUT")
        self._wire.abort()

    async def _search(self, *criteria: str) -> list[int]:
        return parse.search((await self._searched(*criteria)).untagged)

    async def _searched(self, *criteria: str) -> Answer:
        self._wire.pushed.clear()
        return await self._done("SEARCH", *criteria, uid=True)

    async def _items(self, uids: Sequence[int], wanted: str, size: int = 0) -> list[parse.FetchItem]:
        if not uids:
            return []
        answer = await self._run("FETCH", parse.uid_set(uids), wanted, uid=True, size=size)
        if not answer.ok:
            raise self._fetch_refused(answer)
        asked = set(uids)
        return [item for uid, item in parse.fetches(answer.untagged).items() if uid in asked]

    def _fetch_refused(self, answer: Answer) -> AutomatorError:
        error = refused("FETCH", answer.text, self._wire.where)
        return error if isinstance(error, Throttled) else MessageTrouble(error.what, where=error.where)

    async def _store(self, uids: Sequence[int], flag: str) -> None:
        for some in _chunks(uids):
            await self._done("STORE", parse.uid_set(some), "+FLAGS.SILENT", f"({flag})", uid=True)

    async def _into(self, command: str, uids: Sequence[int], folder: str) -> None:
        arguments = (parse.uid_set(uids), _folder(folder))
        answer = await self._run(command, *arguments, uid=True)
        if parse.code(answer.text)[0] == "TRYCREATE":
            await self._done("CREATE", _folder(folder))
            answer = await self._run(command, *arguments, uid=True)
        if not answer.ok:
            raise refused(command, answer.text, self._wire.where)

    async def _folder_refused(self, folder: str, answer: Answer) -> AutomatorError:
        error = refused("SELECT", answer.text, self._wire.where)
        if (
            isinstance(error, Throttled)
            or answer.status != "NO"
            or parse.code(answer.text)[0] in ("SERVERBUG", "UNAVAILABLE")
        ):
            return error
        folders = parse.folders((await self._done("LIST", '""', '"*"')).untagged)
        if folder in folders:
            return error
        return FolderMissing(
            f"the folder {folder!r} does not exist: {shown(answer.text)}",
            folders=folders,
            where=self._wire.where,
            remedy=f"set imap.folder to one of: {', '.join(shown(one.encode(), 100) for one in folders[:30])}",
        )

    async def _done(self, name: str, *args: str, uid: bool = False) -> Answer:
        answer = await self._run(name, *args, uid=uid)
        if not answer.ok:
            raise refused(name, answer.text, self._wire.where)
        return answer

    async def _run(self, name: str, *args: str, uid: bool = False, size: int = 0) -> Answer:
        async with self._turn, self._step(self._patience.command + size / SLOWEST, name):
            answer = await self._wire.run(name, *args, uid=uid, size=size)
        if name != "SELECT":
            self._same_validity(answer)
        return answer

    def _same_validity(self, answer: Answer) -> None:
        """A server may say in mid-session that no UID means what it did: nothing of this answer counts then."""
        if "UIDVALIDITY" in parse.codes(answer.untagged):
            self._wire.abort()
            raise ServerTrouble("UIDVALIDITY changed under us", where=self._wire.where, code="uid_validity_changed")

    @asynccontextmanager
    async def _step(self, seconds: float, name: str) -> AsyncGenerator[None, None]:
        """A deadline. Whatever interrupts a command leaves the connection in an unknown state: it is dropped."""
        try:
            async with _deadline(seconds, name, self._wire.where):
                yield
        except BaseException:
            self._wire.abort()
            raise


@asynccontextmanager
async def _deadline(seconds: float, what: str, where: str) -> AsyncGenerator[None, None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise NetworkTrouble(
            f"no answer to {what} within {seconds:.0f} s", where=where, code="deadline_passed"
        ) from None


def _folder(name: str) -> str:
    return quoted(folder_names.encode(name))


def _day(day: date) -> str:
    return f"{day.day}-{_MONTHS[day.month - 1]}-{day.year:04}"


def _chunks(uids: Sequence[int], most: int = MANY) -> list[list[int]]:
    rest = iter(sorted(uids))
    return list(iter(lambda: list(islice(rest, most)), []))
