"""Who gets an acknowledgement, and why somebody does not: every condition on its own."""

from datetime import timedelta
from typing import Any

import pytest

from services.notifier.conditions import CONDITIONS
from services.notifier.conditions.condition import Reason
from services.notifier.decide import Answer, Facts, Suppressed, decide
from shared.domain.email import Address, Automatic, SenderStatus
from shared.domain.mailbox import Mailbox
from tests.support import builders
from tests.support.notifying import ticket

OWN = frozenset({"support@desk.example", "help@desk.example", "requests@desk.example"})
RESULTS = ("mx.desk.example; dmarc=pass header.from=example.org",)


def mailbox(**changes: Any) -> Mailbox:
    on = {"smtp": {"host": "smtp.desk.example"}, "acknowledgements": {"enabled": True}}
    return builders.mailbox(email="support@desk.example", aliases=("help@desk.example",), **{**on, **changes})


def asked(box: Mailbox | None = None, *, gone: bool = False, late: timedelta = timedelta(), **changes: Any) -> Any:
    made = ticket(**changes)
    facts = Facts(OWN, made.created_at + late)
    return decide(made, None if gone else box or mailbox(), facts)


def reason(*args: Any, **changes: Any) -> Reason | None:
    found = asked(*args, **changes)
    if isinstance(found, Answer):
        return None
    assert isinstance(found, Suppressed)
    assert found.sentence.endswith(".")
    return found.reason


def test_a_person_who_writes_to_us_is_answered() -> None:
    assert asked() == Answer("alice@example.org", authenticated=False)


def test_every_reason_is_a_condition_or_comes_later_and_every_condition_tells_people_what_it_is() -> None:
    later = {Reason.NOT_COMPOSABLE, Reason.BUDGET_ADDRESS, Reason.BUDGET_DOMAIN, Reason.BUDGET_GLOBAL}
    assert {one.reason for one in CONDITIONS} | later == set(Reason)
    assert len({one.reason for one in CONDITIONS}) == len(CONDITIONS)
    assert all((one.about or "").strip() for one in CONDITIONS)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sender": None, "sender_status": SenderStatus.MISSING}, Reason.NO_SENDER),
        ({"sender": None, "sender_status": SenderStatus.AMBIGUOUS}, Reason.AMBIGUOUS_SENDER),
        ({"sender_status": SenderStatus.AMBIGUOUS}, Reason.AMBIGUOUS_SENDER),
        ({"marked": True}, Reason.LOOP_MARKER),
        ({"received_count": 25}, Reason.TOO_MANY_HOPS),
        ({"received_count": 24}, None),
        ({"automatic": Automatic.BOUNCE}, Reason.DELIVERY_REPORT),
        ({"null_sender": True}, Reason.NULL_SENDER),
        ({"automatic": Automatic.LIST}, Reason.MAILING_LIST),
        ({"list_id": "<users.example.org>"}, Reason.MAILING_LIST),
        ({"list_id": ""}, Reason.MAILING_LIST),
        ({"precedence": "Bulk"}, Reason.MAILING_LIST),
        ({"precedence": "junk"}, Reason.MAILING_LIST),
        ({"precedence": " list "}, Reason.MAILING_LIST),
        ({"precedence": "first-class"}, None),
        ({"automatic": Automatic.OUT_OF_OFFICE}, Reason.AUTOMATIC_MAIL),
        ({"automatic": Automatic.NOTICE}, Reason.AUTOMATIC_MAIL),
        ({"addressed": False}, Reason.NOT_ADDRESSED),
        ({"imported": True}, Reason.IMPORTED),
    ],
)
def test_each_condition_has_its_reason(changes: dict[str, Any], expected: Reason | None) -> None:
    assert reason(**changes) == expected


@pytest.mark.parametrize(
    ("word", "answered"),
    [
        ("no", True),
        ("No", True),
        ("no; comment", True),
        ("auto-replied", False),
        ("auto-generated; x=y", False),
        ("auto-notified", False),
        ("something-nobody-knows", False),
        ("", False),
    ],
)
def test_any_word_but_no_in_auto_submitted_means_a_machine(word: str, answered: bool) -> None:
    assert reason(auto_submitted=word) == (None if answered else Reason.AUTOMATIC_MAIL)


@pytest.mark.parametrize(
    ("value", "answered"),
    [
        ("None", True),
        ("DR, NDR, RN, NRN", True),
        ("All", False),
        ("all", False),
        ("AutoReply", False),
        ("OOF", False),
        ("DR, RN, OOF, AutoReply", False),
        ("whatever", False),
    ],
)
def test_microsofts_words_that_forbid_answers_are_obeyed(value: str, answered: bool) -> None:
    assert reason(suppress=value) == (None if answered else Reason.REPLIES_SUPPRESSED)


@pytest.mark.parametrize(
    "local",
    [
        "mailer-daemon",
        "MAILER-DAEMON",
        "postmaster",
        "owner-users",
        "users-owner",
        "users-request",
        "bounces",
        "bounce+alice=example.org",
        "noreply",
        "no-reply",
        "no_reply",
        "do-not-reply",
        "donotreply",
        "shop.noreply",
        "noreply+123",
        "news-bounces",
    ],
)
def test_addresses_of_programs_are_not_answered(local: str) -> None:
    assert reason(sender=Address(address=f"{local}@example.org")) is Reason.MACHINE_ADDRESS


@pytest.mark.parametrize("local", ["alice", "owner", "requests", "norbert.reply", "reply", "ownership-x", "rooter"])
def test_people_with_similar_names_are_answered(local: str) -> None:
    assert reason(sender=Address(address=f"{local}@example.org")) is None


@pytest.mark.parametrize(
    "address",
    ["support@desk.example", "help@desk.example", "requests@desk.example", "requests+req-000001@desk.example"],
)
def test_no_mailbox_of_ours_is_answered_whichever_header_names_it(address: str) -> None:
    assert reason(sender=Address(address=address)) is Reason.OWN_ADDRESS
    assert reason(reply_to=(Address(address=address),)) is Reason.OWN_ADDRESS


def test_a_mailbox_that_is_gone_disabled_or_silent_answers_nobody() -> None:
    assert reason(gone=True) is Reason.MAILBOX_GONE
    assert reason(mailbox(enabled=False)) is Reason.MAILBOX_GONE
    assert reason(mailbox(acknowledgements={"enabled": False})) is Reason.SWITCHED_OFF


def test_mail_older_than_a_day_is_not_acknowledged() -> None:
    assert reason(late=timedelta(hours=23, minutes=58)) is None
    assert reason(late=timedelta(hours=24)) is Reason.BACKLOG


def test_where_a_server_is_named_it_must_vouch_for_the_sender_unless_that_is_switched_off() -> None:
    named = mailbox(authserv_id="mx.desk.example")
    assert reason(named) is Reason.NOT_AUTHENTICATED
    assert reason(named, authentication_results=("evil.example; dmarc=pass header.from=example.org",)) is (
        Reason.NOT_AUTHENTICATED
    )
    assert asked(named, authentication_results=RESULTS) == Answer("alice@example.org", authenticated=True)
    lax = mailbox(authserv_id="mx.desk.example", acknowledgements={"requireAuthenticated": False})
    assert asked(lax) == Answer("alice@example.org", authenticated=False)


@pytest.mark.parametrize(
    ("reply_to", "vouched", "expected"),
    [
        (("team@mail.example.org",), True, "team@mail.example.org"),
        (("team@mail.example.org",), False, "alice@example.org"),
        (("victim@other.example",), True, "alice@example.org"),
        (("a@example.org", "b@example.org"), True, "alice@example.org"),
        ((), True, "alice@example.org"),
    ],
)
def test_reply_to_counts_only_from_a_vouched_sender_of_the_same_organisation(
    reply_to: tuple[str, ...], vouched: bool, expected: str
) -> None:
    box = mailbox(authserv_id="mx.desk.example", acknowledgements={"requireAuthenticated": False})
    addresses = tuple(Address(address=one) for one in reply_to)
    found = asked(box, reply_to=addresses, authentication_results=RESULTS if vouched else ())
    assert found == Answer(expected, authenticated=vouched)


@pytest.mark.parametrize("address", ['"a b"@example.org', "jörg@example.org", "a<b@example.org", "a@ex ample.org"])
def test_an_address_that_is_not_what_it_looks_like_is_not_answered(address: str) -> None:
    assert reason(sender=Address(address=address)) is Reason.NO_RECIPIENT
