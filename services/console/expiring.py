"""Credentials of mailboxes that end soon or have ended. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from services.console.mailbox_health import Health

SOON: Final = {"client_secret": timedelta(days=30), "certificate": timedelta(days=14)}
"""How long before its end somebody is told. Certificates are mostly renewed by machines, later than secrets are."""
WHAT: Final = {"client_secret": "The client secret", "certificate": "The mail server's certificate"}


@dataclass(frozen=True, slots=True)
class Ending:
    """What ends, of which mailbox, when."""

    mailbox: str
    what: Literal["client_secret", "certificate"]
    until: datetime

    @property
    def sentence(self) -> str:
        """For people."""
        return f"{WHAT[self.what]} ends on {self.until:%d %b %Y}."


def endings(boxes: Iterable[Health], now: datetime) -> tuple[Ending, ...]:
    """All of them, the most urgent first."""
    found = (one for box in boxes for one in _of(box) if one.until - now < SOON[one.what])
    return tuple(sorted(found, key=lambda one: (one.until, one.mailbox)))


def _of(box: Health) -> Iterator[Ending]:
    if not box.mailbox.active:
        return
    secret = box.mailbox.spec.client_secret_until
    if secret is not None:
        yield Ending(box.mailbox.name, "client_secret", secret)
    if box.certificate_until is not None:
        yield Ending(box.mailbox.name, "certificate", box.certificate_until)
