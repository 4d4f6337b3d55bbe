"""A small IMAP server over TLS, for what Dovecot will not do: refuse one mail for ever, tell nothing of it, lose its
UIDVALIDITY, say BYE in the middle, fall silent, throttle, do without MOVE and UIDPLUS, talk without end.

It speaks the protocol as far as the fetcher does; a test changes its attributes while it runs.
"""

import asyncio
import contextlib
import re
import ssl
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from services.all_in_one.demo.certificates import ensure_certificates
from shared.domain.mailbox import Imap

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FETCH = re.compile(r"(\S+) \((.*)\)$")


@dataclass(slots=True)
class Lying:
    """A mail on the server."""

    raw: bytes
    received: datetime
    flags: set[str] = field(default_factory=set[str])

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


class ScriptedImap:
    """`async with ScriptedImap(folder) as server`. `mails` by UID; `served` counts bodies given, by UID."""

    def __init__(self, folder: Path, capabilities: str = "IMAP4rev1 MOVE UIDPLUS") -> None:
        self._certificates = ensure_certificates(folder / "scripted-tls", datetime.now(UTC))
        self.capabilities = capabilities
        self.mails: dict[int, Lying] = {}
        self.folders: dict[str, list[bytes]] = {}
        self.uid_validity: int | None = 7
        self.uid_next: int | None = None
        self.uid_order = sorted
        self.refused: set[int] = set()
        """FETCH of their bodies is answered NO."""
        self.untold: set[int] = set()
        """Any FETCH of them is answered NO."""
        self.silent: set[int] = set()
        """FETCH is answered OK, and nothing is said of them."""
        self.fatal: set[int] = set()
        """The server says BYE in the middle of their bodies."""
        self.hangs: set[str] = set()
        """Commands (upper-case) that are never answered; also GREETING, DONE, and BODY: silence in its middle."""
        self.dripping = False
        """What has fallen silent says a few words now and then, and never an answer."""
        self.hung: Counter[str] = Counter()
        """What it fell silent at."""
        self.torn_down = 0
        """Connections that ended while it was silent."""
        self.no_to: dict[str, str] = {}
        """Commands (upper-case) that are answered NO with this text."""
        self.pushes = False
        """It tells of mail in IDLE, and lists none that it has not told of."""
        self.kept_back: list[int] = []
        """How many mails that were, at each search."""
        self.announces: list[str] = []
        """Untagged lines said before the next tagged answer."""
        self.floods: dict[str, Iterator[bytes]] = {}
        """Commands (upper-case) that are answered with all of this, as fast as it is taken, and with nothing else."""
        self.flooded = 0
        """Bytes of it that were taken."""
        self.listed: list[str] = []
        """Untagged lines in answer to LIST."""
        self.drips: set[str] = set()
        """Commands that are answered with a byte now and then."""
        self.served: Counter[int] = Counter()
        self.commands: list[str] = []
        self._told = 0
        self._server: asyncio.Server | None = None

    def add(self, uid: int, raw: bytes, received: datetime) -> None:
        """Lay a mail there."""
        self.mails[uid] = Lying(raw, received)

    @property
    def imap(self) -> Imap:
        """How to reach it."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return Imap.model_validate(
            {"host": "localhost", "port": port, "ca_file": str(self._certificates.ca_file), "start_from": "all"}
        )

    async def __aenter__(self) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificates.server_file, self._certificates.key_file)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if "GREETING" in self.hangs:
                raise _Silence("GREETING")
            writer.write(b"* OK ready\r\n")
            while line := (await reader.readline()).decode().rstrip("\r\n"):
                tag, _, rest = line.partition(" ")
                self.commands.append(rest)
                await self._answer(tag, rest, reader, writer)
                await writer.drain()
        except _Silence as silence:
            await self._say_nothing(str(silence), reader, writer)
        except (ConnectionError, _Bye):
            pass
        finally:
            writer.close()

    async def _say_nothing(self, at: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The connection stands, and nothing comes of it, until the other side ends it."""
        self.hung[at] += 1
        with contextlib.suppress(ConnectionError):
            dripping = asyncio.create_task(self._drip(writer))
            try:
                while await reader.read(1024):
                    pass
            finally:
                dripping.cancel()
        self.torn_down += 1

    async def _drip(self, writer: asyncio.StreamWriter) -> None:
        while self.dripping:
            writer.write(b"* OK still here\r\n")
            await asyncio.sleep(0.1)

    async def _answer(self, tag: str, rest: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = rest.split(" ")
        name = " ".join(words[:2]).upper() if words[0].upper() == "UID" else words[0].upper()
        arguments = rest[len(name) :].strip()
        if name in self.hangs:
            await writer.drain()
            raise _Silence(name)
        if name == "IDLE":
            await self._wait_for_done(reader, writer)
        if name in self.no_to:
            writer.write(f"{tag} NO {self.no_to[name]}\r\n".encode())
            return
        if name in self.floods:
            await self._flood(name, reader, writer)
            return
        while name in self.drips:
            writer.write(b"*")
            await writer.drain()
            await asyncio.sleep(0.1)
        step = getattr(self, "_" + name.lower().replace(" ", "_"), None)
        status = "BAD no such command" if step is None else step(arguments, writer) or "OK done"
        if name == "LOGOUT":
            raise _Bye
        for line in self.announces:
            writer.write(f"{line}\r\n".encode())
        self.announces.clear()
        writer.write(f"{tag} {status}\r\n".encode())

    async def _flood(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the other side is gone. That is looked for at each piece, and the loop is let run so that it hears of
        it: over TLS, what is written to a dead connection is dropped without a word, and `drain` never waits."""
        for piece in self.floods[name]:
            if reader.at_eof():
                raise ConnectionResetError
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
            self.flooded += len(piece)

    def _capability(self, _: str, writer: asyncio.StreamWriter) -> None:
        writer.write(f"* CAPABILITY {self.capabilities}\r\n".encode())

    def _login(self, _: str, writer: asyncio.StreamWriter) -> None:
        """Anybody may come in."""

    def _logout(self, _: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* BYE\r\n")

    def _noop(self, _: str, writer: asyncio.StreamWriter) -> None:
        self._exists(writer)

    def _exists(self, writer: asyncio.StreamWriter) -> None:
        self._told = len(self.mails)
        writer.write(f"* {self._told} EXISTS\r\n".encode())

    def _select(self, _: str, writer: asyncio.StreamWriter) -> str:
        self._exists(writer)
        if self.uid_validity is not None:
            writer.write(f"* OK [UIDVALIDITY {self.uid_validity}] it is\r\n".encode())
        if self.uid_next is not None:
            writer.write(f"* OK [UIDNEXT {self.uid_next}] it is\r\n".encode())
        return "OK [READ-WRITE] open"

    def _uid_search(self, arguments: str, writer: asyncio.StreamWriter) -> None:
        words = arguments.upper().split()
        found = list(self.mails)
        if "UID" in words:
            found = self._of(words[words.index("UID") + 1])
        if self.pushes:
            found = [uid for uid in found if uid in [*self.mails][: self._told]]
            self.kept_back.append(len(self.mails) - self._told)
        if "UNDELETED" in words:
            found = [uid for uid in found if "\\Deleted" not in self.mails[uid].flags]
        writer.write(f"* SEARCH {' '.join(map(str, self.uid_order(found)))}\r\n".encode())

    def _uid_fetch(self, arguments: str, writer: asyncio.StreamWriter) -> str | None:
        match = _FETCH.match(arguments)
        assert match is not None, arguments
        uids, wanted = self._of(match[1]), match[2]
        whole = "BODY.PEEK[]" in wanted
        if self.untold.intersection(uids) or (whole and self.refused.intersection(uids)):
            return "NO [SERVERBUG] internal error"
        for uid in uids:
            if uid not in self.silent:
                self._tell(uid, wanted, writer)
        return None

    def _tell(self, uid: int, wanted: str, writer: asyncio.StreamWriter) -> None:
        mail, whole = self.mails[uid], "BODY.PEEK[]" in wanted
        when = mail.received.astimezone(UTC)
        date = f"{when.day:2d}-{_MONTHS[when.month - 1]}-{when.year} {when:%H:%M:%S} +0000"
        text = f'* {uid} FETCH (UID {uid} INTERNALDATE "{date}" RFC822.SIZE {len(mail.raw)}'
        if "BODY.PEEK[" not in wanted:
            writer.write(f"{text})\r\n".encode())
            return
        body, name = (mail.raw, "BODY[]") if whole else (mail.head, "BODY[HEADER]")
        writer.write(f"{text} {name} {{{len(body)}}}\r\n".encode())
        if whole and "BODY" in self.hangs:
            writer.write(body[: len(body) // 2])
            raise _Silence("BODY")
        if whole and uid in self.fatal:
            writer.write(body[: len(body) // 2])
            raise _Bye
        self.served[uid] += whole
        writer.write(body + b")\r\n")

    def _idle(self, _: str, writer: asyncio.StreamWriter) -> None:
        """It has ended."""

    async def _wait_for_done(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until DONE; of mail it tells only if it `pushes`."""
        writer.write(b"+ idling\r\n")
        await writer.drain()
        done = asyncio.ensure_future(reader.readline())
        while not done.done():
            if self.pushes and self._told < len(self.mails):
                self._exists(writer)
                await writer.drain()
            await asyncio.wait({done}, timeout=0.02 if self.pushes else None)
        if "DONE" in self.hangs:
            raise _Silence("DONE")

    def _list(self, _: str, writer: asyncio.StreamWriter) -> None:
        for line in self.listed:
            writer.write(f"{line}\r\n".encode())

    def _uid_store(self, arguments: str, writer: asyncio.StreamWriter) -> None:
        uids, _, rest = arguments.partition(" ")
        for uid in self._of(uids):
            self.mails[uid].flags.update(re.findall(r"\\\w+", rest))

    def _uid_copy(self, arguments: str, writer: asyncio.StreamWriter) -> str | None:
        uids, _, folder = arguments.partition(" ")
        if folder not in self.folders:
            return "NO [TRYCREATE] no such folder"
        self.folders[folder] += [self.mails[uid].raw for uid in self._of(uids)]
        return None

    def _create(self, arguments: str, writer: asyncio.StreamWriter) -> None:
        self.folders[arguments] = []

    def _of(self, uid_set: str) -> list[int]:
        """The UIDs of a set that are there; `n:*` always names the last one."""
        found: set[int] = set()
        for part in uid_set.split(","):
            first, _, last = part.partition(":")
            top = max(self.mails, default=0)
            low, high = int(first), top if last == "*" else int(last or first)
            found |= {uid for uid in self.mails if min(low, high) <= uid <= max(low, high)}
        return sorted(found)


class _Bye(Exception):
    """The connection ends here."""


class _Silence(Exception):
    """From here on nothing is said; the argument names where."""
