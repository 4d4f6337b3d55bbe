"""One signed-in connection to an SMTP server (RFC 5321): connect, TLS, sign in, deliver, quit.

aiosmtplib sends DATA, the mail and the final dot in one go. Here they are apart, because somebody must write down that
the dot is sent before it is: `deliver` writes the mail, calls `before_dot`, and only then writes the dot. Must never
sign in without TLS, nor send a dot after `before_dot` raised.
"""

import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address

from aiosmtplib import SMTP, SMTPException
from aiosmtplib.response import SMTPResponse

from services.notifier.compose import Letter
from services.notifier.errors import EncryptionMissing, PutOff, Refused, ServerTrouble, Unanswered
from services.notifier.ports import Identity
from services.notifier.smtp.replies import expect, shown, speaking
from services.notifier.smtp.signin import sign_in
from services.notifier.smtp.tls import context
from shared.domain.mailbox import Encryption, Smtp
from shared.observability.crash_points import crash_point

_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for a connection with its TLS, for each reply, and for the reply to the final dot (RFC 5321, section
    4.5.3.2.6 asks for ten minutes)."""

    connect: float = 30
    step: float = 120
    dot: float = 600


class Session:
    """An open connection. Made by `open_session`."""

    def __init__(self, client: SMTP, where: str, patience: Patience) -> None:
        self._client = client
        self._where = where
        self._patience = patience

    @property
    def usable(self) -> bool:
        """Whether another mail may be tried over it."""
        return self._client.is_connected

    async def deliver(self, letter: Letter, before_dot: Callable[[], Awaitable[None]]) -> str:
        """Send one mail with the null sender; returns the server's words.

        Raises PutOff or Refused (the server did not take it), ServerTrouble (the dot was not sent), Unanswered (it was,
        and nothing came back), and what `before_dot` raises, after which the connection is closed.
        """
        try:
            await self._command("MAIL", b"MAIL", b"FROM:<>")
            await self._command("RCPT", b"RCPT", b"TO:<" + letter.recipient.encode("ascii") + b">")
            await self._command("DATA", b"DATA", hundreds=3)
        except (PutOff, Refused):
            await self._reset()
            raise
        try:
            self._write(_LEADING_DOT.sub(b"..", letter.content), "the mail")
            await before_dot()
        except BaseException:
            self._client.close()
            raise
        return await self._dot()

    async def close(self) -> None:
        """Say goodbye if the connection is sound, and drop it. Never raises."""
        with contextlib.suppress(SMTPException, OSError, TimeoutError):
            if self.usable:
                await self._client.execute_command(b"QUIT", timeout=2)
        self._client.close()

    def abort(self) -> None:
        """Drop the connection at once."""
        self._client.close()

    async def _dot(self) -> str:
        self._write(b".\r\n", "the final dot")
        try:
            reply = await self._reply()
        except (SMTPException, OSError, TimeoutError):
            self._client.close()
            raise Unanswered("the server did not answer the final dot", where=self._where) from None
        if reply.code // 100 not in (2, 4, 5):
            self._client.close()
            raise Unanswered(f"the final dot was answered: {shown(reply)}", where=self._where)
        crash_point("notifier.after_dot")
        expect(reply, "the mail", self._where)
        return shown(reply)

    async def _reply(self) -> SMTPResponse:
        if self._client.protocol is None:
            raise OSError("connection lost")
        return await self._client.protocol.read_response(timeout=self._patience.dot)

    def _write(self, data: bytes, what: str) -> None:
        """Hand bytes to the connection; raises ServerTrouble if it is gone, and then none of them was sent."""
        with speaking(what, self._where):
            if self._client.protocol is None:
                raise OSError("connection lost")
            self._client.protocol.write(data)

    async def _command(self, step: str, *words: bytes, hundreds: int = 2) -> SMTPResponse:
        with speaking(step, self._where):
            reply = await self._client.execute_command(*words, timeout=self._patience.step)
        expect(reply, step, self._where, hundreds)
        return reply

    async def _reset(self) -> None:
        """The next mail starts afresh; a connection that cannot is closed."""
        try:
            await self._command("RSET", b"RSET")
        except (ServerTrouble, PutOff, Refused):
            self._client.close()


async def open_session(smtp: Smtp, identity: Identity, patience: Patience) -> Session:
    """Connect, protect, sign in. Raises ServerTrouble, CertificateRejected, EncryptionMissing, AuthenticationRejected,
    ConfigurationError, and what `identity` raises."""
    where = f"{smtp.host}:{smtp.port}"
    implicit = smtp.encryption is Encryption.IMPLICIT_TLS
    client = SMTP(
        hostname=smtp.host,
        port=smtp.port,
        use_tls=implicit,
        start_tls=False,
        tls_context=context(smtp.ca_file),
        local_hostname="localhost",
        timeout=patience.step,
    )
    try:
        with speaking("the connection", where):
            await client.connect(timeout=patience.connect)
        await _greet(client, where)
        if not implicit:
            await _starttls(client, smtp, where, patience)
        await sign_in(client, smtp.host, identity, where)
    except BaseException:
        client.close()
        raise
    return Session(client, where, patience)


async def _greet(client: SMTP, where: str) -> None:
    """EHLO with our own address: names of containers mean nothing to a mail server."""
    own = ip_address(str(client.get_transport_info("sockname")[0]).partition("%")[0])
    with speaking("EHLO", where):
        reply = await client.ehlo(hostname=f"[{own}]" if own.version == 4 else f"[IPv6:{own}]")
    if not 200 <= reply.code < 300:
        raise ServerTrouble(f"EHLO was answered: {shown(reply)}", where=where, code="turned_away")


async def _starttls(client: SMTP, smtp: Smtp, where: str, patience: Patience) -> None:
    """From clear text to TLS (RFC 3207); aiosmtplib throws away what came before it."""
    if not client.supports_extension("starttls"):
        remedy = "use encryption implicit_tls with port 465, or switch STARTTLS on at the server"
        raise EncryptionMissing("the server does not offer STARTTLS", where=where, remedy=remedy)
    with speaking("STARTTLS", where):
        await client.starttls(tls_context=context(smtp.ca_file), server_hostname=smtp.host, timeout=patience.connect)
    await _greet(client, where)
