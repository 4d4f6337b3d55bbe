"""Mails to strict@desk.example: only if it is in To, only if the subject is exactly one of its keywords."""

from dataclasses import replace

from services.all_in_one.demo.mails.entities import encoded_word
from services.all_in_one.demo.mails.letter import Letter, duplicate, rejected, ticket
from shared.domain.decision import Reason

ELSEWHERE = "Somebody <somebody@customer.example>"
NO_MATCH = rejected(Reason.SUBJECT_NO_MATCH)
NOT_IN_TO = rejected(Reason.NOT_IN_TO)

_LETTERS: tuple[Letter, ...] = (
    Letter("exact", "exact subject", "Password reset", ticket(), again=True),
    Letter(
        "exact-prefix",
        "exact but for Re: and case",
        "Re: password RESET",
        ticket(),
        sender="Cy <cy@customer.example>",
        late=True,
    ),
    Letter("exact-encoded", "exact, encoded words", encoded_word("Zugang gesperrt für Büro", "utf-8"), ticket()),
    Letter("partial", "partial subject", "Password reset, please", NO_MATCH, again=True),
    Letter("no-match", "other subject", "A question", NO_MATCH, late=True),
    Letter("strict-cc", "only in Cc", "VPN access", NOT_IN_TO, to=ELSEWHERE, cc="{mailbox}", late=True),
    Letter("strict-bcc", "Bcc: in no header", "VPN access", NOT_IN_TO, to=ELSEWHERE),
    Letter(
        "strict-repeat", "same sender and text again", "Password reset", duplicate("exact"), body_of="exact", late=True
    ),
)

STRICT: tuple[Letter, ...] = tuple(replace(letter, mailbox="strict") for letter in _LETTERS)
