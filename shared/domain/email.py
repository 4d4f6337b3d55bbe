"""A normalised email: what the rules see. Made from the raw bytes by `shared.mail`, never by hand in production."""

from datetime import datetime
from enum import StrEnum

from shared.domain.value import Value


class Address(Value):
    """One mailbox of a header. `address` is normalised; `display` is text only and never trusted."""

    address: str
    display: str = ""


class Source(StrEnum):
    """Which header named a recipient."""

    TO = "to"
    CC = "cc"
    BCC = "bcc"
    DELIVERED_TO = "delivered-to"
    X_ORIGINAL_TO = "x-original-to"
    RESENT_TO = "resent-to"
    RESENT_CC = "resent-cc"


class Recipient(Value):
    """A recipient and the header that named it."""

    address: str
    display: str = ""
    source: Source


class SenderStatus(StrEnum):
    """What the From field says: exactly one mailbox, several (RFC 5322 allows it, we trust none), or none."""

    OK = "ok"
    AMBIGUOUS = "ambiguous"
    MISSING = "missing"


class Attachment(Value):
    """An attachment, as a reference into the raw mail: `part` is the IMAP part number, such as `2.1` (RFC 9051)."""

    part: str
    filename: str
    content_type: str
    size: int
    sha256: str
    content_id: str | None = None
    inline: bool = False


class Automatic(StrEnum):
    """A mail that no person wrote: what kind of machine did. The first that fits, in this order."""

    BOUNCE = "bounce"
    """A delivery report: about a mail that could not be, or was, delivered (RFC 3464)."""
    OUT_OF_OFFICE = "out_of_office"
    """An automatic answer to a mail (RFC 3834), such as a vacation notice."""
    LIST = "list"
    """From a mailing list, or bulk mail (RFC 2369, RFC 2919)."""
    NOTICE = "notice"
    """Made by a program, but no answer: a monitoring system, a scanner, a calendar."""


class Vouched(StrEnum):
    """What our server says of the From domain. `none`: it says nothing, or nobody that we believe does."""

    PASS = "pass"  # noqa: S105  # a word of RFC 8601, no password
    FAIL = "fail"
    NONE = "none"


class Authentication(Value):
    """What the server that the mailbox names wrote about a mail's sender (RFC 8601).

    `spf`, `dkim` and `dmarc` are its words, `none` where it says nothing; `sender` is what follows for the From domain.
    """

    server: str
    spf: str = "none"
    dkim: str = "none"
    dmarc: str = "none"
    sender: Vouched = Vouched.NONE


class Email(Value):
    """A mail, normalised.

    `flags` name what was odd (`no_message_id`, `charset_guessed`, `html_too_large`, ...). `text` is always there, from
    HTML if need be; `html` is sanitised. `content_sha256` covers text and attachments, not headers.
    Sizes are bytes. `suppress` is X-Auto-Response-Suppress; `reported_ids` are the Message-IDs of the mails that a
    delivery report is about; `authentication_results` the raw fields of that name (RFC 8601), the topmost first, and
    `authentication_hops` how many Received fields stand above each (0 where it is shorter): what is believed of them is
    `authentication`, which the filter adds, because it knows the mailbox.
    """

    message_id: str | None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    sender: Address | None
    sender_status: SenderStatus
    reply_to: tuple[Address, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    subject: str
    date: datetime | None = None
    text: str
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    auto_submitted: str | None = None
    precedence: str | None = None
    list_id: str | None = None
    importance: str | None = None
    loop_marker: str | None = None
    received_count: int = 0
    automatic: Automatic | None = None
    suppress: str | None = None
    reported_ids: tuple[str, ...] = ()
    authentication_results: tuple[str, ...] = ()
    size: int
    content_sha256: str
    flags: tuple[str, ...] = ()
    authentication_hops: tuple[int, ...] = ()
    authentication: Authentication | None = None


class Headline(Value):
    """The few fields by which people look a mail up. Taken from the header block, without a full parse."""

    message_id: str | None = None
    sender: str | None = None
    subject: str = ""
