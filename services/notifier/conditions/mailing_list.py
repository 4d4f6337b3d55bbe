"""The mail did not come over a mailing list and is no bulk mail (List-…, Precedence)."""

from typing import Final

from services.notifier.conditions.condition import Asked, Condition, Reason
from shared.domain.email import Automatic

_BULK: Final = frozenset(("bulk", "junk", "list"))


def check(asked: Asked) -> str | None:
    """An answer would go to everybody, or to nobody."""
    mail = asked.answerable
    if mail.list_id is not None or mail.automatic is Automatic.LIST:
        return "The mail came over a mailing list."
    bulk = (mail.precedence or "").strip().lower() in _BULK
    return "The mail calls itself bulk mail." if bulk else None


CONDITION = Condition(Reason.MAILING_LIST, __doc__, check)
