"""To which ticket a mail belongs, rule by rule; whole dialogues are in tests/integration/conversations."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ticket_writer import decide
from services.ticket_writer.conversation import Belonging, End, Facts, belongs, referred
from shared.domain.decision import Kind, Relation
from shared.domain.email import Address, Automatic, SenderStatus
from shared.domain.ledger import KnownMail, State
from shared.domain.mailbox import Module, ToClosed
from shared.domain.marks import Mark, MarkedBy
from shared.domain.ticket import Ticket, TicketState
from tests.support.builders import AT, classified, decision, email

ALICE, EVE = Address(address="alice@example.org"), Address(address="eve@evil.example")


def ticket(mail_id: str = "m1", number: str = "INC-000001", sender: Address = ALICE, **changes: Any) -> Ticket:
    mail = classified(mail_id, email=email(sender=sender))
    return decide.ticket(mail, decide.opens(mail, number, AT), "/x").model_copy(update=changes)


def marked(by: MarkedBy, to: Ticket) -> Mark:
    numbered = by in (MarkedBy.SUBJECT, MarkedBy.PLUS_ADDRESS)
    return Mark(by, number=to.number) if numbered else Mark(by, ticket_id=to.ticket_id)


def known(mail_id: str, to: Ticket | None, **changes: Any) -> KnownMail:
    of = decision(kind=Kind.TICKET, ticket_id=to.ticket_id, number=to.number) if to else None
    state = State.DONE if to else State.STORED
    fields = {"mail_id": mail_id, "mailbox": "support", "message_id": "<p@x>", "state": state, "stored_at": AT}
    return KnownMail(**{**fields, "decision": of, **changes})


def judged(*marks: Mark, tickets: tuple[Ticket, ...] = (), **changes: Any) -> Belonging:
    facts = {name: changes.pop(name) for name in ("known", "to_closed", "patient", "here") if name in changes}
    mail = {name: changes.pop(name) for name in ("mailbox", "module") if name in changes}
    message = classified("m9", email=email(**changes), **mail)
    return belongs(message, Facts(marks, {one.ticket_id: one for one in tickets}, **facts))


def test_a_mail_that_names_nothing_is_new_and_leaves_no_line_in_the_trace() -> None:
    assert judged() == Belonging(End.NEW)


@pytest.mark.parametrize("by", MarkedBy)
def test_every_mark_leads_the_one_who_takes_part_to_his_ticket(by: MarkedBy) -> None:
    found = judged(marked(by, ticket()), tickets=(ticket(),))
    assert (found.end, found.matched_by, found.ticket) == (End.REPLY, by.value, ticket())
    assert found.step is not None and found.step.looked_at["sender_takes_part"] == "yes"


@pytest.mark.parametrize("by", MarkedBy)
@pytest.mark.parametrize(
    "sender", [{"sender": EVE}, {"sender": None, "sender_status": SenderStatus.AMBIGUOUS}], ids=["stranger", "in doubt"]
)
def test_no_mark_lets_anybody_else_write_there(by: MarkedBy, sender: dict[str, Any]) -> None:
    found = judged(marked(by, ticket()), tickets=(ticket(),), **sender)
    assert (found.end, found.ticket) == (End.NEW, None)
    assert found.related is not None
    assert (found.related.number, found.related.relation) == ("INC-000001", Relation.POSSIBLE_PARENT)


@pytest.mark.parametrize("by", MarkedBy)
def test_a_bounce_needs_more_than_a_tag_in_its_subject(by: MarkedBy) -> None:
    """Unless its sender takes part."""
    found = judged(marked(by, ticket()), tickets=(ticket(),), sender=EVE, automatic=Automatic.BOUNCE)
    assert found.end is (End.NEW if by is MarkedBy.SUBJECT else End.NOTE)


@pytest.mark.parametrize(
    ("automatic", "end"),
    [(None, End.REPLY), (Automatic.LIST, End.REPLY), (Automatic.NOTICE, End.NOTE), (Automatic.OUT_OF_OFFICE, End.NOTE)],
)
def test_what_a_program_wrote_is_a_note(automatic: Automatic | None, end: End) -> None:
    closed = ticket(state=TicketState.CLOSED, closings=1)
    mark = marked(MarkedBy.IN_REPLY_TO, closed)
    assert judged(mark, tickets=(closed,), automatic=automatic).end is end
    linked = judged(mark, tickets=(closed,), automatic=automatic, to_closed=ToClosed.NEW_TICKET)
    assert linked.end is (End.NOTE if end is End.NOTE else End.NEW)


def test_a_reply_to_a_closed_ticket_reopens_it_or_opens_one_that_follows_it() -> None:
    closed = ticket(state=TicketState.CLOSED, closings=1)
    mark = marked(MarkedBy.REFERENCES, closed)
    assert judged(mark, tickets=(closed,)).end is End.REPLY
    found = judged(mark, tickets=(closed,), to_closed=ToClosed.NEW_TICKET)
    assert found.end is End.NEW and found.related is not None and found.related.relation is Relation.FOLLOW_UP


@pytest.mark.parametrize("by", MarkedBy)
def test_a_mark_may_lead_to_another_mailbox_and_a_tag_never(by: MarkedBy) -> None:
    found = judged(marked(by, ticket()), tickets=(ticket(),), mailbox="helpdesk")
    assert found.end is (End.NEW if by is MarkedBy.SUBJECT else End.REPLY)
    assert found.related is None


def test_a_mark_never_leads_to_the_other_module_of_another_mailbox() -> None:
    mark = marked(MarkedBy.IN_REPLY_TO, ticket())
    found = judged(mark, tickets=(ticket(),), mailbox="orders", module=Module.REQUEST)
    assert found.end is End.NEW and found.related is not None
    assert found.step is not None and "another module" in found.step.sentence


def test_of_several_tickets_the_strongest_in_which_he_takes_part_gets_the_mail() -> None:
    one, two, eves = ticket(), ticket("m2", "INC-000002"), ticket("m3", "INC-000003", EVE)
    marks = (marked(MarkedBy.IN_REPLY_TO, eves), marked(MarkedBy.REFERENCES, two), marked(MarkedBy.SUBJECT, one))
    assert judged(*marks, tickets=(one, two, eves)).ticket == two
    assert judged(*marks, tickets=(one, eves)).ticket == one, "a deleted ticket is no ticket"


def test_tags_of_two_tickets_are_none_even_if_one_is_gone() -> None:
    one, two = ticket(), ticket("m2", "INC-000002")
    marks = (marked(MarkedBy.SUBJECT, one), marked(MarkedBy.SUBJECT, two))
    for there in ((one, two), (two,)):
        found = judged(*marks, tickets=there)
        assert found.end is End.NEW and found.related is not None and found.related.number == there[0].number
        assert found.step is not None and "several tickets" in found.step.sentence


def test_a_mail_that_is_known_names_its_ticket_in_its_own_mailbox_only() -> None:
    mails = {"<p@x>": (known("m1", ticket()),)}
    assert judged(tickets=(ticket(),), known=mails, in_reply_to=("<p@x>",)).matched_by == "known_mail"
    away = {"<p@x>": (known("m1", ticket(), mailbox="sales"),)}
    assert judged(tickets=(ticket(),), known=away, in_reply_to=("<p@x>",)).end is End.NEW


def test_of_mails_that_share_an_id_the_one_whose_ticket_is_his_counts() -> None:
    """Ids are reused by broken senders."""
    eves = ticket("m3", "INC-000003", EVE)
    mails = {"<p@x>": (known("m3", eves), known("m1", ticket()))}
    assert judged(tickets=(ticket(), eves), known=mails, references=("<p@x>",)).ticket == ticket()


def test_a_mail_in_flight_is_waited_for_while_there_is_patience() -> None:
    mails = {"<p@x>": (known("m1", None),)}
    waiting = judged(known=mails, in_reply_to=("<p@x>",), patient=True)
    assert (waiting.end, waiting.awaits) == (End.WAIT, {"m1"})
    assert judged(known=mails, in_reply_to=("<p@x>",), here=frozenset({"m1"})).end is End.WAIT
    gone_on = judged(known=mails, in_reply_to=("<p@x>",))
    assert gone_on.end is End.NEW and gone_on.step is not None and "in flight" in gone_on.step.sentence


def test_a_parent_that_is_decided_and_not_written_is_waited_for_and_then_named() -> None:
    mails = {"<p@x>": (known("m1", ticket(), state=State.DECIDED),)}
    assert judged(known=mails, in_reply_to=("<p@x>",), patient=True).end is End.WAIT
    found = judged(known=mails, in_reply_to=("<p@x>",))
    assert found.related is not None and found.related.number == "INC-000001"


@pytest.mark.parametrize(
    "parent",
    [
        known("m1", ticket()),
        known("m1", None, state=State.QUARANTINED),
        known("m1", None, state=State.DONE, decision=decision()),
        known("m9", None),
        known("m1", None, mailbox="sales"),
    ],
    ids=["deleted", "quarantined", "rejected", "itself", "of another mailbox"],
)
def test_what_will_never_have_a_ticket_is_not_waited_for(parent: KnownMail) -> None:
    assert judged(known={"<p@x>": (parent,)}, in_reply_to=("<p@x>",), patient=True).end is End.NEW


def test_a_hundred_ids_are_looked_at_the_answered_mail_first_and_the_newest_next() -> None:
    mail = email(in_reply_to=("<a@x>",), references=tuple(f"<{n}@x>" for n in range(200)))
    assert referred(mail)[:3] == ("<a@x>", "<199@x>", "<198@x>")
    assert len(referred(mail)) == 100


TICKETS = (ticket(), ticket("m2", "INC-000002", EVE), ticket("m3", "INC-000003", mailbox="sales"))


@given(
    marks=st.lists(st.builds(marked, st.sampled_from(MarkedBy), st.sampled_from(TICKETS)), max_size=4),
    parents=st.lists(
        st.sampled_from([known("m1", TICKETS[0]), known("m2", TICKETS[1]), known("m7", None)]), max_size=3
    ),
    there=st.sets(st.sampled_from(range(3))),
    sender=st.sampled_from([ALICE, EVE, None]),
    automatic=st.sampled_from([None, *Automatic]),
    patient=st.booleans(),
)
def test_nobody_but_who_takes_part_ever_writes_to_a_ticket_unless_as_a_bounce(
    marks: list[Mark],
    parents: list[KnownMail],
    there: set[int],
    sender: Address | None,
    automatic: Automatic | None,
    patient: bool,
) -> None:
    tickets = tuple(TICKETS[n] for n in there)
    found = judged(
        *marks,
        tickets=tickets,
        known={"<p@x>": tuple(parents)},
        in_reply_to=("<p@x>",),
        sender=sender,
        sender_status=SenderStatus.OK if sender else SenderStatus.MISSING,
        automatic=automatic,
        patient=patient,
    )
    assert (found.end in (End.REPLY, End.NOTE)) == (found.ticket is not None)
    assert (found.end is End.WAIT) == bool(found.awaits)
    if found.ticket is not None and automatic is not Automatic.BOUNCE:
        assert sender is not None and sender.address in found.ticket.participants
    if found.related is not None:
        assert found.end is End.NEW
