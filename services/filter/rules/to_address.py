"""If email in To address.

On: only mail that has this mailbox's address, or one of its aliases, in To; mail where it stands only in Cc, or in no
header (Bcc), is rejected. The address with a ticket's mark in it (`support+inc-000042.…@example.com`) is the mailbox's,
and a delivery report about a mail of ours needs no To. Off: To, Cc and Bcc all count.
"""

from services.filter.rules.rule import Facts, Rule, reports_on_ours, step
from shared.domain.decision import Reason, Step, Verdict
from shared.domain.email import Email, Source
from shared.domain.mailbox import MailboxSpec

NAME = Reason.NOT_IN_TO
CUT = frozenset(("too_many_addresses", "header_too_long", "headers_too_large", "too_many_headers", "unparsable"))
"""Flags of a mail whose lists of recipients were not read to their end."""


def check(mail: Email, config: MailboxSpec, facts: Facts) -> Step:
    """Reject a mail that is not addressed to the mailbox in To."""
    based = ((facts.base_addresses.get(one.address, one.address), one.source) for one in mail.recipients)
    sources = [source for address, source in based if address in config.addresses]
    place = where(sources)
    if not config.domains.only_if_in_to:
        return step(NAME, Verdict.OFF, f"To, Cc and Bcc all count; the mailbox is in {place}.", found_in=place)
    if Source.TO in sources:
        return step(NAME, Verdict.PASSED, "The mailbox is in To.", found_in=place)
    if reports_on_ours(mail, facts):
        return step(NAME, Verdict.PASSED, "It is a delivery report about a mail of ours.", found_in=place)
    if CUT.intersection(mail.flags):
        return step(
            NAME, Verdict.PASSED, "Its recipients are too many to read, so this cannot be told.", found_in=place
        )
    return step(NAME, Verdict.REJECTED, f"The mailbox is not in To, but in {place}.", found_in=place)


def where(sources: list[Source]) -> str:
    """Where the mailbox's address stands, for people. In neither To nor Cc means that the mail came as Bcc."""
    for source, name in ((Source.TO, "To"), (Source.CC, "Cc")):
        if source in sources:
            return name
    return "Bcc"


RULE = Rule(NAME, __doc__, check)
