"""What a classified mail becomes."""

from typing import Any

import pytest

from services.ticket_writer import decide
from shared.domain import identity
from shared.domain.decision import Kind, Reason, Related, Relation
from shared.domain.email import Address, Automatic, SenderStatus
from shared.domain.errors import Transient
from shared.domain.ledger import State
from shared.domain.mailbox import Module
from shared.domain.ticket import Ticket, TicketState
from tests.support.builders import AT, classified, decision, email, entry


def ticket(*, addressed: bool = False, **changes: Any) -> Ticket:
    """The ticket that m1 opens."""
    mail = classified(**changes)
    return decide.ticket(mail, decide.opens(mail, "INC-000001", AT), "/x", addressed=addressed)


def test_a_mail_of_a_request_mailbox_opens_a_request() -> None:
    """The module decides kind and number."""
    made = decide.opens(classified(module=Module.REQUEST), "REQ-000007", AT)
    assert (made.kind, made.reason, made.number) == (Kind.TICKET, Reason.REQUEST_CREATED, "REQ-000007")
    assert "Request REQ-000007" in made.sentence


def test_the_same_decision_gives_the_same_ticket_and_event() -> None:
    """Whoever executes a decision, and whenever: one document, one event id."""
    mail = classified()
    made = decide.opens(mail, "INC-000001", AT)
    first, second = decide.ticket(mail, made, "/x"), decide.ticket(mail, made, "/x")
    assert first == second
    assert first.ticket_id == identity.ticket_id("m1")
    assert first.outbox[0].routing_key == "ticket.created.ticket.it.printing.support"


def test_a_repeat_waits_while_its_original_is_in_flight() -> None:
    """It cannot be counted on a ticket that may never be."""
    fate = decide.original_of(classified(duplicate_of="m0"), entry("m0"), {})
    assert isinstance(fate, Transient) and fate.code == "original_in_flight"


@pytest.mark.parametrize("kind", [Kind.TICKET, Kind.DUPLICATE, Kind.REPLY])
def test_a_repeat_belongs_to_the_ticket_of_its_original(kind: Kind) -> None:
    """Also when the original was itself a repeat, or a reply."""
    original = ticket()
    booked = entry("m0", state=State.DECIDED, decision=decision(kind=kind, ticket_id=original.ticket_id))
    assert decide.original_of(classified(duplicate_of="m0"), booked, {original.ticket_id: original}) == original
    waiting = decide.original_of(classified(duplicate_of="m0"), booked, {})
    assert isinstance(waiting, Transient) and waiting.code == "original_not_written"


def test_a_repeat_of_a_mail_that_has_no_ticket_opens_its_own() -> None:
    """Otherwise both would be lost. Also when that ticket was deleted."""
    mail = classified(duplicate_of="m0")
    gone = decision(kind=Kind.TICKET, ticket_id="gone", number="INC-000001")
    for booked in (
        entry("m0", state=State.DONE, decision=decision()),
        entry("m0", state=State.QUARANTINED),
        entry("m0", state=State.DONE, decision=gone),
        None,
    ):
        assert decide.original_of(mail, booked, {}) is None


def test_a_ticket_knows_who_takes_part_and_what_its_answer_depends_on() -> None:
    """From its first mail, once: nobody reads the mail again."""
    reply_to = (Address(address="desk@example.org"),)
    made = ticket(
        email=email(reply_to=reply_to, list_id="a list", loop_marker="v1.x", flags=("null_sender",)), addressed=True
    )
    assert made.participants == ("alice@example.org",)
    assert made.articles[0].subject == "Printer on fire"
    told = made.answerable
    assert (told.reply_to, told.list_id, told.sender_status) == (reply_to, "a list", SenderStatus.OK)
    assert told.marked and told.null_sender and told.addressed


def test_the_ticket_of_an_imported_mail_knows_that_nobody_waits_for_an_answer() -> None:
    mail = classified("m1", imported=True)
    assert decide.ticket(mail, decide.opens(mail, "INC-000001", AT), "/x").answerable.imported
    assert not ticket().answerable.imported


def test_nobody_takes_part_in_the_ticket_of_a_sender_in_doubt() -> None:
    """Then nobody's answers are appended."""
    assert ticket(email=email(sender_status=SenderStatus.AMBIGUOUS)).participants == ()


def test_a_decision_tells_what_a_reply_does_to_a_closed_ticket() -> None:
    """It undoes this closing; a note undoes none."""
    closed = ticket().model_copy(update={"state": TicketState.CLOSED, "closings": 3})
    reply = decide.appends(classified("m2"), closed, note=False, now=AT)
    assert (reply.kind, reply.reason, reply.reopens) == (Kind.REPLY, Reason.REPLY_APPENDED, 3)
    assert "open again" in reply.sentence
    note = decide.appends(classified("m2"), closed, note=True, now=AT)
    assert (note.reason, note.reopens) == (Reason.AUTOMATIC_ANSWER_ATTACHED, 0)
    bounce = classified("m2", email=email(automatic=Automatic.BOUNCE))
    assert decide.appends(bounce, closed, note=True, now=AT).reason is Reason.BOUNCE_ATTACHED


def test_a_new_ticket_names_the_one_that_it_has_to_do_with() -> None:
    """In the decision, so that whoever executes it writes the same."""
    related = Related(ticket_id="t1", number="INC-000001", relation=Relation.FOLLOW_UP)
    made = decide.opens(classified("m2"), "INC-000002", AT, related)
    assert "follows INC-000001" in made.sentence
    assert decide.ticket(classified("m2"), made, "/x").related == related
    possible = related.model_copy(update={"relation": Relation.POSSIBLE_PARENT})
    assert "may belong to INC-000001" in decide.opens(classified("m2"), "INC-000002", AT, possible).sentence


def test_the_trace_keeps_every_stage_before_and_adds_its_own_line() -> None:
    """One timeline."""
    mail = classified(duplicate_of="m0")
    steps = decide.trace(mail, decide.repeats(mail, ticket(), AT))
    assert [step.stage for step in steps] == ["filter", "ticket_writer"]
    assert steps[-1].looked_at == {"duplicate_of": "m0"}
