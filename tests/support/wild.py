"""Mail as nobody writes it by accident, on the way through every stage: dialogues of raw bytes."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.notifier.conditions.condition import Reason
from services.notifier.decide import Answer, Facts, decide
from shared.domain.mailbox import Mailbox
from shared.domain.ticket import Ticket
from shared.observability.metrics import Metrics
from shared.store.client import Store
from tests.support import builders
from tests.support.conversations import Desk, Letter
from tests.support.embedded_store import FakeClock

MX = "mx.example.com"


@dataclass(frozen=True)
class Wild(Letter):
    """A letter whose bytes are given; `end` as of any letter."""

    given: bytes = b""


class Inbox(Desk):
    """The desk, also for bytes."""

    def raw(self, letter: Letter) -> bytes:
        """The bytes of a letter."""
        return letter.given if isinstance(letter, Wild) else super().raw(letter)

    async def take(self, key: str, given: bytes, end: str = "opens") -> Ticket | None:
        """Let these bytes arrive, and check their end; the ticket that they opened, if they did."""
        await self.happen(Wild(key, end, given=given))
        return await self.ticket(key) if end.startswith("opens") else None

    async def opened(self, key: str, given: bytes, end: str = "opens") -> Ticket:
        """The ticket that these bytes open."""
        made = await self.take(key, given, end)
        assert made is not None
        return made


async def inbox(store: Store, clock: FakeClock, support: dict[str, Any] | None = None) -> Inbox:
    """A desk whose mailbox `support` has these further settings."""
    return await Inbox.open(store, clock, Metrics("tests", "test"), support)


def answering(**changes: Any) -> Mailbox:
    """The mailbox `support`, which acknowledges."""
    on = {"smtp": {"host": "smtp.example.com"}, "acknowledgements": {"enabled": True}}
    return builders.mailbox(**{**on, **changes})


def acknowledged(ticket: Ticket, box: Mailbox | None = None) -> str | Reason:
    """Whom its acknowledgement goes to, or why it has none."""
    own = frozenset(("support@example.com", "sales@example.com", "orders@example.com"))
    found = decide(ticket, box or answering(), Facts(own, ticket.received_at + timedelta(minutes=1)))
    return found.recipient if isinstance(found, Answer) else found.reason


def raw(
    *fields: str,
    body: str = "It burns.\r\n",
    sender: str = "Ann <ann@people.example>",
    without: tuple[str, ...] = (),
) -> bytes:
    """A mail with these fields besides From, To, Subject and Message-ID; one that is given, or in `without`, is not."""
    usual = {
        "From": sender,
        "To": "support@example.com",
        "Subject": "Printer on fire",
        "Message-ID": "<wild@people.example>",
    }
    names = {one.partition(":")[0].lower() for one in (*fields, *without)}
    head = [*(f"{name}: {value}" for name, value in usual.items() if name.lower() not in names), *fields]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()
