"""Mails to requests@desk.example: requests, approved domains only, no duplicates."""

from dataclasses import replace

from services.all_in_one.demo.mails.entities import plain
from services.all_in_one.demo.mails.letter import Letter, duplicate, rejected, request
from shared.domain.decision import Reason

UNAPPROVED = rejected(Reason.DOMAIN_NOT_APPROVED)

_LETTERS: tuple[Letter, ...] = (
    Letter("approved", "approved domain", "New monitor, please", request(), again=True),
    Letter(
        "approved-sub", "approved *.domain", "A desk by the window", request(), sender="Bo <bo@berlin.partner.example>"
    ),
    Letter(
        "access",
        "process by its keyword",
        "Access request: finance share",
        request(process="access-request"),
        late=True,
    ),
    Letter("not-approved", "unapproved domain", "Offer", UNAPPROVED, sender="Eve <eve@elsewhere.example>", late=True),
    Letter("parent", "domain above *.domain", "From the parent", UNAPPROVED, sender="boss@partner.example"),
    Letter("look-alike", "look-alike domain", "Trust me", UNAPPROVED, sender="ada@customer.example.evil.example"),
    Letter(
        "repeat",
        "same sender and text again",
        "New monitor, please",
        duplicate("approved"),
        body_of="approved",
        late=True,
    ),
    Letter(
        "repeat-reply",
        "the same, as a reply",
        "RE: new monitor, please",
        duplicate("approved"),
        body_of="approved",
        late=True,
    ),
    Letter("original", "original", "Second keyboard", request(), again=True),
    Letter(
        "resent",
        "same Message-ID, same content",
        "Second keyboard",
        duplicate("original"),
        message_id_of="original",
        body_of="original",
        late=True,
        again=True,
    ),
    Letter(
        "reused-id",
        "same Message-ID, other content",
        "Third keyboard",
        request(),
        plain("Another wish."),
        message_id_of="original",
        late=True,
    ),
    Letter(
        "other-text",
        "same subject, other text",
        "New monitor, please",
        request(),
        plain("And one for my colleague."),
        late=True,
    ),
    Letter("twins", "identical copies, not allowed", "Sent twice at once", request(), copy=duplicate("twins")),
)

REQUESTS: tuple[Letter, ...] = tuple(replace(letter, mailbox="requests") for letter in _LETTERS)
