"""Books to look at: a mail of every end, with its trace, raw mail and ticket, as the stages would have written them."""

from datetime import timedelta

from shared.domain.decision import Classification, Kind, Reason, Related, Relation, Step, Verdict
from shared.domain.email import Address, Headline
from shared.domain.identity import ticket_id
from shared.domain.ledger import DecisionWrite, Failure, LedgerEntry
from shared.domain.mailbox import Module
from shared.domain.ticket import Acknowledgement, AcknowledgementState, Appended, ArticleKind, Ticket
from shared.store.client import Store
from tests.support import builders
from tests.support.builders import AT
from tests.support.mails import Attached, mail

BLOCKED, STUCK, STUCK_TOO, OPENED, REPEAT = (letter * 52 for letter in "abcde")
NUMBER, OTHER = "INC-000042", "INC-000007"
SENDER = "ann@people.example"
CAUSE = "store_busy"
SENTENCE = f"The sender {SENDER} is blocked by *@people.example."
SUBJECTS = {
    BLOCKED: "Offer for new printers",
    STUCK: "Scanner is slow",
    STUCK_TOO: "Scanner is slower",
    OPENED: "Printer on fire",
    REPEAT: "Printer on fire",
}
FILE = Attached("map.txt", b"Second floor.\n", "text/plain")


async def write_books(store: Store) -> None:
    """The mailbox `support`, whose rules let everything pass today; a mail that it rejected before, two in quarantine,
    one that opened a ticket, and its repeat."""
    await store.mailboxes.put(builders.mailbox(), {}, create=True)
    await store.ledger.insert_many([_entry(mail_id, uid) for uid, mail_id in enumerate(SUBJECTS, 1)])
    await store.raw.put_many({one: _raw(one) for one in SUBJECTS})
    await _decide(store)
    for mail_id in (STUCK, STUCK_TOO):
        failure = Failure(stage="filter", code=CAUSE, what="the store was busy for an hour", at=AT)
        await store.ledger.quarantine(mail_id, failure)
    await store.tickets.insert_many([ticket()])
    await store.tickets.count_duplicates([(ticket_id(OPENED), REPEAT)])
    await store.articles.insert_many([_reply()])
    await store.tickets.mark_published([ticket_id(OPENED)])


def ticket() -> Ticket:
    """The ticket of OPENED, acknowledged."""
    article = builders.article(
        OPENED,
        subject=SUBJECTS[OPENED],
        text="It burns.\n",
        html="<b>It burns.</b>",
        kind=ArticleKind.ORIGINAL,
        attachments=(builders.attachment(filename="map.txt", content_type="text/plain", size=14),),
    )
    answer = Acknowledgement(state=AcknowledgementState.SENT, sentence="The server took it.", at=AT)
    return Ticket(
        ticket_id=ticket_id(OPENED),
        number=NUMBER,
        module=Module.TICKET,
        mailbox="support",
        origin_mail_id=OPENED,
        subject=SUBJECTS[OPENED],
        requester=Address(address=SENDER, display="Ann Example"),
        classification=Classification(service="printing", department="it"),
        articles=(article,),
        acknowledgement=answer,
        related=Related(ticket_id="t7", number=OTHER, relation=Relation.FOLLOW_UP),
        created_at=AT,
        received_at=AT,
    )


def _entry(mail_id: str, uid: int) -> LedgerEntry:
    headline = Headline(message_id=_message_id(mail_id), sender=SENDER, subject=SUBJECTS[mail_id])
    return builders.entry(mail_id, uid=uid, headline=headline, stored_at=AT + timedelta(seconds=uid))


def _raw(mail_id: str) -> bytes:
    return mail(subject=SUBJECTS[mail_id], attachments=[FILE], message_id=_message_id(mail_id))


def _message_id(mail_id: str) -> str:
    return f"<{mail_id[:3]}@people.example>"


def _reply() -> Appended:
    text = "It is out.\n\nOn Monday, support wrote:\n> We received your mail.\n"
    article = builders.article("f" * 52, kind=ArticleKind.REPLY, text=text, received_at=AT + timedelta(hours=1))
    return Appended(ticket_id=ticket_id(OPENED), article=article, at=AT)


async def _decide(store: Store) -> None:
    on_ticket = {"ticket_id": ticket_id(OPENED), "number": NUMBER}
    blocking = Step(
        stage="filter",
        rule="blocked_sender",
        verdict=Verdict.REJECTED,
        sentence=SENTENCE,
        looked_at={"sender": SENDER, "pattern": "*@people.example"},
    )
    loop = Step(stage="filter", rule="own_loop", verdict=Verdict.PASSED, sentence="We did not send it.")
    decisions = {
        BLOCKED: builders.decision(sentence=SENTENCE),
        OPENED: builders.decision(
            kind=Kind.TICKET, reason=Reason.TICKET_CREATED, sentence=f"It opened {NUMBER}.", **on_ticket
        ),
        REPEAT: builders.decision(
            kind=Kind.DUPLICATE, reason=Reason.DUPLICATE_OF, sentence=f"It repeats {NUMBER}.", **on_ticket
        ),
    }
    await store.ledger.decide_many(
        [
            DecisionWrite(mail_id=one, decision=what, trace=(loop, blocking) if one == BLOCKED else (loop,))
            for one, what in decisions.items()
        ]
    )
    await store.ledger.mark_done(list(decisions))
