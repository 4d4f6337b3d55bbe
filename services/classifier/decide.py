"""The classifier's decision: where in the catalogue does a mail belong? Pure: no clock, driver, log or environment."""

from services.classifier.rules import RULES
from shared.domain.catalogue import Catalogue
from shared.domain.decision import Classification, Step
from shared.domain.email import Email
from shared.domain.mailbox import Mailbox


def decide(mail: Email, mailbox: Mailbox, catalogue: Catalogue) -> tuple[Classification, tuple[Step, ...]]:
    """Service, process, department and priority of a mail, and for each the reason."""
    chosen = Classification()
    trace: list[Step] = []
    for rule in RULES:
        chosen, why = rule.choose(mail, mailbox.spec.domains, catalogue, chosen)
        trace.append(why)
    return chosen, tuple(trace)
