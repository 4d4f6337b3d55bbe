"""MIME entities (RFC 2045, 2046) written by hand, so that each demo mail is exactly the bytes it is meant to be.

A `Body` is given the reference line of its mail and returns an entity: its content headers, a blank line, its content.
"""

import base64
import quopri
from collections.abc import Callable
from textwrap import wrap
from typing import Literal

Body = Callable[[str], bytes]
Encoding = Literal["8bit", "quoted-printable", "base64"]


def plain(text: str, charset: str = "utf-8", encoding: Encoding = "8bit") -> Body:
    """A text/plain body in a charset and transfer encoding; the reference is its last line."""
    return lambda reference: _text(f"{text}\n\n{reference}\n", "plain", charset, encoding)


def html(markup: str, charset: str = "utf-8") -> Body:
    """A text/html body, without any plain alternative."""
    page = "<html><body>{}<p>{}</p></body></html>\n"
    return lambda reference: _text(page.format(markup, reference), "html", charset, "quoted-printable")


def alternative(text: str, markup: str) -> Body:
    """Plain text and HTML of the same, the reader's choice."""
    return lambda reference: multipart("alternative", plain(text)(reference), html(markup)(reference))


def mixed(body: Body, *attachments: bytes) -> Body:
    """A body with attachments."""
    return lambda reference: multipart("mixed", body(reference), *attachments)


def related(body: Body, *parts: bytes) -> Body:
    """An HTML body with the pictures that it shows."""
    return lambda reference: multipart("related", body(reference), *parts)


def verbatim(entity: bytes) -> Body:
    """An entity as it stands; `{reference}` in it is replaced. For what is broken on purpose."""
    return lambda reference: entity.replace(b"{reference}", reference.encode())


def attachment(filename: str, content_type: str, content: bytes, *, cid: str = "") -> bytes:
    """An attached file; with `cid` a picture that HTML shows by `cid:`."""
    place = f"inline\r\nContent-ID: <{cid}>" if cid else f'attachment; filename="{filename}"'
    head = f'Content-Type: {content_type}; name="{filename}"\r\nContent-Disposition: {place}\r\n'
    return head.encode() + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(content)


def forwarded(mail: bytes) -> bytes:
    """A whole mail as an attachment (message/rfc822)."""
    return b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n" + mail


def multipart(kind: str, *parts: bytes) -> bytes:
    """Several entities as one. The boundary tells levels apart by their kind."""
    boundary = f"=_demo_{kind}_=".encode()
    head = b'Content-Type: multipart/%s; boundary="%s"\r\n\r\n' % (kind.encode(), boundary)
    return head + b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts) + b"--%s--\r\n" % boundary


def encoded_word(text: str, charset: str) -> str:
    """A header value as RFC 2047 encoded words (base64), each within 75 characters."""
    words = [base64.b64encode(piece.encode(charset)).decode("ascii") for piece in wrap(text, 12, drop_whitespace=False)]
    return "\r\n ".join(f"=?{charset}?B?{word}?=" for word in words)


def _text(text: str, subtype: str, charset: str, encoding: Encoding) -> bytes:
    content = text.encode(charset)
    match encoding:
        case "base64":
            content = base64.encodebytes(content)
        case "quoted-printable":
            content = quopri.encodestring(content)
        case "8bit":
            pass
    head = f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + content
