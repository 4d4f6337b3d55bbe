"""An SMTP server over implicit TLS that takes every mail, writes it down, and misbehaves when told to.

A mail counts from its final dot on, whatever is answered then. In this process; loopback only.
"""

import asyncio
import email
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from pathlib import Path

from services.all_in_one.demo.certificates import ensure_certificates
from services.all_in_one.process import LOOPBACK, free_ports

_TICKET = re.compile(r"<ack\.([a-z2-7]{32})\.")
MODES = ("ok", "451", "550", "drop_before_dot", "drop_after_dot", "stall_after_dot", "refuse_connection")


@dataclass
class MailSink:
    """The server. `mode` is how it behaves from the next command on (one of MODES)."""

    port: int
    ca_file: Path
    file: Path
    mode: str = "ok"
    got: list[dict] = field(default_factory=list)
    listen: Callable[[bytes], Awaitable[None]] | None = None
    """What is done with each mail that was taken: a loopback delivers it to a mailbox."""

    def accepted(self) -> list[dict]:
        """Every mail whose final dot came: message_id, ticket_id, to, from."""
        return [one for one in self.got if one["counts"]]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            if self.mode != "refuse_connection":
                await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError, ValueError):
            pass
        finally:
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        await say("220 sink.example ESMTP")
        recipient = ""
        while line := await reader.readline():
            command = line.decode("latin-1").strip()
            word = command[:4].upper()
            if word in ("EHLO", "HELO"):
                await say("250-sink.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN")
            elif word == "AUTH":
                await self._auth(command, reader, say)
            elif word == "MAIL" and self.mode in ("451", "550"):
                await say(f"{self.mode} {'4.3.0 later' if self.mode == '451' else '5.7.1 no'}")
            elif word == "RCPT":
                recipient = command[command.find("<") + 1 : command.find(">")]
                await say("250 2.1.5 ok")
            elif word == "DATA":
                if not await self._data(recipient, reader, say):
                    return
            elif word == "QUIT":
                await say("221 bye")
                return
            else:
                await say("250 2.0.0 ok")

    async def _auth(self, command: str, reader: asyncio.StreamReader, say: Callable[[str], Awaitable[None]]) -> None:
        for prompt in ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6") if command.upper() == "AUTH LOGIN" else ():
            await say(prompt)
            await reader.readline()
        if command.upper() == "AUTH PLAIN":
            await say("334 ")
            await reader.readline()
        await say("235 2.7.0 ok")

    async def _data(self, recipient: str, reader: asyncio.StreamReader, say: Callable[[str], Awaitable[None]]) -> bool:
        """One mail; False if the connection ends with it."""
        mode = self.mode
        await say("354 go on")
        lines: list[bytes] = []
        while (line := await reader.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
            if mode == "drop_before_dot":
                return False
        if not line:
            return False
        raw = b"".join(lines)
        self._write_down(raw, recipient)
        if mode == "drop_after_dot":
            return False
        if mode == "stall_after_dot":
            await reader.read()  # until the client has had enough
            return False
        if self.listen is not None:
            await self.listen(raw)
        await say("250 2.0.0 queued")
        return True

    def _write_down(self, raw: bytes, recipient: str) -> None:
        message = email.message_from_bytes(raw, policy=policy.default)
        message_id = str(message["Message-ID"] or "").strip()
        found = _TICKET.match(message_id)
        one = {
            "message_id": message_id,
            "ticket_id": found[1] if found else "",
            "to": recipient,
            "subject": str(message["Subject"] or ""),
            "counts": True,
        }
        self.got.append(one)
        with self.file.open("a") as file:
            file.write(json.dumps(one) + "\n")


@asynccontextmanager
async def mail_sink(folder: Path) -> AsyncIterator[MailSink]:
    """Listening."""
    certificates = ensure_certificates(folder / "sink-tls", datetime.now(UTC))
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(certificates.server_file, certificates.key_file)
    (port,) = free_ports(1)
    sink = MailSink(port, certificates.ca_file, folder / "sink.jsonl")
    server = await asyncio.start_server(sink.serve, LOOPBACK, port, ssl=secure)
    try:
        yield sink
    finally:
        server.close()
