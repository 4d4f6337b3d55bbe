"""Whom an acknowledgement goes to: exactly one address, never one from Cc. Pure."""

import re
from typing import Final

from shared.domain.patterns import domain_of, normalise_address
from shared.domain.ticket import Answerable
from shared.mail.authentication import registrable

_PLAIN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[a-z0-9.-]{1,253}")


def recipient(mail: Answerable, authenticated: bool) -> str | None:
    """The one Reply-To of an authenticated sender, if it is of the same organisation; otherwise the sender's address.

    None if that is not an address that can be written to as it stands.
    """
    if mail.sender is None:
        return None
    sender = mail.sender.address
    address = sender
    if authenticated and len(mail.reply_to) == 1:
        asked = mail.reply_to[0].address
        if organisation(asked) == organisation(sender):
            address = asked
    return address if is_plain(address) else None


def organisation(address: str) -> str:
    """The domain that its owner registered: `example.co.uk` of `ann@mail.example.co.uk`."""
    domain = domain_of(address)
    return registrable(domain) or domain


def is_plain(address: str) -> bool:
    """Whether an address is what it looks like: normal form, ASCII, nothing that needs quotes."""
    return _PLAIN.fullmatch(address) is not None and normalise_address(address) == address
