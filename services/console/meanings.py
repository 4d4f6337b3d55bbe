"""What somebody may mean who looks for a mail and types one word, or a few. Pure."""

import re

from shared.domain.patterns import normalise_address, normalise_domain
from shared.store.mail_search import Wanted

_MAIL_ID = re.compile(r"[a-z2-7]{52}")
NUMBER = re.compile(r"(INC|REQ)-\d+", re.IGNORECASE)
"""The number of a ticket or request."""


def meanings(text: str) -> tuple[Wanted, ...]:
    """What it may name, the most specific first: a ticket by its number, a mail by its id or Message-ID, a sender, a
    domain, a ticket by its id."""
    if NUMBER.fullmatch(text):
        return (Wanted(number=text.upper()),)
    if _MAIL_ID.fullmatch(text.lower()):
        return (Wanted(mail_id=text.lower()),)
    bare = text.removeprefix("<").removesuffix(">")
    address = normalise_address(bare)
    senders = (Wanted(sender=address),) if address is not None else ()
    domain = normalise_domain(bare.removeprefix("@")) if "." in bare else None
    domains = (Wanted(domain=domain),) if domain is not None else ()
    return (
        Wanted(message_id=f"<{bare}>"),
        Wanted(message_id=bare),
        *senders,
        *domains,
        Wanted(ticket_id=text.lower()),
    )


def all_meanings(text: str) -> tuple[Wanted, ...]:
    """The same, and at last words of the subject, unless it looks like nothing but a name. No text: every mail."""
    if not text:
        return (Wanted(),)
    names = meanings(text)
    only_a_name = names[0].number or names[0].mail_id or text.startswith(("<", "@"))
    return names if only_a_name else (*names, Wanted(subject=text))
