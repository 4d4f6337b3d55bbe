"""A builder of raw mails, as a mail program would write them. Hostile ones are written by hand in their tests."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage

AUTOMATIC = "automatic"


@dataclass(frozen=True)
class Attached:
    """A file to attach; with a content id it is an inline image of the HTML."""

    filename: str
    content: bytes
    content_type: str = "application/octet-stream"
    content_id: str | None = None


def mail(
    *,
    sender: str | None = "Ann Example <ann@people.example>",
    to: str | None = "support@example.com",
    cc: str | None = None,
    subject: str | None = "Printer on fire",
    text: str | None = "It burns.\n",
    html: str | None = None,
    charset: str = "utf-8",
    attachments: Sequence[Attached] = (),
    message_id: str | None = AUTOMATIC,
    date: str | None = "Mon, 02 Mar 2026 10:00:00 +0100",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A raw mail with CRLF line ends. None leaves a field out; a message id is made up unless one is given."""
    message = EmailMessage()
    identity = f"<{uuid.uuid4().hex}@people.example>" if message_id == AUTOMATIC else message_id
    fields = {"From": sender, "To": to, "Cc": cc, "Subject": subject, "Date": date, "Message-ID": identity}
    for name, value in {**fields, **(headers or {})}.items():
        if value is not None:
            message[name] = value
    if text is not None:
        message.set_content(text, charset=charset)
    if html is not None and text is None:
        message.set_content(html, subtype="html", charset=charset)
    elif html is not None:
        message.add_alternative(html, subtype="html", charset=charset)
    for file in attachments:
        _attach(message, file)
    return message.as_bytes(policy=policy.SMTP)


def _attach(message: EmailMessage, file: Attached) -> None:
    main, _, sub = file.content_type.partition("/")
    cid = f"<{file.content_id}>" if file.content_id else None
    disposition = "inline" if cid else "attachment"
    message.add_attachment(
        file.content, maintype=main, subtype=sub, filename=file.filename, disposition=disposition, cid=cid
    )
