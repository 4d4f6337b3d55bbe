"""Require an aligned sender.

Off: mail is taken whoever vouches for its sender. On: only mail whose From domain the server named in `authservId`
vouches for in its Authentication-Results: DMARC passed for that domain, or a DKIM signature of a domain under the same
registrable one is good. What anybody else wrote there counts for nothing. A delivery report about a mail of ours is
taken all the same: few mail servers sign those.
"""

from services.filter.rules.rule import Facts, Rule, reports_on_ours, step
from shared.domain.decision import Reason, Step, Verdict
from shared.domain.email import Email, Vouched
from shared.domain.mailbox import MailboxSpec
from shared.mail.authentication import judge

NAME = Reason.SENDER_NOT_ALIGNED


def check(mail: Email, config: MailboxSpec, facts: Facts) -> Step:
    """Reject a sender for whom the mailbox's server does not vouch."""
    said = judge(mail, config)
    if said is None:
        return step(NAME, Verdict.OFF, "The mailbox names no server that vouches for senders.")
    told = {"server": said.server, "spf": said.spf, "dkim": said.dkim, "dmarc": said.dmarc, "sender": said.sender.value}
    if not config.domains.require_aligned_sender:
        return step(NAME, Verdict.OFF, "Nobody has to vouch for the sender.", **told)
    if said.sender is Vouched.PASS:
        return step(NAME, Verdict.PASSED, f"{said.server} vouches for the sender.", **told)
    if reports_on_ours(mail, facts):
        return step(NAME, Verdict.PASSED, "It is a delivery report about a mail of ours, from whatever server.", **told)
    return step(NAME, Verdict.REJECTED, f"{said.server} does not vouch for the sender (DMARC, DKIM).", **told)


RULE = Rule(NAME, __doc__, check)
