"""IMAP as far as a test needs it: commands, answers, capabilities, folder names. Never changes anything at the server.

The fetcher has the real client; this one tells each way to fail from the others.
"""

import re
from dataclasses import dataclass
from typing import Final

from services.console.probe.steps import StepFailed
from services.console.probe.wire import Wire
from shared.mail.folder_names import decode
from shared.sasl.handshake import Reply, silent
from shared.sasl.imap_login import quoted

_LITERAL: Final = re.compile(rb"\{(\d{1,9})\+?\}$")
_LIST: Final = re.compile(rb'^\* LIST \(([^)]*)\) (?:NIL|"(?:\\.|[^"\\])*") (.+)$', re.IGNORECASE | re.DOTALL)
_NO_SELECT: Final = re.compile(rb"\\no(select|nexistent)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """A command's end (`OK`, `NO`, `BAD`), the server's words on it, and the untagged lines before."""

    status: str
    text: bytes
    untagged: tuple[bytes, ...]

    @property
    def ok(self) -> bool:
        """Whether the command succeeded."""
        return self.status == "OK"


class Dialogue:
    """Commands over a wire. Where the server asks for more (`+`), the given reply says what."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._number = 0

    async def run(self, command: str, reply: Reply = silent) -> Answer:
        """One command and its answer.

        Raises StepFailed if the server hangs up, says BYE or too much.
        """
        self._number += 1
        tag = f"t{self._number}".encode()
        self.wire.send(tag + b" " + command.encode() + b"\r\n")
        untagged: list[bytes] = []
        while True:
            line = await self._response()
            if line.startswith(b"+"):
                self.wire.send(reply(line[1:].strip()) + b"\r\n")
            elif line.startswith(tag + b" "):
                status, _, text = line[len(tag) + 1 :].partition(b" ")
                return Answer(status.decode("ascii", "replace").upper(), text, tuple(untagged))
            elif line[:5].upper() == b"* BYE" and command != "LOGOUT":
                raise turned_away(self.wire.shown(line[5:]))
            else:
                untagged.append(line)

    async def _response(self) -> bytes:
        line = await self.wire.line()
        while (found := _LITERAL.search(line)) is not None:
            literal = await self.wire.exactly(int(found.group(1)))
            line = line[: found.start()] + quoted(literal) + await self.wire.line()
        return line


def turned_away(words: str) -> StepFailed:
    """BYE: the server does not want us now."""
    return StepFailed(
        "TURNED_AWAY",
        f'The server turns us away: "{words}".',
        "Too many connections or a block of our address: wait some minutes, or close other mail programs.",
    )


def capabilities(answer: Answer) -> frozenset[str]:
    """What the server can do, in upper case. Empty if it does not say."""
    lines = [line for line in answer.untagged if line[:13].upper() == b"* CAPABILITY "]
    return frozenset(word.upper() for line in lines for word in line[13:].decode("ascii", "replace").split())


def folders(answer: Answer) -> tuple[str, ...]:
    """Folder names of a LIST answer that can be opened, as people read them."""
    found = [match for line in answer.untagged if (match := _LIST.match(line)) is not None]
    names = [_unquoted(match.group(2)) for match in found if not _NO_SELECT.search(match.group(1))]
    return tuple(decode(name.decode("utf-8", "replace")) for name in names)


def _unquoted(name: bytes) -> bytes:
    if len(name) > 1 and name[:1] == name[-1:] == b'"':
        return re.sub(rb"\\(.)", rb"\1", name[1:-1])
    return name
