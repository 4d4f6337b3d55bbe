"""`replay` and `quarantine`: the real command over books, raw mail and a mailbox that a test wrote."""

import json

import pytest

from services.console.timeline import timeline
from shared.domain.decision import Kind, Reason
from shared.domain.email import Headline
from shared.domain.ledger import DecisionWrite, Failure, LedgerEntry, State
from shared.store.client import Store
from tests.support import builders
from tests.support.mails import mail

BLOCKED, STILL_BLOCKED, STUCK, TICKETED, FLYING = (letter * 52 for letter in "abcde")
SENDERS = {BLOCKED: "alice@partner.example", STILL_BLOCKED: "x@spam.example", STUCK: "bob@example.org"}


async def write_books(store: Store) -> None:
    """Two rejected mails, of which today's rules would let one pass; one in quarantine; one ticket; one in flight."""
    await store.mailboxes.put(builders.mailbox(domains={"blockedSenders": ["*@spam.example"]}), {})
    mails = (BLOCKED, STILL_BLOCKED, STUCK, TICKETED, FLYING)
    await store.ledger.insert_many(
        [
            builders.entry(one, uid=uid, headline=Headline(sender=SENDERS.get(one), subject=f"No. {uid}"))
            for uid, one in enumerate(mails, 1)
        ]
    )
    await store.raw.put_many({one: mail(sender=sender) for one, sender in SENDERS.items()})
    ticket = {"ticket_id": "t1", "number": "INC-000001"}
    decisions = {
        BLOCKED: builders.decision(),
        STILL_BLOCKED: builders.decision(),
        TICKETED: builders.decision(kind=Kind.TICKET, reason=Reason.TICKET_CREATED, **ticket),
    }
    await store.ledger.decide_many(
        [DecisionWrite(mail_id=one, decision=what, trace=()) for one, what in decisions.items()]
    )
    await store.ledger.mark_done(decisions)
    failure = Failure(stage="filter", code="parser_died", what="the parser died", at=builders.AT)
    await store.ledger.quarantine(STUCK, failure)


@pytest.fixture
def books(cli):
    cli.store(write_books)
    return cli


def entry(books, mail_id: str) -> LedgerEntry:
    async def get(store: Store) -> LedgerEntry | None:
        return await store.ledger.get(mail_id)

    found = books.store(get)
    assert found is not None
    return found


def audit(books) -> list[tuple[str, str, str, str]]:
    async def read(store: Store):
        return await store.audit.page(kind="Mail")

    return [(one.action, one.name, one.outcome, str(one.new)) for one in books.store(read)]


def test_a_dry_run_shows_the_mails_that_would_end_differently_and_changes_nothing(books):
    answer = books("replay", "--mailbox", "support", "--since", "2020-01-01", "--dry-run", "-o", "json")
    found = json.loads(answer.out)
    assert (found["examined"], found["unchanged"]) == (2, 1)
    (change,) = found["changes"]
    assert (change["mail_id"], change["before"], change["now"]) == (BLOCKED, "rejected: blocked_sender", "ticket")
    assert found["counts"] == {"rejected: blocked_sender -> ticket": 1}
    assert entry(books, BLOCKED).state is State.DONE
    assert audit(books) == []
    people = books.here("replay", "-m", "support", "--dry-run").out
    assert "2 examined, 1 would change, 1 would not." in people
    assert STILL_BLOCKED not in people


@pytest.mark.parametrize(
    ("chosen", "examined"),
    [
        (("--reason", "blocked_sender"), 2),
        (("--reason", "not_in_to"), 0),
        (("--mailbox", "other"), 0),
        (("--until", "2020-01-01"), 0),
        (("--quarantined",), 1),
        (("--quarantined", "--reason", "parser_died"), 1),
        (("--quarantined", "--reason", "busy"), 0),
        (("--reason", "blocked_sender", "--limit", "1"), 1),
    ],
)
def test_mails_are_chosen_by_mailbox_time_reason_and_state(books, chosen, examined):
    assert json.loads(books.here("replay", *chosen, "--dry-run", "-o", "json").out)["examined"] == examined


def test_a_replay_is_a_new_version_of_the_decision_and_keeps_the_old_one_with_who_and_why(books):
    answer = books.here("replay", "-m", "support", "--why", "The partner is welcome.", "--yes", "-o", "json")
    assert json.loads(answer.out) == {"replayed": [BLOCKED], "moved_on": []}
    again = entry(books, BLOCKED)
    assert (again.state, again.decision, again.version, again.attempts) == (State.STORED, None, 2, 0)
    assert [one.decision.reason for one in again.history] == [Reason.BLOCKED_SENDER]
    assert again.history[0].replay.why == "The partner is welcome."
    ((action, name, outcome, new),) = audit(books)
    assert (action, name, outcome) == ("replay", BLOCKED, "done") and "The partner is welcome." in new
    assert [(one.stage, one.step) for one in timeline(again, None)][2:5] == [
        ("ledger", "blocked_sender"),
        ("outbox", "mail.rejected"),
        ("console", "replayed"),
    ]


def test_without_a_person_to_ask_and_without_yes_nothing_happens(books):
    answer = books("replay", "-m", "support")
    assert answer.code == 1 and "add --yes" in answer.errors[-1]
    assert entry(books, BLOCKED).version == 1


@pytest.mark.parametrize(
    ("mail_id", "says"), [(TICKETED, "it became a ticket (INC-000001)"), (FLYING, "it is in flight")]
)
def test_a_mail_that_is_not_rejected_or_quarantined_is_refused_in_words(books, mail_id, says):
    answer = books.here("replay", mail_id, "--yes")
    assert answer.code == 1 and says in answer.errors[0]


def test_an_unknown_mail_is_exit_3(books):
    assert books.here("replay", "z" * 52, "--yes").code == 3


def test_neither_mails_nor_a_filter_and_both_at_once_are_usage_errors(books):
    assert books.here("replay", "--dry-run").code == 2
    assert books.here("replay", BLOCKED, "-m", "support").code == 2
    assert books.here("replay", "-m", "support", "--as-ticket").code == 2


def test_as_ticket_overrules_the_filter_once(books):
    assert books.here("replay", STILL_BLOCKED, "--dry-run", "-o", "json").out.count('"changes": []') == 1
    found = json.loads(books.here("replay", STILL_BLOCKED, "--as-ticket", "--dry-run", "-o", "json").out)
    assert found["changes"][0]["now"] == "ticket"
    assert books.here("replay", STILL_BLOCKED, "--as-ticket", "--why", "A customer.", "--yes").code == 0
    again = entry(books, STILL_BLOCKED)
    assert again.replay is not None and again.replay.as_ticket and again.replay.why == "A customer."


def test_a_mail_whose_raw_bytes_are_gone_is_not_sent_again(books):
    async def lose(store: Store) -> int:
        return await store.collection("raw").delete({"_id": BLOCKED})

    books.store(lose)
    answer = books.here("replay", BLOCKED, "--yes")
    assert answer.code == 1 and "raw mail is not there" in answer.errors[0]
    assert json.loads(books.here("replay", "-m", "support", "--dry-run", "-o", "json").out)["changes"] == []


def test_quarantined_mail_is_discarded_with_a_reason_and_owes_its_event(books):
    answer = books("quarantine", "discard", STUCK, "--reason", "A test of the monitoring.")
    assert answer.code == 0, answer.errors
    ended = entry(books, STUCK)
    assert ended.state is State.DECIDED and ended.decision is not None
    assert (ended.decision.kind, ended.decision.reason) == (Kind.REJECTED, Reason.DISCARDED)
    assert "A test of the monitoring." in ended.decision.sentence
    assert ended.trace[0].looked_at["quarantined"] == "parser_died"

    async def owed(store: Store):
        return await store.ledger.pending_outbox(await store.server_time(), 10)

    ((mail_id, event),) = books.store(owed)
    assert (mail_id, event.routing_key) == (STUCK, "mail.rejected.discarded.support")
    assert audit(books)[0][:3] == ("discard", STUCK, "done")
    assert books.here("quarantine", "discard", STUCK, "--reason", "again").code == 3


def test_several_are_discarded_by_filter(books):
    assert books.here("quarantine", "discard", "--code", "busy", "--reason", "x", "-y", "-o", "json").out.count("a") > 0
    assert entry(books, STUCK).state is State.QUARANTINED
    assert books.here("quarantine", "discard", "--code", "parser_died", "--reason", "x", "--yes").code == 0
    assert entry(books, STUCK).state is State.DECIDED


def test_a_discarded_mail_can_still_be_replayed(books):
    books.here("quarantine", "discard", STUCK, "--reason", "x")

    async def relayed(store: Store) -> None:
        await store.ledger.mark_done([STUCK])

    books.store(relayed)
    assert books.here("replay", STUCK, "--yes").code == 0
    assert entry(books, STUCK).version == 2


def test_the_quarantine_is_grouped_by_cause(books):
    (row,) = json.loads(books.here("quarantine", "list", "--by-cause", "-o", "json").out)
    assert (row["stage"], row["code"], row["mails"]) == ("filter", "parser_died", 1)
    assert json.loads(books.here("quarantine", "list", "--code", "busy", "-o", "json").out) == []
