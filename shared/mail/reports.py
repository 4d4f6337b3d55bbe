"""Reports about mail: which kind one is, and which mails it is about. Pure, total, linear in time.

A report is a multipart/report (RFC 6522): about delivery (RFC 3464), a read receipt (RFC 8098) or a complaint (RFC
5965). Its copy of the mail, or of that mail's header, names the Message-ID; of the copy only the header is read.
Other delivery reports are text for people (qmail, old Exim and Exchange): there only ids that look like ours are taken,
for the text may name any address. Must never be asked about a person's mail: people quote and forward reports.
"""

import re
from collections.abc import Iterator

from shared.mail import headers, transfer
from shared.mail.mime import Part

MAX_IDS = 10
MAX_TEXT = 64 * 1024

_COPIES = frozenset(
    ("message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers")
)
_STATEMENTS = frozenset(
    (
        "message/delivery-status",
        "message/global-delivery-status",
        "message/disposition-notification",
        "message/global-disposition-notification",
        "message/feedback-report",
    )
)
_NAMES = (b"original-message-id", b"x-original-message-id")
"""Of an MDN (RFC 8098, section 3.2.5). Seen in practice: Gmail's delivery reports have the second."""
_LIKE_OURS = re.compile(
    r"\back\.[a-z2-7]{32}\.[a-z2-7]{16}@[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.IGNORECASE | re.ASCII
)
"""As `shared.domain.marks` makes them."""


def whole(root: Part) -> Part | None:
    """The multipart/report that a mail is. Seen in practice: gateways wrap one to put a disclaimer beneath."""
    wrapped = root.children[0] if root.type.value == "multipart/mixed" and root.children else root
    return next((one for one in (root, wrapped) if one.type.value == "multipart/report"), None)


def kind(root: Part) -> str | None:
    """The report type of a mail in lower case, such as `delivery-status`; None if it is no report.

    Where the parameter is missing, the part that states the facts tells.
    """
    report = whole(root)
    if report is None:
        return None
    types = (one.type.value for one in report.children if one.type.value in _STATEMENTS)
    declared = report.type.parameters.get("report-type", "").strip().lower()
    return declared or next(types, "").rpartition("/")[2].removeprefix("global-")


def reported_ids(raw: bytes, root: Part, text: str) -> tuple[str, ...]:
    """The Message-IDs of the mails that a program's mail is about, in their angle brackets, at most ten.

    `text` is the mail's body as text. Only for mail that a program wrote.
    """
    found = dict.fromkeys(one for leaf in (whole(root) or root).leaves() for one in _of_leaf(raw, leaf))
    if not found:
        found = dict.fromkeys(f"<{match[0]}>" for match in _LIKE_OURS.finditer(text[:MAX_TEXT]))
    return tuple(found)[:MAX_IDS]


def _of_leaf(raw: bytes, leaf: Part) -> Iterator[str]:
    names = _NAMES if leaf.type.value in _STATEMENTS else (b"message-id",) if leaf.type.value in _COPIES else ()
    if not names:
        return
    block = raw[leaf.start : min(leaf.end, leaf.start + 2 * headers.MAX_BLOCK)]
    data, _ = transfer.decode(block, leaf.headers.get(b"content-transfer-encoding"))
    head = headers.read(data.lstrip(b"\r\n")[: headers.MAX_BLOCK])
    yield from (one for name in names if (one := headers.message_id(head.get(name))))
