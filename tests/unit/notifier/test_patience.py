"""How long is waited, and how many may be sent."""

from datetime import timedelta

import pytest

from services.notifier.errors import AuthenticationRejected, ServerTrouble
from services.notifier.patience import Waits
from shared.domain.budgets import Budgets, budget_address, hour_of
from shared.domain.outbound import Outbound, SendingStatus
from shared.domain.ticket import Acknowledgement, AcknowledgementState
from tests.support.builders import AT

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def mail(attempts: int) -> Outbound:
    status = Acknowledgement(state=AcknowledgementState.CLAIMED, at=AT)
    return Outbound(
        ticket_id="t", number="INC-000001", mailbox="support", status=status, attempts=attempts, since=AT, taken_at=AT
    )


@pytest.mark.parametrize(("attempts", "minutes"), [(0, 1), (1, 2), (5, 32), (7, 120), (1000, 120)])
def test_a_mail_waits_longer_each_time_up_to_two_hours_with_jitter(attempts: int, minutes: int) -> None:
    waits = Waits()
    assert waits.of_mail(mail(attempts), AT, 0.5) == AT + minutes * MINUTE
    assert waits.of_mail(mail(attempts), AT, 0) == AT + minutes * MINUTE * 0.75


def test_a_mail_is_given_up_after_a_day() -> None:
    assert Waits().of_mail(mail(0), AT + 23 * HOUR, 0) is not None
    assert Waits().of_mail(mail(0), AT + 24 * HOUR, 0) is None


def test_a_refused_sign_in_waits_much_longer_than_a_server_that_is_away() -> None:
    refused, away = AuthenticationRejected("no"), ServerTrouble("away")
    assert [Waits().of_mailbox(away, n) for n in (0, 1)] == [MINUTE, 2 * MINUTE]
    assert [Waits().of_mailbox(refused, n) for n in (0, 1, 9)] == [15 * MINUTE, 30 * MINUTE, 6 * HOUR]


def test_a_mailbox_in_trouble_is_left_alone_until_its_time_or_its_change() -> None:
    status = SendingStatus(mailbox="support", up=False, revision=3, since=AT, retry_at=AT + HOUR)
    assert status.forbids(3, AT)
    assert not status.forbids(4, AT), "it was changed"
    assert not status.forbids(3, AT + HOUR)
    assert not status.model_copy(update={"up": True}).forbids(3, AT)


@pytest.mark.parametrize(
    ("hours_ago", "allowed"),
    [
        ((), True),
        ((0.5,), False),
        ((1,), True),
        ((2, 3, 4, 5), True),
        ((2, 3, 4, 5, 6), False),
        ((2, 3, 4, 5, 24), True),
    ],
)
def test_an_address_has_one_per_hour_and_five_per_day(hours_ago: tuple[float, ...], allowed: bool) -> None:
    assert Budgets().address_allows([AT - n * HOUR for n in hours_ago], AT) is allowed


def test_addresses_are_counted_without_their_tags_and_hours_by_the_clock() -> None:
    assert budget_address("a+b+c@d.example") == "a@d.example"
    assert budget_address("+x@d.example") == "+x@d.example"
    assert hour_of(AT) == hour_of(AT + 59 * MINUTE) == hour_of(AT + HOUR) - 1
