"""Department: where the ticket goes.

The department of its process, otherwise that of its service, otherwise that of the mailbox.
"""

from services.classifier.rules.rule import Rule, step
from shared.domain.catalogue import Catalogue
from shared.domain.decision import Classification, Step, Verdict
from shared.domain.email import Email
from shared.domain.mailbox import Domains

NAME = "department"


def choose(mail: Email, domains: Domains, catalogue: Catalogue, chosen: Classification) -> tuple[Classification, Step]:
    """The first department that the process, the service or the mailbox names."""
    process = catalogue.process(chosen.process) if chosen.process else None
    service = catalogue.service(chosen.service) if chosen.service else None
    for kind, owner in (("process", process), ("service", service)):
        if owner is not None and owner.department is not None:
            sentence = f"The {kind} {owner.name} belongs to the department {owner.department}."
            update = chosen.model_copy(update={"department": owner.department})
            return update, step(NAME, Verdict.CHOSE, sentence, department=owner.department)
    if domains.department is None:
        return chosen, step(NAME, Verdict.DEFAULTED, "Neither process, service nor mailbox names a department.")
    sentence = f"The department of the mailbox is {domains.department}."
    update = chosen.model_copy(update={"department": domains.department})
    return update, step(NAME, Verdict.DEFAULTED, sentence, department=domains.department)


RULE = Rule(NAME, __doc__, choose)
