"""What fuzzing starts from: our own mails, and a few lines of each kind."""

from collections.abc import Iterator
from pathlib import Path

from tests.hostile.mails import ROWS

MAILS = Path(__file__).parents[1] / "mails"
GOLDEN = Path(__file__).parents[1] / "contract" / "golden"
SMALL = 16 * 1024

ADDRESSES = (
    b"Ann Example <ann@people.example>",
    b'"a\\"b"@c.example, <<x>>, friends: a@b.example, c@d.example;',
    b"alice@example.org(<bob@example.org>",
    b"=?utf-8?q?a=40b?=@host.example (a (nested) comment)",
    "münchen@bücher.example".encode(),
)
LINES = (
    b"* OK [UIDVALIDITY 7] ready\r\n* 1 FETCH (UID 7 BODY[] {5}\r\nhe\r\no FLAGS ())\r\nA1 OK done\r\n",
    b'* LIST (\\Noselect) "/" "a \\"b\\""\r\n* LIST () NIL {3}\r\nEnt\r\n',
    b'* 3 FETCH (UID 13 RFC822.SIZE 44 INTERNALDATE " 1-Jan-2026 00:00:00 +0000" BODY[] NIL)\r\n',
    b"* SEARCH 1 2 3\r\n* 4 EXISTS\r\n* CAPABILITY IMAP4rev1 IDLE\r\n+ go on\r\n",
)


def seeds(target: str) -> Iterator[bytes]:
    """The first inputs of a target."""
    match target:
        case "mail":
            yield from (one.read_bytes() for one in sorted(MAILS.rglob("*.eml")))
            yield from (raw for raw in (one.write() for one in ROWS if one.number != 24) if len(raw) <= SMALL)
        case "address":
            yield from ADDRESSES
        case "message":
            golden = sorted(GOLDEN.glob("email.*.json"))
            yield from (bytes([number]) + one.read_bytes() for one in golden for number in range(8))
        case _:
            yield from LINES
