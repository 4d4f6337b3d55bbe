"""What would become of a mail, without doing it: the rules of filter and classifier, as in production. Pure."""

from dataclasses import dataclass, replace

from services.classifier.decide import decide as classify
from services.filter.decide import explain, gather, overrule, screen, settle
from shared.domain.catalogue import Catalogue
from shared.domain.decision import Classification, Kind, Overruling, Step
from shared.domain.email import Email
from shared.domain.mailbox import Mailbox, Module
from shared.domain.marks import Marks
from shared.mail.parse import parse


@dataclass(frozen=True, slots=True)
class Original:
    """The mail that this one repeats, and the number of the ticket it is counted on; None if it made none."""

    mail_id: str
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """The end a mail would come to, and each step on the way. Not classified unless it would open something."""

    email: Email
    kind: Kind
    reason: str | None
    sentence: str
    steps: tuple[Step, ...]
    classification: Classification | None = None


def read(raw: bytes) -> Email:
    """The normalised mail, as the filter would see it. Never raises."""
    return parse(raw)


def attempt(
    email: Email,
    mailbox: Mailbox,
    catalogue: Catalogue,
    own: frozenset[str],
    original: Original | None = None,
    marks: Marks | None = None,
    overruling: Overruling | None = None,
) -> Trial:
    """Ask every rule, in order, also those after the first that rejects; then, if it may pass, the classifier.

    `own` holds every address of a mailbox that is read here. Without `marks` nobody knows what answers a mail of ours.
    With `overruling` it passes whatever the filter says, as a replay with that order does.
    """
    facts = replace(gather(email, own, marks), duplicate_of=original.mail_id if original else None)
    if overruling is None:
        decision = explain(email, mailbox, facts)
    else:
        decision = settle(overrule(screen(email, mailbox, facts), overruling), email, mailbox, facts)
    if decision.rejected is not None:
        sentence = f"It would be rejected ({decision.rejected.value}): {decision.sentence}"
        return Trial(email, Kind.REJECTED, decision.rejected.value, sentence, decision.trace)
    if decision.duplicate_of is not None and original is not None and original.number is not None:
        sentence = f"It would open nothing and be counted as a duplicate on {original.number}."
        return Trial(email, Kind.DUPLICATE, "duplicate_of", sentence, decision.trace)
    place, steps = classify(email, mailbox, catalogue)
    sentence = _opens(mailbox, place)
    if facts.answers_ours:
        sentence = f"It answers a mail of ours and would join that ticket, if it may. Otherwise: {sentence}"
    return Trial(email, Kind.TICKET, None, sentence, (*decision.trace, *steps), place)


def _opens(mailbox: Mailbox, place: Classification) -> str:
    request = mailbox.spec.module is Module.REQUEST
    named = ", ".join(f"{name} {value or 'none'}" for name, value in place.model_dump(mode="json").items())
    return f"It would open a {'request' if request else 'ticket'} ({mailbox.spec.module.prefix}-…): {named}."
