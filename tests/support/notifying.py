"""The notifier without a broker, for tests: the real store, the real door to SMTP, short patience."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from services.notifier.access import Access
from services.notifier.handler import Notifier
from services.notifier.keeper import Keeper
from services.notifier.lanes import Lanes
from services.notifier.patience import Waits
from services.notifier.ports import Identity, Session
from services.notifier.smtp.session import Patience, open_session
from services.notifier.tools import Tools
from shared.domain import identity
from shared.domain.budgets import Budgets
from shared.domain.email import Address, SenderStatus
from shared.domain.mailbox import Mailbox, Smtp
from shared.domain.outbound import Outbound
from shared.domain.ticket import AcknowledgementState, Answerable, Ticket
from shared.oauth.authorities import Authorities
from shared.oauth.delegated import DelegatedTokens
from shared.oauth.tokens import MicrosoftTokens
from shared.observability.metrics import Metrics
from shared.runtime.clock import Clock
from shared.runtime.configuration import Configuration
from shared.store.client import Store
from tests.support import builders
from tests.support.smtp_sink import PASSWORD, USER, Sink

ALICE = Address(address="alice@example.org", display="Alice")
WIDE = Budgets(1000, 1000, 1000, 1000)
QUICK = Waits(retry=timedelta(seconds=0.2), most=timedelta(seconds=0.4), rejected=timedelta(seconds=1))
PATIENCE = Patience(connect=5, step=5, dot=1.5)


def answerable(**changes: Any) -> Answerable:
    """A person's mail that may be acknowledged; a test names what is different."""
    fields: dict[str, Any] = {"sender": ALICE, "sender_status": SenderStatus.OK, "addressed": True, "received_count": 3}
    return Answerable(**{**fields, **changes})


def ticket(n: int = 1, *, mailbox: str = "support", subject: str = "Printer on fire", **changes: Any) -> Ticket:
    """A ticket of now, by its number; `changes` are fields of its Answerable."""
    mail_id, now = f"mail-{mailbox}-{n}", Clock().now()
    made = answerable(**changes)
    article = builders.article(mail_id, message_id=f"<{n}@example.org>", subject=subject)
    return Ticket(
        ticket_id=identity.ticket_id(mail_id),
        number=f"INC-{n:06d}" if mailbox == "support" else f"REQ-{n:06d}",
        module=builders.Module.TICKET,
        mailbox=mailbox,
        origin_mail_id=mail_id,
        subject=subject,
        requester=made.sender,
        classification=builders.Classification(),
        articles=(article,),
        answerable=made,
        created_at=now,
        received_at=now - timedelta(minutes=1),
    )


def mailbox(sink: Sink, name: str = "support", *, smtp: Smtp | None = None, **spec: Any) -> Mailbox:
    """A mailbox that sends through this sink."""
    auth = {"type": "basic", "username": USER, "password": SecretStr(PASSWORD)}
    fields = {
        "email": f"{name}@desk.example",
        "smtp": (smtp or sink.smtp()).model_dump(),
        "auth": auth,
        "acknowledgements": {"enabled": True},
        **spec,
    }
    return builders.mailbox(name, **fields)


@dataclass
class Office:
    """One notifier: what it takes, sends, and keeps in order."""

    store: Store
    tools: Tools
    notifier: Notifier
    lanes: Lanes
    keeper: Keeper
    draining: asyncio.Event

    async def owe(self, *tickets: Ticket) -> None:
        """Tickets were created, and their events have been taken."""
        await self.store.tickets.insert_many(tickets)
        assert await self.notifier.take({one.ticket_id for one in tickets}) == frozenset()

    async def look(self) -> None:
        """One look, and everything that it starts, to its end."""
        await self.lanes.look()
        await self.lanes.drain(30)

    async def of(self, made: Ticket) -> Outbound:
        """The acknowledgement of a ticket, which the ticket must show."""
        found, shown = await self.store.outbound.get(made.ticket_id), await self.store.tickets.get(made.ticket_id)
        assert found is not None and shown is not None
        assert shown.acknowledgement is not None
        assert shown.acknowledgement.state == found.state
        return found

    async def reaches(self, made: Ticket, state: AcknowledgementState, seconds: float = 15) -> Outbound:
        """Look again and again until it is there."""
        async with asyncio.timeout(seconds):
            while (found := await self.store.outbound.get(made.ticket_id)) is None or found.state is not state:
                await self.lanes.look()
                await self.keeper.recover()
                await asyncio.sleep(0.02)
        return found


async def office(
    store: Store,
    *mailboxes: Mailbox,
    budgets: Budgets = WIDE,
    waits: Waits = QUICK,
    patience: Patience = PATIENCE,
    ttl: float = 30,
    authorities: Authorities | None = None,
    wrap: Callable[[Session], Session] = lambda session: session,
) -> Office:
    """A notifier for these mailboxes, which are stored."""
    for one in mailboxes:
        if await store.mailboxes.get(one.name) is None:
            await store.mailboxes.put(one, {})
    metrics, clock, draining = Metrics("notifier", "test"), Clock(), asyncio.Event()
    configuration = Configuration(store, metrics)
    await configuration.refresh()

    async def connect(smtp: Smtp, identity: Identity) -> Session:
        return wrap(await open_session(smtp, identity, patience))

    tokens = MicrosoftTokens(authorities or Authorities(), clock, 5)
    people = DelegatedTokens(authorities or Authorities(), clock, store.sign_ins, 5)
    tools = Tools(
        worker=f"worker-{id(draining)}",
        tickets=store.tickets,
        outbound=store.outbound,
        sending=store.sending,
        counts=store.budgets,
        configuration=configuration,
        access=Access(connect, store.secrets, tokens, people),
        marks=await store.mark_keys.marks(),
        budgets=budgets,
        waits=waits,
        ttl=timedelta(seconds=ttl),
        clock=clock,
        metrics=metrics,
    )
    lanes = Lanes(tools, 100, draining)
    notifier = Notifier(
        store.tickets, store.outbound, store.sending, configuration, clock, metrics, timedelta(0), lanes.wake.set
    )
    return Office(store, tools, notifier, lanes, Keeper(tools, lanes), draining)
