"""Mails to support@desk.example: tickets, duplicates allowed, To, Cc and Bcc alike, blocked senders, classification."""

from services.all_in_one.demo.mails.entities import (
    alternative,
    attachment,
    encoded_word,
    forwarded,
    html,
    mixed,
    plain,
    related,
    verbatim,
)
from services.all_in_one.demo.mails.letter import Letter, rejected, ticket
from shared.domain.decision import Priority, Reason

COLLEAGUE = "Colleague <colleague@customer.example>"
DESK = "service-desk"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cf50000003010180f5f1c1f0"
    "0000000049454e44ae426082"
)
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
LARGE = bytes(range(256)) * (5 * 1024 * 1024 // 256)
OLD_MAIL = b"From: old@customer.example\r\nTo: someone@customer.example\r\nSubject: old news\r\n\r\nThis was it.\r\n"
BROKEN = b"""Content-Type: multipart/mixed; boundary="never-closed\r
Content-Transfer-Encoding: made-up\r
this line is no header field\r
\r
--never-closed\r
Content-Type: text/plain; charset=no-such-charset\r
Content-Transfer-Encoding: base64\r
\r
this is not base64!! \xff\xfe {reference}\r
--never-closed\r
Content-Type: application/octet-stream; name*=utf-8''%E2%28%A1\r
"""

SUPPORT: tuple[Letter, ...] = (
    Letter("plain", "plain text", "Laptop does not start", ticket(DESK, department="it-operations"), again=True),
    Letter(
        "html-only", "HTML only", "Outlook shows an empty window", ticket("email"), html("<p>Nothing <b>in it</b>.")
    ),
    Letter(
        "alternative",
        "text and HTML",
        "VPN drops every ten minutes",
        ticket("vpn"),
        alternative("It drops.", "<p>It <i>drops</i>.</p>"),
        late=True,
    ),
    Letter(
        "attachments",
        "two attachments",
        "Printer jams, photo attached",
        ticket("printing"),
        mixed(
            plain("See the photo."),
            attachment("photo.png", "image/png", PNG),
            attachment("log.pdf", "application/pdf", PDF),
        ),
    ),
    Letter(
        "inline-picture",
        "inline picture",
        "Screen flickers",
        ticket(DESK),
        related(html('<img src="cid:shot@demo" alt="shot">'), attachment("s.png", "image/png", PNG, cid="shot@demo")),
    ),
    Letter(
        "forwarded", "forwarded mail", "Fwd: old news", ticket(DESK), mixed(plain("See below."), forwarded(OLD_MAIL))
    ),
    Letter(
        "large",
        "5 MB attachment",
        "Scan of the contract",
        ticket(DESK),
        mixed(plain("Large."), attachment("scan.bin", "application/octet-stream", LARGE)),
        late=True,
    ),
    Letter(
        "latin-1",
        "charset ISO-8859-1",
        encoded_word("Drucker fällt aus", "iso-8859-1"),
        ticket("printing"),
        plain("Der Drucker im zweiten Stock fällt ständig aus. Grüße!", "iso-8859-1", "quoted-printable"),
    ),
    Letter(
        "cyrillic",
        "charset windows-1251",
        encoded_word("Не работает почта", "windows-1251"),
        ticket("email"),
        plain("Почта не открывается с утра.", "windows-1251", "base64"),
    ),
    Letter(
        "japanese",
        "charset ISO-2022-JP",
        encoded_word("パスワードを忘れました", "iso-2022-jp"),
        ticket(DESK),
        plain("よろしくお願いします。", "iso-2022-jp"),
    ),
    Letter(
        "shift-jis",
        "charset Shift_JIS",
        encoded_word("VPN に接続できません", "shift_jis"),
        ticket("vpn"),
        plain("接続できません。", "shift_jis", "base64"),
        late=True,
    ),
    Letter("raw-utf-8", "8-bit header, emoji", "Kaffeemaschine brennt ☕", ticket(DESK), plain("Bitte schnell! 🔥")),
    Letter(
        "service",
        "service by its keyword",
        "Payroll Access Issue",
        ticket("payroll", department="human-resources"),
        late=True,
        again=True,
    ),
    Letter("longest-keyword", "longest keyword wins", "Email works, remote access does not", ticket("vpn")),
    Letter(
        "process",
        "process by its keyword",
        "Onboarding of a colleague on Monday",
        ticket(process="onboarding", department="human-resources"),
    ),
    Letter(
        "process-sender",
        "process by its sender",
        "Invoice 4711",
        ticket(process="invoice-approval"),
        sender="Billing <billing@suppliers.example>",
        late=True,
    ),
    Letter(
        "urgent",
        "X-Priority: 1",
        "Badge reader of the server room is dead",
        ticket("building-access", priority=Priority.HIGH),
        headers=("X-Priority: 1 (Highest)",),
        late=True,
    ),
    Letter(
        "unimportant", "Importance: low", "A wish", ticket(DESK, priority=Priority.LOW), headers=("Importance: low",)
    ),
    Letter("cc", "only in Cc", "For your information", ticket(DESK), to=COLLEAGUE, cc="Support <{mailbox}>"),
    Letter("bcc", "Bcc: in no header", "Confidential", ticket(DESK), to=COLLEAGUE, late=True),
    Letter("alias", "to an alias", "Sent to the help desk", ticket(DESK), to="Help <helpdesk@desk.example>"),
    Letter("no-message-id", "no Message-ID", "Written by an old device", ticket(DESK), has_message_id=False),
    Letter("broken", "broken MIME", "Broken on the way", ticket(DESK), verbatim(BROKEN), late=True),
    Letter("empty", "no subject, no text", "", ticket(DESK), verbatim(b"\r\n")),
    Letter(
        "blocked-address",
        "blocked address",
        "Buy now",
        rejected(Reason.BLOCKED_SENDER),
        sender="spammer@offers.example",
        again=True,
    ),
    Letter(
        "blocked-domain",
        "blocked *@domain",
        "Cheap toner",
        rejected(Reason.BLOCKED_SENDER),
        sender="Junk <x@junk.example>",
    ),
    Letter(
        "blocked-subdomain",
        "blocked *.domain",
        "Weekly ads",
        rejected(Reason.BLOCKED_SENDER),
        sender="news@mail.ads.example",
        late=True,
    ),
    Letter(
        "blocked-glob",
        "blocked glob",
        "Delivery failed",
        rejected(Reason.BLOCKED_SENDER),
        sender="bounce-123@lists.example",
    ),
    Letter("not-blocked", "domain above *.domain", "From the parent domain", ticket(DESK), sender="news@ads.example"),
    Letter(
        "own-loop",
        "from our own address",
        "Ticket received",
        rejected(Reason.OWN_LOOP),
        sender="Support <{mailbox}>",
        late=True,
    ),
    Letter(
        "forged-marker",
        "made-up marker of our mails",
        "Re: Ticket received",
        ticket(DESK),
        headers=("X-Ticket-Loop: mail-automator",),
    ),
    Letter("copies", "identical copies, allowed", "Sent twice by accident", ticket(DESK), copy=ticket(DESK)),
    Letter("repeat-allowed", "repeat, allowed", "Laptop does not start", ticket(DESK), body_of="plain", late=True),
)
