"""Mail that we sent ourselves makes no ticket.

A mail from this mailbox's own address or an alias, from any other mailbox that is read here, or with the marker that
our acknowledgements carry in their header (`X-Ticket-Loop`) is rejected: otherwise two mailboxes could write to each
other for ever. The marker is keyed: one that somebody made up counts for nothing and is flagged. A delivery report or
an automatic answer about a mail of ours is no loop: nothing answers it. Always on.
"""

from services.filter.rules.rule import Facts, Rule, step
from shared.domain.decision import Reason, Step, Verdict
from shared.domain.email import Automatic, Email
from shared.domain.mailbox import MailboxSpec

NAME = Reason.OWN_LOOP


def check(mail: Email, config: MailboxSpec, facts: Facts) -> Step:
    """Reject what comes from ourselves."""
    sender = mail.sender.address if mail.sender else ""
    if facts.own_loop_marker:
        return step(NAME, Verdict.REJECTED, "It carries the loop marker of our own mails.", sender=sender)
    if facts.answers_ours and mail.automatic in (Automatic.BOUNCE, Automatic.OUT_OF_OFFICE):
        return step(NAME, Verdict.PASSED, "A program wrote it about a mail of ours; it is no loop.", sender=sender)
    if sender in config.addresses:
        return step(NAME, Verdict.REJECTED, f"It comes from this mailbox itself ({sender}).", sender=sender)
    if sender in facts.own_addresses:
        return step(NAME, Verdict.REJECTED, f"It comes from another mailbox of ours ({sender}).", sender=sender)
    if facts.forged_mark:
        sentence = (
            "It does not come from ourselves; it carries a mark that only looks like ours and counts for nothing."
        )
        return step(NAME, Verdict.PASSED, sentence, sender=sender, forged_mark="yes")
    return step(NAME, Verdict.PASSED, "It does not come from ourselves.", sender=sender)


RULE = Rule(NAME, __doc__, check)
