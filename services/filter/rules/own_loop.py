"""Mail that we sent ourselves makes no ticket.

A mail from this mailbox's own address or an alias, from any other mailbox that is read here, or with the marker that
our acknowledgements carry (`X-Ticket-Loop`) is rejected: otherwise two mailboxes could write to each other for ever.
Always on.
"""

from services.filter.rules.rule import Facts, Rule, step
from shared.domain.decision import Reason, Step, Verdict
from shared.domain.email import Email
from shared.domain.mailbox import MailboxSpec

NAME = Reason.OWN_LOOP


def check(mail: Email, config: MailboxSpec, facts: Facts) -> Step:
    """Reject what comes from ourselves."""
    sender = mail.sender.address if mail.sender else ""
    if mail.loop_marker is not None:
        return step(NAME, Verdict.REJECTED, "It carries the loop marker of our own mails.", sender=sender)
    if sender in config.addresses:
        return step(NAME, Verdict.REJECTED, f"It comes from this mailbox itself ({sender}).", sender=sender)
    if sender in facts.own_addresses:
        return step(NAME, Verdict.REJECTED, f"It comes from another mailbox of ours ({sender}).", sender=sender)
    return step(NAME, Verdict.PASSED, "It does not come from ourselves.", sender=sender)


RULE = Rule(NAME, __doc__, check)
