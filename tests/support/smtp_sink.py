"""A real SMTP server (aiosmtpd) over TLS that keeps every mail it is sent, and misbehaves on purpose, mail by mail."""

import asyncio
import base64
import email.policy
import re
import ssl
from collections.abc import AsyncIterator, Callable, Container, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from shared.domain.mailbox import Smtp
from tests.support.bad_certificates import make
from tests.support.smtp import LOOPBACK, server_context

USER, PASSWORD = "support@desk.example", "correct horse"


class Fault(StrEnum):
    """What the server does to one mail. The first four do not take it."""

    RCPT_451 = "rcpt_451"
    RCPT_550 = "rcpt_550"
    DATA_451 = "data_451"
    DATA_554 = "data_554"
    DROP_BEFORE_DOT = "drop_before_dot"
    DROP_AFTER_DOT = "drop_after_dot"
    STALL_AFTER_DOT = "stall_after_dot"
    RESET_AFTER_250 = "reset_after_250"
    NONE = "none"


@dataclass
class Taken:
    """A mail that the server has in full: its envelope and its bytes."""

    sender: str
    recipients: list[str]
    content: bytes

    @property
    def mail(self) -> EmailMessage:
        """Parsed."""
        return cast(EmailMessage, message_from_bytes(self.content, policy=email.policy.default))

    @property
    def ticket_id(self) -> str:
        """Which ticket it is about, by its loop marker."""
        return str(self.mail["X-Ticket-Loop"]).split(".")[1]


@dataclass
class Sink:
    """The server. `faults` are used up mail by mail; then `always`. `slow`: seconds before each reply to MAIL."""

    port: int = 0
    ca_file: Path = Path()
    implicit: bool = True
    faults: list[Fault] = field(default_factory=list)
    always: Fault = Fault.NONE
    slow: float = 0
    taken: list[Taken] = field(default_factory=list)
    sign_ins: int = 0
    refused: int = 0
    connections: int = 0
    open: int = 0
    most_open: int = 0
    began: asyncio.Event = field(default_factory=asyncio.Event)
    password: str = PASSWORD
    tokens: Callable[[], Container[str]] = tuple
    """Access tokens that are good."""

    def smtp(self, **changes: Any) -> Smtp:
        """How a mailbox names it."""
        encryption = "implicit_tls" if self.implicit else "starttls"
        fields = {"host": "localhost", "port": self.port, "encryption": encryption, "caFile": str(self.ca_file)}
        return Smtp.model_validate({**fields, **changes})

    def next_fault(self) -> Fault:
        return self.faults.pop(0) if self.faults else self.always


class _Handler:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._fault = Fault.NONE

    async def auth_XOAUTH2(self, server: Any, arguments: list[str]) -> AuthResult:
        user, token = re.fullmatch(
            "user=(.*)\x01auth=Bearer (.*)\x01\x01", base64.b64decode(arguments[1]).decode()
        ).groups()
        if user == USER and token in self._sink.tokens():
            self._sink.sign_ins += 1
            return AuthResult(success=True)
        self._sink.refused += 1
        await server.push("334 " + base64.b64encode(b'{"status":"401"}').decode())
        await server._reader.readline()
        return AuthResult(success=False, handled=False)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        self._sink.began.set()
        await asyncio.sleep(self._sink.slow)
        self._fault = self._sink.next_fault()
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self._fault is Fault.RCPT_451:
            return "451 4.7.1 Greylisted, come back later"
        if self._fault is Fault.RCPT_550:
            return "550 5.1.1 No such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        fault = self._fault
        if fault is Fault.DATA_451:
            return "451 4.3.0 Try again later"
        if fault is Fault.DATA_554:
            return "554 5.7.1 Spam"
        self._sink.taken.append(Taken(envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content))
        if fault is Fault.STALL_AFTER_DOT:
            await asyncio.Event().wait()
        if fault is Fault.RESET_AFTER_250:
            await server.push("250 OK")
        if fault in (Fault.DROP_AFTER_DOT, Fault.RESET_AFTER_250):
            server.transport.abort()
            await asyncio.sleep(0.05)
        return "250 2.0.0 OK queued"


class _Server(SMTP):
    sink: Sink
    handler_: _Handler

    def connection_made(self, transport: Any) -> None:
        self.sink.connections += 1
        self.sink.open += 1
        self.sink.most_open = max(self.sink.most_open, self.sink.open)
        super().connection_made(transport)

    def connection_lost(self, error: Any) -> None:
        self.sink.open -= 1
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str) -> None:
        if self.handler_._fault is Fault.DROP_BEFORE_DOT:
            await self.push("354 go on")
            self.transport.abort()  # at once: whoever waits for the mail may get its dot as well
            return
        await super().smtp_DATA(arg)


@asynccontextmanager
async def smtp_sink(
    folder: Path, *, implicit: bool = True, without: Sequence[str] = (), password: str = PASSWORD
) -> AsyncIterator[Sink]:
    """A running sink. `without`: ways to sign in that are not offered."""
    files = make(folder)
    context: ssl.SSLContext = server_context(files.certificate, files.key)
    sink = Sink(ca_file=files.ca_file, implicit=implicit, password=password)

    def sign_in(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        right = given == LoginPassword(USER.encode(), sink.password.encode())
        sink.sign_ins += right
        sink.refused += not right
        return AuthResult(success=right, handled=right)

    def protocol() -> SMTP:
        handler = _Handler(sink)
        made = _Server(
            handler,
            hostname="mail.desk.example",
            tls_context=None if implicit else context,
            require_starttls=not implicit,
            authenticator=sign_in,
            auth_require_tls=not implicit,
            auth_required=True,
            auth_exclude_mechanism=without,
            loop=asyncio.get_running_loop(),
        )
        made.sink, made.handler_ = sink, handler
        return made

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, LOOPBACK, 0, ssl=context if implicit else None)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
