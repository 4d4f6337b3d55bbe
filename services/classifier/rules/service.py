"""Use email subject in service classification.

On: the subject is searched for the keywords of the services, as whole words, whatever case and accents. The longest
keyword wins, then the one that stands earliest, then the order of the catalogue. Only the impact services of the
mailbox are looked for, if it names any. Off, or nothing found: the mailbox's default service.
"""

from services.classifier.rules.rule import Rule, best_of_each, named, service_keywords, step
from shared.domain.catalogue import Catalogue
from shared.domain.decision import Classification, Step, Verdict
from shared.domain.email import Email
from shared.domain.mailbox import Domains

NAME = "service"


def choose(mail: Email, domains: Domains, catalogue: Catalogue, chosen: Classification) -> tuple[Classification, Step]:
    """The service whose keyword is in the subject, otherwise the default."""
    if not domains.classify_service_by_subject:
        return _default(domains, chosen, "The subject is not searched for services", Verdict.OFF, mail.subject)
    found = best_of_each(service_keywords(catalogue, domains.impact_services).find(mail.subject))
    if not found:
        return _default(domains, chosen, "No service has a keyword in the subject", Verdict.DEFAULTED, mail.subject)
    winner, hit = next(iter(found.items()))
    losers = named({owner: other for owner, other in found.items() if owner != winner})
    sentence = f"The subject has the keyword “{hit.keyword.written}” of the service {winner}."
    why = step(NAME, Verdict.CHOSE, sentence, subject=mail.subject, keyword=hit.keyword.written, losers=losers)
    return chosen.model_copy(update={"service": winner}), why


def _default(
    domains: Domains, chosen: Classification, because: str, verdict: Verdict, subject: str
) -> tuple[Classification, Step]:
    if domains.default_service is None:
        return chosen, step(NAME, verdict, f"{because}, and the mailbox has no default service.", subject=subject)
    sentence = f"{because}; the default service of the mailbox is {domains.default_service}."
    why = step(NAME, Verdict.DEFAULTED, sentence, subject=subject, service=domains.default_service)
    return chosen.model_copy(update={"service": domains.default_service}), why


RULE = Rule(NAME, __doc__, choose)
