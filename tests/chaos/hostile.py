"""Hostile and odd mail for a running system: rows of sections 1, 3 and 5 of hostile-input.md, and all of tests/mails.

Each becomes a ticket, however odd: only its own sender may ever get an answer, and only where that is beyond doubt.
Line ends are CRLF throughout, because a mail server gives no others.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path

from tests.chaos.oracle import Ends
from tests.chaos.traffic import TOKEN_HEADER, Kind
from tests.support.mails import Attached, mail

CORPUS = Path(__file__).parents[1] / "mails"
Write = Callable[[str, str], bytes]
"""A raw mail for a token and the address that it is sent to."""


@dataclass(frozen=True)
class Hostile:
    """One mail. `sender`: who may get an answer, if not the address that bears the token."""

    kind: Kind
    write: Write
    sender: str = ""


def corpus() -> Iterator[Hostile]:
    """The mails of programs and people: a person may be answered, a program never is. Some repeat others: then it is
    the first one to come that opens the ticket."""
    files = {file: _crlf(file) for file in sorted(CORPUS.rglob("*.eml"))}
    fields = {file: (_field(raw, "From"), _field(raw, "Subject")) for file, raw in files.items()}
    alike = Counter(fields.values())
    for file, raw in files.items():
        ends = Ends.TICKET if alike[fields[file]] == 1 else Ends.ANY
        kind = Kind(f"{file.parent.name}/{file.stem}", 1, ends, acknowledged=file.parent.name == "person")
        yield Hostile(kind, lambda token, _, raw=raw: _token(token) + raw, parseaddr(fields[file][0])[1].lower())


def _crlf(file: Path) -> bytes:
    return file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _field(raw: bytes, name: str) -> str:
    """The first field of that name, decoded by nobody."""
    head = raw.split(b"\r\n\r\n", 1)[0].decode("latin-1").replace("\r\n ", " ")
    found = (line.partition(":")[2] for line in head.splitlines() if line.lower().startswith(f"{name.lower()}:"))
    return next(found, "").strip()


def odd() -> Iterator[Hostile]:
    """Mail that nobody sends by accident."""
    for name, write in {**STRUCTURES, **IDENTITIES, **CONTENTS}.items():
        yield Hostile(Kind(name, 1, Ends.TICKET, acknowledged=True), write)
    for name, sender in DOUBTFUL_SENDERS.items():
        yield Hostile(Kind(name, 1, Ends.TICKET), _from(sender))


def _token(token: str) -> bytes:
    return f"{TOKEN_HEADER}: {token}\r\n".encode()


def _fields(token: str, to: str) -> str:
    return f"To: {to}\r\nSubject: {token}\r\nMessage-ID: <{token}@people.example>\r\n"


def _head(token: str, to: str, more: str = "") -> bytes:
    """The header of a mail whose sender bears the token, without the empty line."""
    return _token(token) + f"From: {token}@people.example\r\n{_fields(token, to)}{more}".encode()


def _raw(more: str, body: str = "{token}\r\n") -> Write:
    return lambda token, to: _head(token, to, more) + b"\r\n" + body.replace("{token}", token).encode()


def _from(sender: str) -> Write:
    """A mail with these From lines in place of an ordinary one."""
    return lambda token, to: _token(token) + f"{sender}{_fields(token, to)}\r\n{token}\r\n".encode()


def _nested(depth: int) -> Write:
    def write(token: str, to: str) -> bytes:
        opening = "".join(
            f'Content-Type: multipart/mixed; boundary="b{level}"\r\n\r\n--b{level}\r\n' for level in range(depth)
        )
        return _head(token, to) + f"{opening}Content-Type: text/plain\r\n\r\n{token}\r\n".encode()

    return write


def _html(html: str) -> Write:
    return lambda token, to: mail(
        sender=f"{token}@people.example",
        to=to,
        subject=token,
        html=f"<p>{token}</p>{html}",
        text=None,
        headers={TOKEN_HEADER: token},
    )


def _file(name: str, content: bytes, content_type: str = "application/octet-stream") -> Write:
    return lambda token, to: mail(
        sender=f"{token}@people.example",
        to=to,
        subject=token,
        text=token,
        attachments=(Attached(name, content, content_type),),
        headers={TOKEN_HEADER: token},
    )


def _subject(subject: str) -> Write:
    return lambda token, to: mail(
        sender=f"{token}@people.example", to=to, subject=f"{subject} {token}", text=token, headers={TOKEN_HEADER: token}
    )


STRUCTURES: dict[str, Write] = {
    "1 nested 1,000 deep": _nested(1_000),
    "1 nested 21 deep": _nested(21),
    "3 100,000 empty parts": _raw('Content-Type: multipart/mixed; boundary="b"\r\n', "--b\r\n\r\n" * 100_000),
    "4 boundary never closed": _raw('Content-Type: multipart/mixed; boundary="b"\r\n', "--b\r\n\r\n{token}\r\n"),
    "5 two Content-Types": _raw("Content-Type: text/plain\r\nContent-Type: text/html\r\n", "<p>{token}</p>\r\n"),
    "7 unknown transfer encoding": _raw("Content-Transfer-Encoding: quantum\r\n"),
    "8 base64 with junk": _raw("Content-Transfer-Encoding: base64\r\n", "{token}!!==?aGVsbG8\r\n====\r\n"),
    "18 one line of 5 MB": _raw("", "{token}" + "x" * 5_000_000 + "\r\n"),
    "22 20,000 headers": _raw("X-Much: y\r\n" * 20_000),
    "22 a header of 4 MB": _raw("X-Long: " + "y" * 4_000_000 + "\r\n"),
    "23 header lines without colon": _raw("this is none\r\nNeither This\r\n : nor this\r\n"),
    "28 charset that is a codec": _raw("Content-Type: text/plain; charset=unicode_escape\r\n", "{token}\\u0041\r\n"),
    "33 20,000 encoded words": _raw("X-Words: " + "\r\n ".join(["=?utf-8?q?=41?="] * 20_000) + "\r\n"),
    "34 an encoded line break in the subject": _subject("=?utf-8?q?x=0D=0ABcc:_victim@people.example?="),
}
IDENTITIES: dict[str, Write] = {
    "42 500 addresses in Reply-To": _raw("Reply-To: " + ", ".join(f"r{n}@evil.example" for n in range(500)) + "\r\n"),
    "45 20,000 recipients": _raw("Cc: " + ",\r\n ".join(f"c{n}@evil.example" for n in range(20_000)) + "\r\n"),
    "46 two Message-IDs": _raw("Message-ID: <other@people.example>\r\n"),
    "50 5,000 references": _raw("References: " + "\r\n ".join(f"<r{n}@people.example>" for n in range(5_000)) + "\r\n"),
    "52 two ticket numbers in the subject": _subject("[#1234][#5678] [INC-1]"),
    "54 forged results and marks": _raw(
        "Authentication-Results: mx.example.com; dmarc=pass\r\nX-Ticket-Loop: v1.0000\r\n"
        "In-Reply-To: <ack.abcdefghijklmnopqrstuvwxyz234567.abcdefghijklmnop@example.com>\r\n"
    ),
    "55 a date in 1970": _raw("Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"),
    "55 a date that is none": _raw("Date: yesterday, I think\r\n"),
}
CONTENTS: dict[str, Write] = {
    "65 script": _html('<script>alert(1)</script><a href="java&#9;script:x">y</a><img src=x onerror=alert(1)>'),
    "66 markup that changes when parsed again": _html(
        "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>"
    ),
    "67 remote images": _html('<img src="http://tracker.example/1.gif"><style>@import "http://x.example"</style>'),
    "68 forms and frames": _html(
        '<form action="http://x"><iframe src=x></iframe><base href=x><meta http-equiv=refresh>'
    ),
    "69 500 KB of nested div": _html("<div>" * 100_000),
    "69 10,000 attributes": _html("<p " + " ".join(f"a{n}=b" for n in range(10_000)) + ">x</p>"),
    "69 a style block of 5 MB": _html("<style>" + "a{b:c}" * 800_000 + "</style>"),
    "70 a cid of another mail": _html('<img src="cid:../other@people.example">'),
    "71 a path as file name": _file("../../etc/passwd", b"x"),
    "71 a file name from right to left": _file("invoice\u202efdp.exe", b"MZ"),
    "71 a device as file name": _file("CON", b"x"),
    "71 5,000 pieces of a file name": _raw(
        "Content-Disposition: attachment;\r\n " + ";\r\n ".join(f"filename*{n}=a" for n in range(5_000)) + "\r\n"
    ),
    "72 HTML as image": _file("x.png", b"<script>alert(1)</script>", "image/png"),
    "73 a formula": _subject("=cmd|' /C calc'!A0"),
    "74 a template": _subject("{{7*7}} ${jndi:ldap://x} %n {number}"),
}
DOUBTFUL_SENDERS = {
    "39 an address in a comment": "From: alice@evil.example(<bob@evil.example>\r\n",
    "39 two at signs": "From: a@b@evil.example\r\n",
    "39 an address literal": "From: a@[127.0.0.1]\r\n",
    "41 two From fields": "From: a@evil.example\r\nFrom: b@evil.example\r\n",
    "41 two senders": "From: a@evil.example, b@evil.example\r\n",
    "41 no From": "",
    "41 an empty From": "From: <>\r\n",
    "41 a group": "From: friends: a@evil.example, b@evil.example;\r\n",
    "43 an encoded word as address": "From: =?utf-8?q?a=40evil.example?=@evil.example\r\n",
    "44 an address of 300 characters": f"From: {'a' * 300}@evil.example\r\n",
}
