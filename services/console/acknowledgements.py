"""Acknowledgements as people ask for them: what one would look like, and sending one again.

The same decision and composition as in the notifier; nothing here sends.
"""

from datetime import datetime

from services.console.changes import audited
from services.notifier import compose, decide
from shared.domain.catalogue import Catalogue
from shared.domain.decision import Classification
from shared.domain.email import Address, SenderStatus
from shared.domain.identity import ticket_id
from shared.domain.mailbox import Mailbox
from shared.domain.marks import Marks
from shared.domain.outbound import Outbound
from shared.domain.ticket import Acknowledgement, AcknowledgementState, Answerable, Article, Ticket
from shared.store.client import Store
from shared.store.failures import Conflict

AGAIN = (AcknowledgementState.UNKNOWN, AcknowledgementState.FAILED)
"""States from which a person may let one be sent again."""


async def preview(store: Store, mailbox: Mailbox, ticket: Ticket, now: datetime) -> compose.Letter | decide.Suppressed:
    """What would be sent for this ticket if its mail came now; or why nothing would be."""
    own = frozenset(address for one in await store.mailboxes.all() for address in one.spec.addresses)
    fresh = ticket.model_copy(update={"received_at": now})
    verdict = decide.decide(fresh, mailbox, decide.Facts(own, now))
    if isinstance(verdict, decide.Suppressed):
        return verdict
    return compose.compose(fresh, mailbox, verdict, await store.mark_keys.marks(), await store.catalogue.load(), now)


async def sample(store: Store, mailbox: Mailbox, now: datetime) -> compose.Letter | decide.Suppressed:
    """What a sender who was vouched for would get; or why the template cannot be written."""
    marks: Marks = await store.mark_keys.marks()
    catalogue: Catalogue = await store.catalogue.load()
    answer = decide.Answer("sender@example.org", authenticated=True)
    return compose.compose(_sample(mailbox, now), mailbox, answer, marks, catalogue, now)


async def send_again(store: Store, who: str, mail: Outbound, now: datetime) -> Outbound:
    """Let one that failed, or of which nobody knows, be sent again. Raises Conflict if it is in no such state now."""
    sentence = f"It is sent again, as {who} asked."
    status = Acknowledgement(state=AcknowledgementState.PENDING, code="retried", sentence=sentence, at=now)
    old, new = {"state": mail.state.value}, {"state": status.state.value}
    async with audited(store, who, "retry", "Acknowledgement", mail.number, old=old, new=new):
        again = await store.outbound.retry(mail, status) if mail.state in AGAIN else None
        if again is None:
            raise Conflict(
                f"the acknowledgement of {mail.number} is {mail.state.value}, or changed meanwhile",
                remedy="only one that is unknown or failed_perm can be sent again; look at it anew",
            )
    await store.tickets.show_acknowledgements([again])
    return again


def _sample(mailbox: Mailbox, now: datetime) -> Ticket:
    sender = Address(address="sender@example.org")
    article = Article(
        mail_id="sample",
        message_id="<sample@example.org>",
        sender=sender,
        text="",
        html=None,
        attachments=(),
        received_at=now,
    )
    return Ticket(
        ticket_id=ticket_id("sample"),
        number=f"{mailbox.spec.module.prefix}-000000",
        module=mailbox.spec.module,
        mailbox=mailbox.name,
        origin_mail_id="sample",
        subject="The subject of the mail",
        requester=sender,
        classification=Classification(
            service=mailbox.spec.domains.default_service, department=mailbox.spec.domains.department
        ),
        articles=(article,),
        answerable=Answerable(sender=sender, sender_status=SenderStatus.OK, addressed=True),
        created_at=now,
        received_at=now,
    )
