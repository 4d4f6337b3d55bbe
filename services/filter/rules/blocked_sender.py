"""Blocked email: mail of these senders is rejected.

Patterns: an address (`ann@example.org`), a domain (`*@example.org` or `example.org`), its subdomains
(`*.example.org`), or any glob with `*` and `?` over the whole address. Off while the list is empty.
"""

from services.filter.rules.rule import Facts, Rule, step
from shared.domain.decision import Reason, Step, Verdict
from shared.domain.email import Email
from shared.domain.mailbox import MailboxSpec
from shared.domain.patterns import address_matches

NAME = Reason.BLOCKED_SENDER


def check(mail: Email, config: MailboxSpec, facts: Facts) -> Step:
    """Reject a sender that a pattern of the list covers."""
    patterns = config.domains.blocked_senders
    if not patterns:
        return step(NAME, Verdict.OFF, "No sender is blocked.")
    if mail.sender is None:
        return step(NAME, Verdict.PASSED, "No single sender can be read from it, so no pattern covers it.")
    sender = mail.sender.address
    covering = next((one for one in patterns if address_matches(one, sender)), None)
    if covering is not None:
        return step(
            NAME, Verdict.REJECTED, f"The sender {sender} is blocked by {covering}.", sender=sender, pattern=covering
        )
    return step(NAME, Verdict.PASSED, f"The sender {sender} is not blocked.", sender=sender)


RULE = Rule(NAME, __doc__, check)
