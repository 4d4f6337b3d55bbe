"""Which setting a rule of the trace obeys, so that a page can lead from a decision to what decided it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.classifier.rules.rule import STAGE as CLASSIFIER
from services.filter.rules import RULES
from services.filter.rules.rule import STAGE
from shared.domain.decision import Classification, Reason, Verdict

FIELDS: Final[Mapping[str, str]] = {
    Reason.OWN_LOOP.value: "aliases",
    Reason.BLOCKED_SENDER.value: "domains.blockedSenders",
    Reason.DOMAIN_NOT_APPROVED.value: "domains.approvedDomains",
    Reason.SENDER_NOT_ALIGNED.value: "domains.requireAlignedSender",
    Reason.AUTOMATIC_MAIL.value: "automaticMail",
    Reason.NOT_IN_TO.value: "domains.onlyIfInTo",
    Reason.SUBJECT_NO_MATCH.value: "domains.fullSubjectMatch",
    Reason.DUPLICATE_OF.value: "domains.allowDuplicates",
}
"""The field of a mailbox that each rule of the filter reads, by the name of the rule."""
CHOSEN: Final[Mapping[str, str]] = {"service": "services", "process": "processes", "department": "departments"}
"""The part of the catalogue that each rule of the classifier chooses from, by the name of the rule."""
ABOUT: Final = {one.name: one.title for one in RULES}
"""What each rule of the filter is, in a line."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where it is set: a field or an entry of the catalogue, and the path of its page."""

    field: str
    path: str


def setting(
    mailbox: str, stage: str, rule: str, verdict: str = "", place: Classification | None = None
) -> Setting | None:
    """The setting behind a step of the trace; None where a step obeys none. `place` is where the mail was put."""
    if stage == STAGE and rule in FIELDS:
        return Setting(FIELDS[rule], f"/mailboxes/{mailbox}")
    if stage == CLASSIFIER and rule in CHOSEN and verdict == Verdict.CHOSE.value and place is not None:
        name = str(getattr(place, rule))
        return Setting(f"{rule} {name}", f"/catalogue/{CHOSEN[rule]}/{name}")
    return None
