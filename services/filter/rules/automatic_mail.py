"""Automatic mail.

What becomes of mail that no person wrote: delivery reports, automatic answers such as vacation notices, mailing lists
and bulk mail, and what other programs write (monitoring, trackers). For each of the four kinds the mailbox says whether
it may become a ticket or is rejected; unless it says so, it may. Whatever is set, a mail that answers a mail of ours is
taken: it belongs to that mail's ticket. How a program is told from a person: docs/conversations.md.
"""

from services.filter.rules.rule import Facts, Rule, step
from shared.domain.decision import Reason, Step, Verdict
from shared.domain.email import Automatic, Email
from shared.domain.mailbox import AutomaticMail, Machine, MailboxSpec

NAME = Reason.AUTOMATIC_MAIL

_CALLED = {
    Automatic.BOUNCE: "a delivery report",
    Automatic.OUT_OF_OFFICE: "an automatic answer",
    Automatic.LIST: "mail of a list, or bulk mail",
    Automatic.NOTICE: "a notice by a program",
}


def check(mail: Email, config: MailboxSpec, facts: Facts) -> Step:
    """Reject the kinds of automatic mail that the mailbox does not take."""
    fates, kind = _fates(config.automatic_mail), mail.automatic
    named = kind.value if kind else "person"
    if Machine.REJECT not in fates.values():
        return step(NAME, Verdict.OFF, "Mail by programs is taken as people's is.", kind=named)
    if kind is None:
        return step(NAME, Verdict.PASSED, "Nothing says that a program wrote it.", kind=named)
    if facts.answers_ours:
        return step(NAME, Verdict.PASSED, f"It is {_CALLED[kind]}, about a mail of ours.", kind=named)
    if fates[kind] is Machine.REJECT:
        return step(NAME, Verdict.REJECTED, f"It is {_CALLED[kind]}; this mailbox takes none.", kind=named)
    return step(NAME, Verdict.PASSED, f"It is {_CALLED[kind]}; this mailbox takes it.", kind=named)


def _fates(config: AutomaticMail) -> dict[Automatic, Machine]:
    return {
        Automatic.BOUNCE: config.bounces,
        Automatic.OUT_OF_OFFICE: config.out_of_office,
        Automatic.LIST: config.lists,
        Automatic.NOTICE: config.notices,
    }


RULE = Rule(NAME, __doc__, check)
