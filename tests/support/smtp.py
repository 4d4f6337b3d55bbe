"""A real SMTP server (aiosmtpd) with TLS and sign-in, and servers that say exactly what a test wants."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from spnego.exceptions import SpnegoError

from tests.support.ntlm import acceptor

LOOPBACK = "127.0.0.1"


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS for a server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


class TokenSink(Sink):
    """Takes one access token by XOAUTH2; another gets the challenge that says why, and is then refused."""

    def __init__(self, user: str, token: str) -> None:
        super().__init__()
        self._right = f"user={user}\x01auth=Bearer {token}\x01\x01"

    async def auth_XOAUTH2(self, server: Any, arguments: list[str]) -> AuthResult:
        """SASL XOAUTH2 with its initial response."""
        if base64.b64decode(arguments[1]).decode() == self._right:
            return AuthResult(success=True)
        await server.push("334 " + base64.b64encode(b'{"status":"401"}').decode())
        await server._reader.readline()
        return AuthResult(success=False, handled=False)


class NtlmSink(Sink):
    """Signs in by NTLM, as Exchange does: without an initial response it first answers in prose (MS-SMTPNTLM 2.2.1.2).

    Its users are those of `tests.support.ntlm.ntlm_users`. `broken`: its challenges are none.
    """

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__()
        self._broken = broken
        self.let_in: list[str | None] = []

    async def auth_NTLM(self, server: Any, arguments: list[str]) -> AuthResult:
        """NEGOTIATE, CHALLENGE, AUTHENTICATE."""
        context = acceptor()
        first: Any = base64.b64decode(arguments[1]) if len(arguments) > 1 else None
        first = first or await server.challenge_auth("NTLM supported", encode_to_b64=False)
        proof = await server.challenge_auth(b"none" if self._broken else context.step(first))
        if not isinstance(proof, bytes):
            return AuthResult(success=False)
        try:
            context.step(proof)
        except SpnegoError:
            return AuthResult(success=False, handled=False)
        self.let_in.append(context.client_principal)
        return AuthResult(success=True)


@asynccontextmanager
async def smtp_server(
    tls: ssl.SSLContext | None,
    user: str,
    password: str,
    *,
    implicit: bool,
    without: Sequence[str] = (),
    handler: Any = None,
) -> AsyncIterator[int]:
    """Its port. `implicit`: TLS at once, else STARTTLS (none if `tls` is None). `without`: mechanisms not offered."""

    def sign_in(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        right = given == LoginPassword(user.encode(), password.encode())
        return AuthResult(success=right, handled=right)

    def protocol() -> SMTP:
        return SMTP(
            handler or Sink(),
            hostname="mail.desk.example",
            tls_context=None if implicit else tls,
            authenticator=sign_in,
            auth_require_tls=not implicit,
            auth_exclude_mechanism=without,
            loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(protocol, LOOPBACK, 0, ssl=tls if implicit else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def scripted_server(greeting: bytes, *answers: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server that greets, then answers line by line from `answers`, then stays silent.

    `%TAG%` and `%LINE%` in an answer are the first word, and all, of the line it answers.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        for answer in answers:
            line = (await reader.readline()).rstrip()
            if not line:
                break
            writer.write(answer.replace(b"%TAG%", line.split()[0]).replace(b"%LINE%", line))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
