"""What would become of a mail, without doing it: what decides in filter, classifier and ticket writer. Pure.

What is looked up for it comes from the caller: the mail it repeats, and `Known`, what the ticket writer would know.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from services.classifier.decide import decide as classify
from services.filter.decide import FilterDecision, explain, gather, overrule, screen, settle
from services.filter.rules.rule import Facts
from services.ticket_writer.conversation import Belonging, belongs
from services.ticket_writer.decide import opens, original_of
from services.ticket_writer.joining import joins
from services.ticket_writer.lookups import Known
from shared.contracts.messages import EmailClassified
from shared.domain.catalogue import Catalogue
from shared.domain.decision import Classification, Decision, Kind, Overruling, Reason, Revisions, Step
from shared.domain.email import Email
from shared.domain.errors import Transient
from shared.domain.identity import ticket_id
from shared.domain.mailbox import Mailbox, Module
from shared.domain.marks import Marks
from shared.mail.parse import parse

NOTHING_KNOWN: Final = Known({})
SOME_DAY: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it is tried. `mail_id` is its key in the books, `at` when it is decided, `repeats` the mail_id of the
    mail it repeats, `number` that of the ticket it has opened already. With `overruling` it passes whatever the filter
    says, as a replay with that order does."""

    email: Email
    mailbox: Mailbox
    mail_id: str = ""
    at: datetime = SOME_DAY
    repeats: str | None = None
    overruling: Overruling | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """The end a mail would come to, and each step on the way. `mail` is what the ticket writer would get; None for one
    that is rejected. A ticket that is not there yet has `…` for a number."""

    email: Email
    decision: Decision
    sentence: str
    steps: tuple[Step, ...]
    mail: EmailClassified | None = None

    @property
    def kind(self) -> Kind:
        """That of the decision."""
        return self.decision.kind

    @property
    def reason(self) -> str | None:
        """Why; None for a mail that opens something."""
        return None if self.kind is Kind.TICKET else self.decision.reason.value

    @property
    def classification(self) -> Classification | None:
        """Its place in the catalogue; None unless it would open something."""
        return self.decision.classification


def read(raw: bytes) -> Email:
    """The normalised mail, as the filter would see it. Never raises."""
    return parse(raw)


def attempt(
    letter: Letter, catalogue: Catalogue, own: frozenset[str], marks: Marks | None = None, known: Known = NOTHING_KNOWN
) -> Trial:
    """Ask every rule, in order, also those after the first that rejects; if it may pass, the classifier; then whether
    it joins a ticket.

    `own` holds every address of a mailbox that is read here. Without `marks` nobody knows what answers a mail of ours.
    """
    facts = replace(gather(letter.email, own, marks), duplicate_of=letter.repeats)
    judged = _filtered(letter, facts)
    if judged.rejected is not None:
        return _rejected(letter, judged)
    place, chosen = classify(letter.email, letter.mailbox, catalogue)
    update = {
        "trace": (*judged.trace, *chosen),
        "duplicate_of": judged.duplicate_of,
        "classification": place,
        "catalogue_revision": catalogue.revision,
    }
    mail = unjudged(letter).model_copy(update=update)
    return _concluded(letter, mail, known, answers_ours=facts.answers_ours)


def unjudged(letter: Letter) -> EmailClassified:
    """The mail as the ticket writer gets it, before anything is known of it but what it repeats."""
    mailbox = letter.mailbox
    return EmailClassified(
        mail_id=letter.mail_id,
        mailbox=mailbox.name,
        received_at=letter.at,
        fetched_at=letter.at,
        module=mailbox.spec.module,
        mailbox_revision=mailbox.revision,
        email=letter.email,
        duplicate_of=letter.repeats,
        catalogue_revision=0,
        classification=Classification(),
    )


def _filtered(letter: Letter, facts: Facts) -> FilterDecision:
    if letter.overruling is None:
        return explain(letter.email, letter.mailbox, facts)
    passed = overrule(screen(letter.email, letter.mailbox, facts), letter.overruling)
    return settle(passed, letter.email, letter.mailbox, facts)


def _rejected(letter: Letter, judged: FilterDecision) -> Trial:
    decision = Decision(
        kind=Kind.REJECTED,
        reason=judged.rejected or Reason.MAILBOX_DELETED,
        sentence=judged.sentence,
        revisions=Revisions(mailbox=letter.mailbox.revision),
        decided_at=letter.at,
    )
    sentence = f"It would be rejected ({decision.reason.value}): {judged.sentence}"
    return Trial(letter.email, decision, sentence, judged.trace)


def _concluded(letter: Letter, mail: EmailClassified, known: Known, *, answers_ours: bool) -> Trial:
    belonging = belongs(mail, known.facts(mail.mail_id, letter.mailbox.spec.replies.to_closed))
    decision = _joins(letter, mail, belonging, known) or opens(mail, _number(letter), letter.at, belonging.related)
    steps = (*mail.trace, *((belonging.step,) if belonging.step else ()))
    return Trial(letter.email, decision, _sentence(decision, answers_ours=answers_ours), steps, mail)


def _joins(letter: Letter, mail: EmailClassified, belonging: Belonging, known: Known) -> Decision | None:
    if mail.duplicate_of is None:
        return joins(mail, belonging, None, letter.at)
    original = original_of(mail, known.entries.get(mail.duplicate_of), known.tickets)
    return _awaits(mail, known) if isinstance(original, Transient) else joins(mail, belonging, original, letter.at)


def _awaits(mail: EmailClassified, known: Known) -> Decision:
    """That of a mail whose original is still in flight: it waits, and is most likely counted on that one's ticket."""
    repeated = mail.duplicate_of or ""
    entry = known.entries.get(repeated)
    decided = entry.decision if entry else None
    return Decision(
        kind=Kind.DUPLICATE,
        reason=Reason.DUPLICATE_OF,
        sentence="The mail that it repeats is still in flight.",
        module=mail.module,
        ticket_id=decided.ticket_id if decided else ticket_id(repeated),
        number=decided.number if decided else _new(mail.module),
        revisions=Revisions(mailbox=mail.mailbox_revision, catalogue=mail.catalogue_revision),
        decided_at=mail.received_at,
    )


def _number(letter: Letter) -> str:
    module = letter.mailbox.spec.module
    there = letter.number or ""
    return there if there.startswith(f"{module.prefix}-") else _new(module)


def _new(module: Module) -> str:
    return f"{module.prefix}-…"


def _sentence(decision: Decision, *, answers_ours: bool) -> str:
    match decision.kind:
        case Kind.DUPLICATE:
            return f"It would open nothing and be counted as a duplicate on {decision.number}."
        case Kind.REPLY if decision.reason is Reason.REPLY_APPENDED:
            return f"It would be appended to {decision.number} as a reply{_again(decision)}."
        case Kind.REPLY:
            return f"It would be appended to {decision.number} as a note."
        case _:
            ours = "It answers a mail of ours, but may join no ticket. " if answers_ours else ""
            return f"{ours}{_opens(decision)}"


def _again(decision: Decision) -> str:
    return ", and open it again" if decision.reopens else ""


def _opens(decision: Decision) -> str:
    request = decision.module is Module.REQUEST
    place = (decision.classification or Classification()).model_dump(mode="json")
    named = ", ".join(f"{name} {value or 'none'}" for name, value in place.items())
    return f"It would open a {'request' if request else 'ticket'} ({decision.number}): {named}."
