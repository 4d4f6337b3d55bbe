"""The sender does not ask for no automatic answers (X-Auto-Response-Suppress).

Microsoft's words (MS-OXCMAIL, Auto Response Suppress): `All`; `AutoReply`, automatic answers; `OOF`, out-of-office
notices, written alone by many programs that mean all answers. `DR`, `NDR`, `RN`, `NRN` are about reports of delivery
and reading, `None` about nothing: they forbid no acknowledgement. A word that nobody knows counts as `All`."""

from typing import Final

from services.notifier.conditions.condition import Asked, Condition, Reason

_OTHER_THINGS: Final = frozenset(("", "none", "dr", "ndr", "rn", "nrn"))


def check(asked: Asked) -> str | None:
    """Any word that forbids automatic answers."""
    words = {word.strip().lower() for word in (asked.answerable.suppress or "").split(",")}
    return "The sender asks for no automatic answers (X-Auto-Response-Suppress)." if words - _OTHER_THINGS else None


CONDITION = Condition(Reason.REPLIES_SUPPRESSED, __doc__, check)
