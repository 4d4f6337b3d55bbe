"""Allow process classification.

On: the mail goes to the process that takes it. A process takes a mail if one of its keywords is in the subject and
each sender or recipient condition it has holds; without keywords the conditions alone decide. Among several, a keyword
beats mere conditions, then the longest keyword wins, then the earliest, then catalogue order. Off: no process.
"""

from services.classifier.rules.rule import Rule, best_of_each, process_keywords, step
from shared.domain.catalogue import Catalogue, Process
from shared.domain.decision import Classification, Step, Verdict
from shared.domain.email import Email
from shared.domain.mailbox import Domains
from shared.domain.patterns import address_matches

NAME = "process"


def choose(mail: Email, domains: Domains, catalogue: Catalogue, chosen: Classification) -> tuple[Classification, Step]:
    """The process that takes the mail, if any does."""
    if not domains.allow_process_classification:
        return chosen, step(NAME, Verdict.OFF, "Mail of this mailbox is not routed to processes.")
    takers = _takers(mail, catalogue)
    if not takers:
        return chosen, step(NAME, Verdict.DEFAULTED, "No process takes it.", subject=mail.subject)
    winner, why = takers[0]
    losers = ", ".join(f"{name} ({reason})" for name, reason in takers[1:])
    sentence = f"The process {winner} takes it: {why}."
    return (
        chosen.model_copy(update={"process": winner}),
        step(NAME, Verdict.CHOSE, sentence, subject=mail.subject, losers=losers),
    )


def _takers(mail: Email, catalogue: Catalogue) -> list[tuple[str, str]]:
    """The processes that take the mail, best first, each with its reason for people."""
    hits = best_of_each(process_keywords(catalogue).find(mail.subject))
    by_name = {one.name: one for one in catalogue.processes if one.keywords or one.senders or one.recipients}
    with_keyword = [
        (owner, f"keyword “{hit.keyword.written}”")
        for owner, hit in hits.items()
        if owner in by_name and _conditions_hold(by_name[owner], mail)
    ]
    by_conditions = [
        (one.name, "its sender and recipient conditions hold")
        for one in by_name.values()
        if not one.keywords and _conditions_hold(one, mail)
    ]
    return with_keyword + by_conditions


def _conditions_hold(process: Process, mail: Email) -> bool:
    senders = (mail.sender.address,) if mail.sender is not None else ()
    recipients = tuple(one.address for one in mail.recipients)
    return _any_matches(process.senders, senders) and _any_matches(process.recipients, recipients)


def _any_matches(patterns: tuple[str, ...], addresses: tuple[str, ...]) -> bool:
    """Whether some address is covered by some pattern; no pattern is no condition."""
    return not patterns or any(address_matches(one, address) for one in patterns for address in addresses)


RULE = Rule(NAME, __doc__, choose)
