"""What a classified mail becomes."""

from services.ticket_writer import decide
from shared.domain import identity
from shared.domain.decision import Kind, Reason
from shared.domain.errors import Transient
from shared.domain.ledger import State
from shared.domain.mailbox import Module
from tests.support.builders import AT, classified, decision, entry


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
    fate = decide.original_of(classified(duplicate_of="m0"), entry("m0"))
    assert isinstance(fate, Transient)


def test_a_repeat_belongs_to_the_ticket_of_its_original() -> None:
    """Also when the original was itself a repeat."""
    of_ticket = entry(
        "m0", state=State.DECIDED, decision=decision(kind=Kind.TICKET, ticket_id="t0", number="INC-000001")
    )
    of_repeat = entry(
        "m0", state=State.DONE, decision=decision(kind=Kind.DUPLICATE, ticket_id="t9", number="INC-000009")
    )
    assert decide.original_of(classified(duplicate_of="m0"), of_ticket) == ("t0", "INC-000001")
    assert decide.original_of(classified(duplicate_of="m0"), of_repeat) == ("t9", "INC-000009")


def test_a_repeat_of_a_mail_that_made_no_ticket_opens_its_own() -> None:
    """Otherwise both would be lost."""
    mail = classified(duplicate_of="m0")
    assert decide.original_of(mail, entry("m0", state=State.DONE, decision=decision())) is None
    assert decide.original_of(mail, entry("m0", state=State.QUARANTINED)) is None
    assert decide.original_of(mail, None) is None


def test_the_trace_keeps_every_stage_before_and_adds_its_own_line() -> None:
    """One timeline."""
    mail = classified(duplicate_of="m0")
    steps = decide.trace(mail, decide.repeats(mail, ("t0", "INC-000001"), AT))
    assert [step.stage for step in steps] == ["filter", "ticket_writer"]
    assert steps[-1].looked_at == {"duplicate_of": "m0"}
