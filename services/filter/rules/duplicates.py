"""Allow duplicates.

On: every mail opens its own ticket. Off: a mail that repeats another of this mailbox opens nothing and is counted on
that one's ticket. It repeats if it has the same Message-ID and content, or the same sender, subject and content within
the window (24 hours unless set otherwise). Never by Message-ID alone: broken senders reuse them. Two answers to a mail
of ours may say the same ("thanks") and are two: they repeat each other only with one Message-ID.
"""

from services.filter.rules.rule import Beat, Facts, Rule, step
from shared.domain.decision import Reason, Step, Verdict
from shared.domain.email import Email
from shared.domain.mailbox import MailboxSpec

NAME = Reason.DUPLICATE_OF


def check(mail: Email, config: MailboxSpec, facts: Facts) -> Step:
    """Divert a mail that repeats another one."""
    if config.domains.allow_duplicates:
        return step(NAME, Verdict.OFF, "Duplicates are allowed.")
    if facts.duplicate_of is None:
        return step(NAME, Verdict.PASSED, "It repeats no other mail.")
    return step(NAME, Verdict.DIVERTED, f"It repeats the mail {facts.duplicate_of}.", duplicate_of=facts.duplicate_of)


RULE = Rule(NAME, __doc__, check, Beat.SETTLE)
