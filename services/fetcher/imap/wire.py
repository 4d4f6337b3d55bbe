"""One IMAP connection on aioimaplib's protocol: its states, tags and command table; our reading, loss and deadlines.

Why parts of it are replaced (library-notes, aioimaplib 2.0.3): its reader recurses once per line (6), deletes `* `
inside lines (10), pending commands never hear that the connection is gone (1, 2, 4), and a refused SASL exchange is
never answered (7). One command runs at a time; whoever is cancelled or late must abort the connection (5).
"""

import asyncio
import logging
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from aioimaplib.aioimaplib import AUTH, CONNECTED, LOGOUT, NONAUTH, SELECTED, Command, IMAP4ClientProtocol

from services.fetcher.errors import NetworkTrouble, ProtocolBroken, ServerTrouble
from services.fetcher.imap.framing import MAX_LINE, Framer, Response, TooLarge
from shared.sasl.handshake import Reply, silent

STATES = {"OK": NONAUTH, "PREAUTH": AUTH}
ROOM = MAX_LINE
"""Bytes that an answer may have besides the mails that were asked for."""
MANY_RESPONSES = 200_000
"""Responses to one command: a person may mark a whole large folder as read."""
MANY_CHALLENGES = 20
"""How often a server may ask to go on with one command; the longest sign-in takes three."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The tagged answer to a command and all untagged responses before it. `status` is OK, NO or BAD.

    `challenges` are what stood behind each `+` with which the server asked to go on.
    """

    status: str
    text: bytes
    untagged: tuple[Response, ...]
    challenges: tuple[bytes, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the command succeeded."""
        return self.status == "OK"


class _Step(Command):
    """A command that can be told that its connection is gone, and that knows what to say when the server asks."""

    def __init__(self, name: str, tag: str, *args: str, uid: bool = False, reply: Reply = silent) -> None:
        prefix = "UID" if uid else ""
        super().__init__(name, tag, *args, prefix=prefix)  # pyright: ignore[reportUnknownMemberType]  # *args untyped
        self.reply = reply
        self.challenges: list[bytes] = []
        self.asked = asyncio.Event()

    def fail(self, error: Exception) -> None:
        """End the wait for the tagged answer with this error."""
        self._exception = error
        self.asked.set()
        self._event.set()


class Wire(IMAP4ClientProtocol):
    """The connection. `where` names it in errors; `max_literal` is in bytes.

    `lost` is set once the connection is gone; `pushed` once the server has said that mail arrived.
    """

    def __init__(self, where: str, max_literal: int) -> None:
        # Seen in practice: at DEBUG aioimaplib logs every byte, passwords included.
        logging.getLogger("aioimaplib.aioimaplib").setLevel(logging.WARNING)
        super().__init__(asyncio.get_running_loop())
        self.where = where
        self.pipe: asyncio.Transport | None = None
        self.lost = asyncio.Event()
        self.pushed = asyncio.Event()
        self.greeting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._framer = Framer(max_literal)
        self._room = ROOM
        self._responses = 0
        self._untagged: list[Response] = []
        self._step: _Step | None = None
        self._farewell = b""
        self._answered = False
        self._unasked = False

    async def run(self, name: str, *args: str, uid: bool = False, reply: Reply = silent, size: int = 0) -> Answer:
        """Send one command and wait for its answer, without a deadline of its own.

        `reply` says what is sent when the server asks to go on; without it, an empty line. `size` is how many bytes of
        mail the answer may bring. Raises NetworkTrouble if the connection is or gets lost, and ProtocolBroken.
        """
        step = _Step(name, self.new_tag(), *args, uid=uid, reply=reply)
        return await self._run(step, size)

    async def await_push(self, seconds: float, patience: float, news: asyncio.Event | None = None) -> Answer:
        """IDLE (RFC 2177) until mail arrives (`pushed` is set), `news` is set or `seconds` are over; `patience` bounds
        each answer."""
        step = _Step("IDLE", self.new_tag())
        task = asyncio.create_task(self._run(step))
        try:
            async with asyncio.timeout(patience):
                await self._first(task, step.asked)
            await self._first(task, self.pushed, *([news] if news else ()), seconds=seconds)
            if not task.done():
                self.send("DONE")
            async with asyncio.timeout(patience):
                answer = await task
        finally:
            task.cancel()
        if not answer.ok:
            raise ServerTrouble(f"IDLE was refused: {shown(answer.text)}", where=self.where, code="idle_refused")
        return answer

    @staticmethod
    async def _first(task: "asyncio.Task[Answer]", *events: asyncio.Event, seconds: float | None = None) -> None:
        waiters = [asyncio.create_task(one.wait()) for one in events]
        try:
            await asyncio.wait({task, *waiters}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiters:
                one.cancel()

    async def _run(self, step: _Step, size: int = 0) -> Answer:
        if self.lost.is_set():
            raise self._gone()
        self._room, self._responses = ROOM + size, 0
        self._step, self._untagged, self._answered = step, [], False
        try:
            status, lines = cast(tuple[str, list[bytes]], await self.execute(step))
        finally:
            untagged, self._untagged = tuple(self._untagged), []
            self._step = None
        return Answer(status, lines[-1], untagged, tuple(step.challenges))

    def abort(self) -> None:
        """Drop the connection at once."""
        if self.pipe is not None:
            self.pipe.abort()
        self._fail(self._gone())

    @property
    def certificate(self) -> bytes | None:
        """The server's certificate (DER), verified; None without TLS."""
        return self._tls.getpeercert(binary_form=True) if self._tls is not None else None

    @property
    def certificate_until(self) -> datetime | None:
        """When the server's certificate ends; None without TLS."""
        told = (self._tls.getpeercert() or {}).get("notAfter") if self._tls is not None else None
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(told)), UTC) if told else None

    @property
    def _tls(self) -> ssl.SSLObject | None:
        return cast("ssl.SSLObject | None", self.pipe.get_extra_info("ssl_object")) if self.pipe is not None else None

    def clean(self) -> bool:
        """Whether nothing has arrived beyond the last answer (injected text before TLS would stand there)."""
        return self._framer.empty and not self._unasked

    def use(self, transport: asyncio.Transport | None) -> None:
        """Talk over this transport from now on."""
        self.pipe = self.transport = transport

    def authenticated(self) -> None:
        """The server has accepted who we are."""
        self.state = AUTH

    def selected(self) -> None:
        """A folder is open."""
        self.state = SELECTED

    # --- called by the transport -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there; the greeting is next."""
        super().connection_made(transport)
        self.use(cast(asyncio.Transport, transport))

    def data_received(self, d: bytes) -> None:
        """Bytes from the server. Nothing raised in here may escape: the loop would drop the connection silently."""
        if self.lost.is_set():
            return
        try:
            self._room -= len(d)
            if self._room < 0:
                raise TooLarge("far more than was asked for")
            for response in self._framer.feed(d):
                self._take(response)
        except TooLarge as error:
            self._break(ProtocolBroken(f"the server sent {error}", where=self.where))
        except Exception as error:  # noqa: BLE001 - aioimaplib raises bare exceptions for unexpected tags
            what = f"the server's answer makes no sense ({type(error).__name__})"
            self._break(ProtocolBroken(what, where=self.where))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: whoever waits is told now."""
        self.state = LOGOUT
        self._fail(self._gone(exc))

    def _take(self, response: Response) -> None:
        line = response[0]
        self._responses += 1
        if self._responses > MANY_RESPONSES:
            raise TooLarge(f"more than {MANY_RESPONSES} lines for one command")
        self._unasked = self._answered
        if self.state == CONNECTED:
            self._greet(line)
        elif line.startswith(b"*"):
            self._take_untagged(response)
        elif line.startswith(b"+"):
            self._go_on(line)
        elif line:
            self._answered = True
            self._response_done(line)

    def _greet(self, line: bytes) -> None:
        word = line[2:].split(b" ", 1)[0].decode("ascii", "replace").upper()
        self.state = STATES.get(word, LOGOUT)
        if not self.greeting.done():
            self.greeting.set_result(line)

    def _take_untagged(self, response: Response) -> None:
        line = response[0]
        if line[-7:].upper() == b" EXISTS":
            self.pushed.set()
        elif line[:5].upper() == b"* BYE":
            self._farewell = line[5:]
            if self._step is None or self._step.name != "LOGOUT":
                self._break(self._gone())
        self._untagged.append(response)

    def _go_on(self, line: bytes) -> None:
        step = self._step
        if step is None or self.pipe is None:
            return
        challenge = line[1:].strip()
        if len(step.challenges) == MANY_CHALLENGES:
            raise TooLarge(f"more than {MANY_CHALLENGES} challenges for one command")
        step.challenges.append(challenge)
        step.asked.set()
        if step.name != "IDLE":
            self.pipe.write(step.reply(challenge) + b"\r\n")

    def _break(self, error: Exception) -> None:
        self._fail(error)
        if self.pipe is not None:
            self.pipe.abort()

    def _fail(self, error: Exception) -> None:
        self.lost.set()
        if self._step is not None:
            self._step.fail(error)
        if not self.greeting.done():
            self.greeting.set_exception(error)
            self.greeting.exception()  # somebody may have stopped waiting for it

    def _gone(self, cause: Exception | None = None) -> NetworkTrouble:
        said = f': the server said "{shown(self._farewell)}"' if self._farewell else ""
        reason = f" ({type(cause).__name__})" if cause is not None else ""
        return NetworkTrouble(f"the connection was lost{reason}{said}", where=self.where, code="connection_lost")


def shown(text: bytes, limit: int = 200) -> str:
    """A server's own words, printable and short, for errors."""
    start = text[: 4 * limit].decode("utf-8", "replace")
    return "".join(ch if ch.isprintable() else "?" for ch in start)[:limit].strip()
