"""What the parser found odd stands in the trace, whatever the rules then say."""

from services.filter.decide import decide, explain
from services.filter.rules.rule import Facts
from shared.domain.decision import Reason, flags_of
from tests.support.builders import email, mailbox

BLOCKS = mailbox(domains={"blockedSenders": ["*@example.org"]})


def test_the_flags_of_a_mail_come_first_in_the_trace_also_of_a_rejection() -> None:
    odd = email(flags=("too_deep", "null_sender"))
    for box in (mailbox(), BLOCKS):
        for judged in (decide(odd, box, Facts()), explain(odd, box, Facts())):
            assert judged.trace[0].stage == "parser"
            assert judged.trace[0].sentence.startswith("It nests deeper than 20 levels")
            assert flags_of(judged.trace) == ("too_deep", "null_sender")
    assert decide(odd, BLOCKS, Facts()).rejected is Reason.BLOCKED_SENDER


def test_a_mail_as_it_should_be_has_no_such_line() -> None:
    judged = decide(email(flags=()), mailbox(), Facts())
    assert flags_of(judged.trace) == ()
    assert all(one.stage == "filter" for one in judged.trace)
