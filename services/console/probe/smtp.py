"""The SMTP steps of a test, from greeting to sign-in (RFC 5321, 3207, 4954). No mail is sent."""

import contextlib
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from services.console.probe.conversation import Conversation, server_of
from services.console.probe.network import protect
from services.console.probe.signin import denied, hiding, sign_in
from services.console.probe.steps import StepFailed
from shared.sasl.handshake import Handshake

GO_ON: Final = 334
"""The reply that asks for the next line of a sign-in (RFC 4954 section 4)."""
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

    async def attempt(handshake: Handshake) -> StepFailed | None:
        command, answer = handshake.smtp_command(), hiding(talk, handshake)
        talk.wire.hide(*command.decode("ascii").split()[2:])
        reply = await _run(talk, command)
        while reply.code == GO_ON:
            reply = await _run(talk, answer(reply.text))
        return _refusal(talk, reply)

    offered = _mechanisms(talk)
    sentence = await sign_in(talk, offered, attempt, _no_way(offered))
    with contextlib.suppress(StepFailed):
        await _run(talk, b"QUIT")
    return sentence


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


def _refusal(talk: Conversation, reply: Reply) -> StepFailed | None:
    """What a reply to AUTH means. Raises StepFailed if it is not about us."""
    if reply.ok:
        return None
    words = f"{reply.code} {talk.wire.shown(reply.text)}"
    if 400 <= reply.code < 500:
        raise StepFailed(
            "AUTH_UNAVAILABLE", f'The server cannot sign us in now: "{words}".', "Wait some minutes and test again."
        )
    return denied(
        talk,
        words,
        "Switch authenticated SMTP on for this mailbox, and give the application the right to send as it.",
        "Correct user name and password, or give SMTP credentials of its own; some providers want an app "
        "password, or authenticated SMTP switched on.",
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
