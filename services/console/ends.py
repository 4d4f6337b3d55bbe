"""How a mail ended by the books, and how it would end by a trial: told alike, so that the two can be compared. Pure."""

from dataclasses import dataclass, field
from typing import Final

from services.classifier.rules.rule import STAGE
from services.console.replays import outcome
from services.console.trial import Trial
from shared.domain.decision import Classification, Kind, Reason
from shared.domain.ledger import LedgerEntry

_WORDS: Final = {
    Reason.TICKET_CREATED.value: "ticket",
    Reason.REQUEST_CREATED.value: "request",
    Reason.REPLY_APPENDED.value: "reply",
    Reason.BOUNCE_ATTACHED.value: "note",
    Reason.AUTOMATIC_ANSWER_ATTACHED.value: "note",
    Reason.DUPLICATE_OF.value: "duplicate",
}
JOINING: Final = (Kind.REPLY, Kind.DUPLICATE)


@dataclass(frozen=True, slots=True)
class End:
    """How a mail ended or would end. `kind` is that of a decision, `quarantined` or `in_flight`; `ticket_id` and
    `number` name the ticket it opened, was appended to or counted on; a new one has `…` for a number."""

    kind: str
    reason: str | None
    sentence: str
    number: str | None = None
    ticket_id: str | None = field(default=None, compare=False)
    classification: Classification | None = None

    @property
    def outcome(self) -> str:
        """In one word, for counting: `ticket`, `request`, `reply`, `note`, `duplicate`, or what ended it otherwise."""
        return _WORDS.get(self.reason or "") or (f"{self.kind}: {self.reason}" if self.reason else self.kind)

    def same(self, other: "End") -> bool:
        """Whether they come to the same: the words may differ."""
        mine, its = ((one.outcome, one.classification, _joined(one)) for one in (self, other))
        return mine == its


def ended(entry: LedgerEntry) -> End:
    """How a mail of the books ended."""
    kind, reason = outcome(entry)
    decision = entry.decision
    if decision is None:
        sentence = f"It is in quarantine: {entry.failure.what}." if entry.failure else "It is in flight."
        return End(kind, reason, sentence)
    return End(kind, reason, decision.sentence, decision.number, decision.ticket_id, decision.classification)


def would_end(trial: Trial) -> End:
    """How a mail would end."""
    decision = trial.decision
    kind, reason = decision.kind.value, decision.reason.value
    return End(kind, reason, trial.sentence, decision.number, decision.ticket_id, decision.classification)


def why(old: End, trial: Trial) -> tuple[str, ...]:
    """The sentences that decided: where a ticket only changes its place, those of the parts that change."""
    before, after = old.classification, trial.classification
    if before is None or after is None:
        return (trial.sentence,)
    moved = {name for name in Classification.model_fields if getattr(before, name) != getattr(after, name)}
    return tuple(one.sentence for one in trial.steps if one.stage == STAGE and one.rule in moved) or (trial.sentence,)


def _joined(end: End) -> str | None:
    return end.ticket_id if end.kind in JOINING else None
