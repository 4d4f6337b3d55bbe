"""The SMTP steps of a test, from greeting to sign-in (RFC 5321, 3207, 4954). No mail is sent."""

import base64
import contextlib
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from services.console.probe.conversation import Conversation, server_of
from services.console.probe.credentials import user_of, uses_token
from services.console.probe.imap_dialogue import plain, xoauth2
from services.console.probe.network import protect
from services.console.probe.steps import Chain, StepFailed

LINES_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply: its code, and its lines without it."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def ok(self) -> bool:
        """Whether the command succeeded."""
        return 200 <= self.code < 300

    @property
    def text(self) -> bytes:
        """All lines as one."""
        return b" ".join(self.lines)


async def greeting(talk: Conversation) -> str:
    """The server's first reply."""
    reply = await _reply(talk)
    words = talk.wire.shown(reply.text)
    if not reply.ok:
        raise StepFailed(
            "TURNED_AWAY",
            f'The server turns us away: "{reply.code} {words}".',
            "It may be busy or block our address: wait some minutes, or ask its administrator to let us in.",
        )
    return f'The server greets: "{words}".'


async def ehlo(talk: Conversation) -> str:
    """What the server can do, asked over TLS."""
    await _hello(talk)
    ways = ", ".join(sorted(_mechanisms(talk))) or "none"
    return talk.wire.shown(f"The server answers. Ways to sign in: {ways}.".encode())


async def starttls(talk: Conversation) -> str:
    """From clear text to TLS (RFC 3207)."""
    await _hello(talk)
    reply = await _run(talk, b"STARTTLS") if "STARTTLS" in talk.capabilities else None
    if reply is None or not reply.ok:
        words = f': "{reply.code} {talk.wire.shown(reply.text)}"' if reply else ""
        raise StepFailed(
            "STARTTLS_NOT_OFFERED",
            f"The server does not offer STARTTLS{words}.",
            "Use encryption SSL (implicit TLS) with port 465, or switch STARTTLS on at the server. "
            "Clear text is never used.",
        )
    return await protect(talk.wire, server_of(talk), None)


async def authenticate(talk: Conversation) -> str:
    """Sign in: with the same identity as IMAP, unless SMTP has its own."""
    talk.require_tls()
    user, offered = user_of(talk.mailbox, Chain.SMTP), _mechanisms(talk)
    if uses_token(talk.mailbox, Chain.SMTP):
        reply = await _by_token(talk, user, offered)
    else:
        reply = await _by_password(talk, user, offered)
    if not reply.ok:
        raise _denied(talk, reply, user)
    with contextlib.suppress(StepFailed):
        await _run(talk, b"QUIT")
    return f"Signed in as {talk.wire.shown(user.encode())}."


async def _by_token(talk: Conversation, user: str, offered: frozenset[str]) -> Reply:
    if "XOAUTH2" not in offered:
        raise _no_way(offered)
    message = xoauth2(user, await talk.token())
    talk.wire.hide(message)
    reply = await _run(talk, b"AUTH XOAUTH2 " + message.encode("ascii"))
    return await _run(talk, b"") if reply.code == 334 else reply  # the challenge says why; the refusal follows


async def _by_password(talk: Conversation, user: str, offered: frozenset[str]) -> Reply:
    if not offered & {"PLAIN", "LOGIN"}:
        raise _no_way(offered)
    password = await talk.password(Chain.SMTP)
    if "PLAIN" in offered:
        message = plain(user, password)
        talk.wire.hide(message)
        return await _run(talk, b"AUTH PLAIN " + message.encode("ascii"))
    reply = await _run(talk, b"AUTH LOGIN")
    for word in (user, password):
        if reply.code == 334:
            reply = await _run(talk, base64.b64encode(word.encode()))
    return reply


def _no_way(offered: frozenset[str]) -> StepFailed:
    if not offered:
        return StepFailed(
            "AUTH_NOT_OFFERED",
            "The server offers no way to sign in.",
            "Use the port for sending (465 or 587), not the one between servers (25); or switch SMTP AUTH on.",
        )
    return StepFailed(
        "NO_COMMON_MECHANISM",
        "The server offers no way to sign in that fits the authentication type.",
        "Choose another authentication type, or give SMTP credentials of its own.",
    )


def _denied(talk: Conversation, reply: Reply, user: str) -> StepFailed:
    words, who = f"{reply.code} {talk.wire.shown(reply.text)}", talk.wire.shown(user.encode())
    if 400 <= reply.code < 500:
        return StepFailed(
            "AUTH_UNAVAILABLE", f'The server cannot sign us in now: "{words}".', "Wait some minutes and test again."
        )
    if uses_token(talk.mailbox, Chain.SMTP):
        return StepFailed(
            "TOKEN_REFUSED",
            f'The server refuses a valid token for {who}: "{words}".',
            "Switch authenticated SMTP on for this mailbox, and give the application the right to send as it.",
        )
    return StepFailed(
        "AUTH_DENIED",
        f'The server refuses user name or password of {who}: "{words}".',
        "Correct user name and password, or give SMTP credentials of its own; some providers want an app password, "
        "or authenticated SMTP switched on.",
    )


async def _hello(talk: Conversation) -> None:
    own = ip_address(talk.wire.local_address().partition("%")[0])
    name = f"[{own}]" if own.version == 4 else f"[IPv6:{own}]"
    reply = await _run(talk, b"EHLO " + name.encode("ascii"))
    if not reply.ok:
        raise StepFailed(
            "EHLO_REFUSED",
            f'The server refuses EHLO: "{reply.code} {talk.wire.shown(reply.text)}".',
            "Ask the server's administrator to let this machine in.",
        )
    talk.capabilities = frozenset(line.decode("ascii", "replace").strip().upper() for line in reply.lines[1:])


def _mechanisms(talk: Conversation) -> frozenset[str]:
    lines = [one.replace("AUTH=", "AUTH ", 1) for one in talk.capabilities if one.startswith(("AUTH ", "AUTH="))]
    return frozenset(word for line in lines for word in line.split()[1:])


async def _run(talk: Conversation, command: bytes) -> Reply:
    talk.wire.send(command + b"\r\n")
    return await _reply(talk)


async def _reply(talk: Conversation) -> Reply:
    lines: list[bytes] = []
    while len(lines) < LINES_MAX:
        line = await talk.wire.line()
        if not line[:3].isdigit() or line[3:4] not in (b" ", b"-", b""):
            raise _not_smtp(talk, line)
        lines.append(line[4:])
        if line[3:4] != b"-":
            return Reply(int(line[:3]), tuple(lines))
    raise _not_smtp(talk, lines[-1])


def _not_smtp(talk: Conversation, line: bytes) -> StepFailed:
    return StepFailed(
        "NOT_SMTP",
        f'This is not an SMTP server: it says "{talk.wire.shown(line)}".',
        "Check the port: SMTP is 465 (SSL) or 587 (TLS); 993 and 143 are IMAP.",
    )
