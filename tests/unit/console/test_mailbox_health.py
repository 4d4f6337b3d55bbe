"""How a mailbox is in one word, what arrived in it today, and why a mail is not there."""

from datetime import datetime, timedelta

import pytest

from services.console.absence import Look, Pause, explain
from services.console.mailbox_health import DELAYED_AFTER, Health, Pill, Today, health, pill, today
from shared.domain.mailbox import Module
from shared.domain.mailbox_runtime import Cursor, MailboxStatus, Phase
from shared.domain.sign_in import Lack, SignIn
from shared.domain.statistics import BooksRow
from tests.support.builders import AT, mailbox

MINUTE = timedelta(minutes=1)
LONG_AGO = AT - DELAYED_AFTER - MINUTE


def status(state: Phase = Phase.IDLE, success: datetime | None = AT, **fields) -> MailboxStatus:
    """How a mailbox is."""
    return MailboxStatus(state=state, since=AT, last_success_at=success, **fields)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, Pill.NEVER_CONNECTED),
        (status(Phase.CONNECTING, None), Pill.NEVER_CONNECTED),
        (status(), Pill.HEALTHY),
        (status(Phase.FETCHING, AT - DELAYED_AFTER), Pill.HEALTHY),
        (status(Phase.FETCHING, LONG_AGO), Pill.DELAYED),
        (status(Phase.BACKOFF), Pill.DELAYED),
        (status(Phase.STOPPED), Pill.DELAYED),
        (status(Phase.NEEDS_ATTENTION, code="mass_reappearance"), Pill.NEEDS_ATTENTION),
        (status(Phase.NEEDS_ATTENTION, code="authentication_rejected"), Pill.AUTH_FAILED),
        (status(Phase.BACKOFF, None, code="authentication_rejected"), Pill.AUTH_FAILED),
    ],
)
def test_a_mailbox_has_one_word(told: MailboxStatus | None, expected: Pill) -> None:
    assert pill(mailbox(), told, None, AT)[0] is expected


def test_what_an_operator_decided_goes_before_everything() -> None:
    failed = status(Phase.BACKOFF, code="authentication_rejected")
    assert pill(mailbox().model_copy(update={"paused": True}), failed, None, AT) == (Pill.PAUSED, "It is paused.")
    disabled = mailbox(enabled=False)
    assert pill(disabled, failed, None, AT) == (Pill.PAUSED, "Its configuration says enabled: false.")


def test_a_sign_in_that_a_person_must_give_goes_before_what_the_fetcher_says() -> None:
    lack = Lack(code="sign_in_needed", sentence="Nobody signed in.", remedy="sign in")
    word, sentence = pill(mailbox(), status(), SignIn(lack=lack), AT)
    assert (word, sentence) == (Pill.AUTH_FAILED, "Nobody signed in. -> sign in")


def test_what_opened_a_ticket_is_of_the_module_of_the_mailbox() -> None:
    counts = {"ticket": 3, "rejected": 2, "in_flight": 1}
    assert today(mailbox(), counts) == Today(received=6, tickets=3, rejected=2, in_flight=1)
    asked = mailbox(module=Module.REQUEST)
    assert today(asked, counts) == Today(received=6, requests=3, rejected=2, in_flight=1)


def test_a_mailbox_is_found_by_parts_of_its_name_address_and_labels() -> None:
    labelled = mailbox("billing").model_copy(update={"labels": {"team": "helpdesk"}})
    one = health(labelled, status(), None, BooksRow(mailbox="billing", total={}), AT)
    assert one.has("BILL team=help")
    assert one.has("")
    assert not one.has("bill sales")


@pytest.mark.parametrize(
    ("until", "at", "expected"),
    [
        (None, None, True),
        (None, AT, True),
        (None, AT - MINUTE, False),
        (AT + MINUTE, None, False),
        (AT + MINUTE, AT, True),
        (AT + MINUTE, AT + MINUTE, False),
    ],
)
def test_a_pause_covers_the_instants_from_its_beginning_to_before_its_end(
    until: datetime | None, at: datetime | None, expected: bool
) -> None:
    assert Pause(AT, until).covers(at) is expected


def of(told: MailboxStatus, **fields) -> tuple[Look, ...]:
    """What is known of one mailbox."""
    found: Health = health(mailbox(), told, None, None, AT)
    return (Look(found, **fields),)


def codes(looks: tuple[Look, ...], at: datetime | None, in_flight: int = 0) -> list[str]:
    return [one.code for one in explain(looks, at, in_flight)]


def test_every_reason_for_an_absence_is_told() -> None:
    assert codes((), AT) == ["all_well"]
    assert [one.code for one in explain((), AT, 0, configured=False)] == ["no_mailbox"]
    assert codes(of(status()), AT - MINUTE, in_flight=2) == ["in_flight", "never_seen"]
    assert codes(of(status()), AT + MINUTE) == ["not_read_yet"]
    assert codes(of(status(), holes=1), None) == ["unfetchable", "never_seen"]
    assert codes(of(status(), pauses=(Pause(LONG_AGO, AT),)), AT - MINUTE) == ["paused", "never_seen"]
    cursor = Cursor(folder="INBOX", uid_validity=1, baseline_at=AT)
    assert codes(of(status(), cursors=(cursor,)), AT - MINUTE) == ["before_start", "never_seen"]
    assert codes(of(status(Phase.BACKOFF, None)), AT) == ["never_connected"]
