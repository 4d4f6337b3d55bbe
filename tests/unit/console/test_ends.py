"""When two ends of a mail are the same: what it became counts, not the words it is told in."""

import pytest

from services.console.ends import End
from shared.domain.decision import Classification, Reason

TICKET = End("ticket", Reason.TICKET_CREATED, "x", "INC-1", "t1", Classification(service="vpn"))
REPLY = End("reply", Reason.REPLY_APPENDED, "x", "INC-1", "t1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (TICKET, End("ticket", Reason.TICKET_CREATED, "other words", "INC-…", "t1", TICKET.classification), True),
        (TICKET, End("ticket", Reason.TICKET_CREATED, "x", "INC-1", "t1", Classification(service="hr")), False),
        (TICKET, End("ticket", Reason.REQUEST_CREATED, "x", "REQ-…", "t1", TICKET.classification), False),
        (REPLY, End("reply", Reason.REPLY_APPENDED, "other words", "INC-1", "t1"), True),
        (REPLY, End("reply", Reason.REPLY_APPENDED, "x", "INC-2", "t2"), False),
        (REPLY, End("reply", Reason.BOUNCE_ATTACHED, "x", "INC-1", "t1"), False),
        (End("rejected", "not_in_to", "x"), End("rejected", "own_loop", "x"), False),
        (End("quarantined", "parser_died", "x"), End("quarantined", "parser_died", "y"), True),
    ],
)
def test_ends_are_compared_by_what_became_of_the_mail(one: End, other: End, same: bool) -> None:
    assert one.same(other) is same and other.same(one) is same


def test_an_outcome_is_one_word_where_there_is_one() -> None:
    assert [TICKET.outcome, REPLY.outcome, End("in_flight", None, "").outcome] == ["ticket", "reply", "in_flight"]
    assert End("rejected", "not_in_to", "").outcome == "rejected: not_in_to"
