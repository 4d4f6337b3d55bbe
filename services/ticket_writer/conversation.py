"""To which ticket a mail belongs, from what it carries and what was looked up. Pure.

What names a ticket, the strongest first: our mark in In-Reply-To, in References (the newest first), in an address it
was sent to, in what a delivery report is about; then the mails that it refers to, where they are in the books of the
same mailbox; last our tag in its subject. The first ticket whose participants include the sender gets the mail: a mark
says which ticket, not who may write there. Only a bounce that carries our mark is a note whoever sent it.

Marks in Message-IDs and addresses are followed to the ticket of another mailbox, if it is of the same module; mails
referred to and tags of a subject never are. Must never join anybody to a ticket.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.contracts.messages import EmailClassified
from shared.domain.decision import Related, Relation, Step, Verdict
from shared.domain.email import Automatic, Email, SenderStatus
from shared.domain.ledger import KnownMail, State
from shared.domain.mailbox import ToClosed
from shared.domain.marks import Mark, MarkedBy
from shared.domain.ticket import Ticket, TicketState
from shared.mail.flags import Flag

MAX_IDS = 100
KNOWN_MAIL = "known_mail"
_OF_OUR_MAIL = frozenset({MarkedBy.IN_REPLY_TO, MarkedBy.REFERENCES, MarkedBy.PLUS_ADDRESS, MarkedBy.REPORTED})
_HOW = {
    MarkedBy.IN_REPLY_TO.value: "its In-Reply-To names a mail of ours",
    MarkedBy.REFERENCES.value: "its References name a mail of ours",
    MarkedBy.PLUS_ADDRESS.value: "it was sent to the ticket's own address",
    MarkedBy.REPORTED.value: "it reports on a mail of ours",
    KNOWN_MAIL: "it refers to a mail of that ticket",
    MarkedBy.SUBJECT.value: "its subject carries our tag",
}


class End(StrEnum):
    """What becomes of a mail. `wait`: the mail that it answers may still become a ticket."""

    NEW = "new"
    REPLY = "reply"
    NOTE = "note"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside the mail. `marks` are its genuine marks, the strongest first; `tickets` those that are
    there, by id; `known` the mails it refers to, by Message-ID, the newest first. A mail in flight is waited for while
    `patient`, or if it is `here`: in the same batch, and not decided yet."""

    marks: tuple[Mark, ...] = ()
    tickets: Mapping[str, Ticket] = field(default_factory=dict[str, Ticket])
    known: Mapping[str, tuple[KnownMail, ...]] = field(default_factory=dict[str, tuple[KnownMail, ...]])
    to_closed: ToClosed = ToClosed.REOPEN
    patient: bool = False
    here: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Belonging:
    """Where a mail belongs: `ticket` for a reply or note, `related` for a new ticket, `awaits` for one that waits.
    `step` tells it in the trace; None for a mail that names nothing."""

    end: End
    matched_by: str = ""
    ticket: Ticket | None = None
    related: Related | None = None
    awaits: frozenset[str] = frozenset()
    step: Step | None = None


@dataclass(frozen=True, slots=True)
class _Named:
    """A ticket that a mail names, by what, and whether the mail may be appended there."""

    by: str
    ticket: Ticket
    usable: bool


def referred(mail: Email) -> tuple[str, ...]:
    """The Message-IDs that a mail refers to: In-Reply-To, then References (the newest first); at most 100."""
    return tuple(dict.fromkeys((*mail.in_reply_to, *reversed(mail.references))))[:MAX_IDS]


def belongs(mail: EmailClassified, facts: Facts) -> Belonging:
    """Where a mail belongs."""
    named = (*_marked(mail, facts), *_referred_to(mail, facts))
    found = _bounced(mail, named) or next((one for one in named if one.usable), None)
    if found is not None:
        return _appended(mail, facts, found)
    flying = _in_flight(mail, facts)
    if awaited := frozenset(one.mail_id for one in flying if facts.patient or one.mail_id in facts.here):
        return Belonging(End.WAIT, awaits=awaited)
    tagged = _tagged(mail, facts)
    if tagged and tagged[0].usable:
        return _appended(mail, facts, tagged[0])
    return _opened(mail, facts, (*named, *tagged), flying)


def takes_part(mail: Email, ticket: Ticket) -> bool:
    """Whether the sender of a mail is one who may write to a ticket. A sender in doubt never is."""
    if mail.sender is None or mail.sender_status is not SenderStatus.OK:
        return False
    requester = (ticket.requester.address,) if ticket.requester else ()
    return mail.sender.address in (ticket.participants or requester)


def _marked(mail: EmailClassified, facts: Facts) -> Iterator[_Named]:
    by_number = {one.number: one for one in facts.tickets.values()}
    for mark in facts.marks:
        ticket = facts.tickets.get(mark.ticket_id or "") or by_number.get(mark.number or "")
        if mark.by is not MarkedBy.SUBJECT and ticket is not None:
            near = ticket.mailbox == mail.mailbox or ticket.module is mail.module
            yield _Named(mark.by.value, ticket, near and takes_part(mail.email, ticket))


def _referred_to(mail: EmailClassified, facts: Facts) -> Iterator[_Named]:
    for one in _known(mail, facts):
        ticket = facts.tickets.get(one.decision.ticket_id or "") if one.decision else None
        if ticket is not None and ticket.mailbox == mail.mailbox:
            yield _Named(KNOWN_MAIL, ticket, takes_part(mail.email, ticket))


def _tagged(mail: EmailClassified, facts: Facts) -> tuple[_Named, ...]:
    """The tickets of this mailbox that tags in the subject name. Tags of several tickets are no use, even if only one
    of these is there: who would know which was meant?"""
    numbers = [one.number for one in facts.marks if one.by is MarkedBy.SUBJECT]
    there = {one.number: one for one in facts.tickets.values() if one.mailbox == mail.mailbox}
    return tuple(
        _Named(MarkedBy.SUBJECT.value, there[number], len(numbers) == 1 and takes_part(mail.email, there[number]))
        for number in numbers
        if number in there
    )


def _known(mail: EmailClassified, facts: Facts) -> Iterator[KnownMail]:
    for message_id in referred(mail.email):
        for one in facts.known.get(message_id, ()):
            if one.mailbox == mail.mailbox and one.mail_id != mail.mail_id:
                yield one


def _in_flight(mail: EmailClassified, facts: Facts) -> tuple[KnownMail, ...]:
    """The mails it refers to that may still get a ticket: not decided, or decided and not written yet."""
    return tuple(one for one in _known(mail, facts) if _may_come(one, facts))


def _may_come(one: KnownMail, facts: Facts) -> bool:
    if one.decision is None:
        return one.state is State.STORED
    ticket_id = one.decision.ticket_id
    return one.state in (State.STORED, State.DECIDED) and ticket_id is not None and ticket_id not in facts.tickets


def _bounced(mail: EmailClassified, named: tuple[_Named, ...]) -> _Named | None:
    """The ticket that a delivery report is about, whoever sent it."""
    if mail.email.automatic is not Automatic.BOUNCE:
        return None
    return next((one for one in named if one.by in _OF_OUR_MAIL), None)


def _by_machine(mail: Email) -> bool:
    """Whether no person wrote it. An answer that came through a list was written by one: lists do not answer."""
    return mail.automatic not in (None, Automatic.LIST)


def _appended(mail: EmailClassified, facts: Facts, found: _Named) -> Belonging:
    ticket = found.ticket
    if _by_machine(mail.email):
        sentence = f"It is a note on {ticket.number}: no person wrote it, and {_HOW[found.by]}."
        return Belonging(End.NOTE, found.by, ticket, step=_step(mail, facts, Verdict.CHOSE, sentence, found))
    if ticket.state is TicketState.CLOSED and facts.to_closed is ToClosed.NEW_TICKET:
        related = Related(ticket_id=ticket.ticket_id, number=ticket.number, relation=Relation.FOLLOW_UP)
        sentence = f"It answers {ticket.number}, which is closed: {_HOW[found.by]}."
        return Belonging(End.NEW, found.by, related=related, step=_step(mail, facts, Verdict.DIVERTED, sentence, found))
    sentence = f"It answers {ticket.number}: {_HOW[found.by]}, and its sender takes part there."
    return Belonging(End.REPLY, found.by, ticket, step=_step(mail, facts, Verdict.CHOSE, sentence, found))


def _opened(mail: EmailClassified, facts: Facts, named: tuple[_Named, ...], flying: tuple[KnownMail, ...]) -> Belonging:
    if named:
        ticket = named[0].ticket
        related = _possible(ticket.ticket_id, ticket.number)
        sentence = f"It may belong to {ticket.number}: {_HOW[named[0].by]}, but {_why_not(mail, named)}."
        step = _step(mail, facts, Verdict.DIVERTED, sentence, named[0])
        return Belonging(End.NEW, named[0].by, related=related, step=step)
    decided = (one.decision for one in flying if one.decision is not None)
    parent = next((_possible(one.ticket_id, one.number) for one in decided if one.ticket_id and one.number), None)
    if flying:
        sentence = "The mail that it refers to is still in flight; it was not waited for any longer."
    else:
        sentence = "It names no ticket of ours that is there, and no mail of this mailbox that has one."
    step = _step(mail, facts, Verdict.PASSED, sentence) if _names_something(mail.email, facts) else None
    return Belonging(End.NEW, KNOWN_MAIL if parent else "", related=parent, step=step)


def _possible(ticket_id: str, number: str) -> Related:
    return Related(ticket_id=ticket_id, number=number, relation=Relation.POSSIBLE_PARENT)


def _why_not(mail: EmailClassified, named: tuple[_Named, ...]) -> str:
    first = named[0]
    if not takes_part(mail.email, first.ticket):
        return "its sender takes no part there"
    if first.by == MarkedBy.SUBJECT:
        return "it carries tags of several tickets"
    return "that is another module of another mailbox"


def _names_something(mail: Email, facts: Facts) -> bool:
    return bool(facts.marks or Flag.FORGED_MARK in mail.flags or mail.in_reply_to or mail.references)


def _step(mail: EmailClassified, facts: Facts, verdict: Verdict, sentence: str, found: _Named | None = None) -> Step:
    """What matched, and what was looked at, for the trace."""
    looked_at = {
        "matched_by": found.by if found else "",
        "ticket": found.ticket.number if found else "",
        "sender_takes_part": ("yes" if takes_part(mail.email, found.ticket) else "no") if found else "",
        "automatic": mail.email.automatic.value if mail.email.automatic else "",
        "marks": ", ".join(dict.fromkeys(one.by.value for one in facts.marks)),
        "referred": str(len(referred(mail.email)) or ""),
        "known_mails": str(sum(1 for _ in _known(mail, facts)) or ""),
        "forged_mark": "yes" if Flag.FORGED_MARK in mail.email.flags else "",
    }
    return Step(
        stage="ticket_writer",
        rule="conversation",
        verdict=verdict,
        sentence=sentence,
        looked_at={name: value for name, value in looked_at.items() if value},
    )
