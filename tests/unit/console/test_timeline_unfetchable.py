"""The timeline of a mail that the server never gave."""

from services.console.timeline import timeline
from shared.domain.decision import Reason
from shared.domain.ledger import State
from tests.support import builders


def test_a_mail_that_was_never_given_is_not_said_to_have_been_fetched() -> None:
    decision = builders.decision(reason=Reason.UNFETCHABLE)
    entry = builders.entry("m1", state=State.DONE, decision=decision)
    steps = [one.step for one in timeline(entry, None)]
    assert "listed" in steps
    assert "fetched" not in steps
