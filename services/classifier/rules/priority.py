"""Priority: what the sender's program says.

From Importance, X-Priority or Priority, the first that says high, normal or low; otherwise normal.
"""

from services.classifier.rules.rule import Rule, step
from shared.domain.catalogue import Catalogue
from shared.domain.decision import Classification, Priority, Step, Verdict
from shared.domain.email import Email
from shared.domain.mailbox import Domains

NAME = "priority"
_BY_IMPORTANCE = {one.value: one for one in Priority}


def choose(mail: Email, domains: Domains, catalogue: Catalogue, chosen: Classification) -> tuple[Classification, Step]:
    """The priority that the mail asks for."""
    asked = _BY_IMPORTANCE.get(mail.importance or "")
    if asked is None:
        return chosen, step(NAME, Verdict.DEFAULTED, "The mail says nothing of its importance: normal.")
    sentence = f"The mail says that its importance is {asked.value}."
    return (
        chosen.model_copy(update={"priority": asked}),
        step(NAME, Verdict.CHOSE, sentence, importance=asked.value),
    )


RULE = Rule(NAME, __doc__, choose)
