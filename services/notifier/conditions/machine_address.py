"""The sender's address is a person's: not MAILER-DAEMON, postmaster, owner-…, …-request, noreply and the like."""

import re
from typing import Final

from services.notifier.conditions.condition import Asked, Condition, Reason

_NAMES: Final = re.compile(
    r"(mailer-?daemon|postmaster|hostmaster|abuse|root|bounces?|listserv|majordomo)([+=.-].*)?"
    r"|owner-.*|.*-(owner|request|bounces?|relay)|(.*[._-])?(do[._-]?)?not?[._-]?reply([+=._-].*)?"
)


def check(asked: Asked) -> str | None:
    """Names that belong to programs (RFC 2142, RFC 3834 section 2, and common use)."""
    sender = asked.answerable.sender
    addresses = [address for address in (sender.address if sender else None, asked.recipient) if address]
    machine = any(_NAMES.fullmatch(one.rpartition("@")[0].lower()) for one in addresses)
    return "The sender's address belongs to a program." if machine else None


CONDITION = Condition(Reason.MACHINE_ADDRESS, __doc__, check)
