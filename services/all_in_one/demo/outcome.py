"""What became of the demo's mails, held against what must become of them. Pure: deliveries and ledger in, rows out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.all_in_one.demo.delivery import Delivered
from services.all_in_one.demo.mails.letter import Expected
from shared.domain.decision import Classification, Decision, Kind
from shared.domain.email import Headline
from shared.domain.ledger import LedgerEntry, State

FINAL = frozenset({State.DONE, State.QUARANTINED})


@dataclass(frozen=True, slots=True)
class Ended:
    """One delivered mail and its ledger entry, if it has one yet; when its event was there."""

    mail: Delivered
    entry: LedgerEntry | None
    at: datetime | None

    @property
    def final(self) -> bool:
        """Whether nothing more happens to it."""
        return self.entry is not None and self.entry.state in FINAL and self.at is not None

    @property
    def seconds(self) -> float | None:
        """From delivery to its event."""
        return None if self.at is None else max(0.0, (self.at - self.mail.at).total_seconds())

    @property
    def outcome(self) -> str:
        """Its end in one word."""
        decision = self.entry.decision if self.entry else None
        if self.entry is not None and self.entry.state is State.QUARANTINED:
            return "quarantined"
        if decision is None:
            return "unaccounted for" if self.entry is None else "in flight"
        module = decision.module.value if decision.module else "ticket"
        return module if decision.kind is Kind.TICKET else decision.kind.value

    @property
    def detail(self) -> str:
        """Ticket number, or the reason in a sentence."""
        entry = self.entry
        if entry is None or entry.decision is None:
            return entry.failure.what if entry and entry.failure else ""
        decision = entry.decision
        match decision.kind:
            case Kind.REJECTED:
                return f"{decision.reason.value}: {decision.sentence}"
            case Kind.DUPLICATE | Kind.REPLY:
                return f"of {decision.number}"
            case _:
                return f"{decision.number} {_place(decision.classification)}".strip()


def ends(delivered: Sequence[Delivered], entries: Iterable[LedgerEntry], events: Mapping[str, datetime]) -> list[Ended]:
    """Each delivered mail with its entry. Where several look alike, each takes the entry that fits it best."""
    waiting: defaultdict[tuple[str, Headline], list[LedgerEntry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda one: one.origin.uid):
        waiting[entry.origin.mailbox, entry.headline].append(entry)
    return [_ended(mail, _take(mail.expected, waiting[mail.key]), events) for mail in delivered]


def complaint(one: Ended, all_ends: Sequence[Ended]) -> str:
    """Why a mail did not end as it must, in a few words; empty if it did."""
    expected, decision = one.mail.expected, one.entry.decision if one.entry else None
    if decision is None or not one.final:
        return f"expected {expected.reason.value}"
    if not _fits(expected, decision):
        return f"expected {_wanted(expected)}"
    if expected.of is not None:
        numbers = {
            end.entry.decision.number
            for end in all_ends
            if end.mail.letter.name == expected.of and end.entry and end.entry.decision
        }
        return "" if decision.number in numbers else f"expected the ticket of “{expected.of}”"
    return ""


def _ended(mail: Delivered, entry: LedgerEntry | None, events: Mapping[str, datetime]) -> Ended:
    if entry is None or entry.decision is None:
        return Ended(mail, entry, None if entry is None or entry.state is not State.QUARANTINED else entry.progress_at)
    return Ended(mail, entry, events.get(entry.mail_id))


def _take(expected: Expected, candidates: list[LedgerEntry]) -> LedgerEntry | None:
    fitting = (one for one in candidates if one.decision is not None and _fits(expected, one.decision))
    best = next(fitting, candidates[0] if candidates else None)
    if best is not None:
        candidates.remove(best)
    return best


def _fits(expected: Expected, decision: Decision) -> bool:
    place = decision.classification or Classification()
    wanted = (expected.service, expected.process, expected.department, expected.priority)
    found = (place.service, place.process, place.department, place.priority)
    return (expected.kind, expected.reason) == (decision.kind, decision.reason) and all(
        want is None or want == have for want, have in zip(wanted, found, strict=True)
    )


def _wanted(expected: Expected) -> str:
    parts = (expected.service, expected.process, expected.department, expected.priority)
    return " ".join((expected.reason.value, *(str(part) for part in parts if part is not None)))


def _place(place: Classification | None) -> str:
    if place is None:
        return ""
    parts = (
        place.service,
        place.process,
        place.department,
        None if place.priority.value == "normal" else place.priority,
    )
    return " · ".join(str(part) for part in parts if part)
