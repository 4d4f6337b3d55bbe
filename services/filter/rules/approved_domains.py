"""Approve all domains.

Off: mail from any domain is taken. On: only mail from the listed domains; subdomains only where the entry is written
`*.example.org`. Mail whose sender cannot be told for certain comes from no approved domain. A delivery report about a
mail of ours is taken from any mail server.
"""

from services.filter.rules.rule import Facts, Rule, reports_on_ours, step
from shared.domain.decision import Reason, Step, Verdict
from shared.domain.email import Email
from shared.domain.mailbox import MailboxSpec
from shared.domain.patterns import domain_matches, domain_of

NAME = Reason.DOMAIN_NOT_APPROVED


def check(mail: Email, config: MailboxSpec, facts: Facts) -> Step:
    """Reject a sender whose domain is not on the list."""
    if not config.domains.approved_domains_only:
        return step(NAME, Verdict.OFF, "Every sender domain is approved.")
    if reports_on_ours(mail, facts):
        return step(NAME, Verdict.PASSED, "It is a delivery report about a mail of ours, from whatever server.")
    if mail.sender is None:
        sentence = "No single sender can be read from it, so it comes from no approved domain."
        return step(NAME, Verdict.REJECTED, sentence, sender_status=mail.sender_status.value)
    domain = domain_of(mail.sender.address)
    covering = next((one for one in config.domains.approved_domains if domain_matches(one, domain)), None)
    if covering is None:
        return step(NAME, Verdict.REJECTED, f"The sender domain {domain} is not approved.", domain=domain)
    return step(NAME, Verdict.PASSED, f"The sender domain {domain} is approved.", domain=domain, pattern=covering)


RULE = Rule(NAME, __doc__, check)
