"""`trace`, `audit`, `tickets`, `quarantine`: the real command over books that a test wrote."""

import json
from datetime import timedelta

import pytest

from shared.contracts.events import ticket_created
from shared.domain import identity
from shared.domain.decision import Decision, Kind, Reason, Step, Verdict
from shared.domain.email import Address, Headline
from shared.domain.ledger import DecisionWrite, Failure, State
from shared.domain.sighting import Sighting
from shared.domain.ticket import Appended, Article, ArticleKind, Ticket
from shared.store.client import Store
from tests.support import builders

TICKETED, REPEAT, REJECTED, STUCK, FLYING = (letter * 52 for letter in "abcde")
NUMBER = "INC-000001"
TICKET_ID = identity.ticket_id(TICKETED)
STEP = Step(
    stage="filter", rule="blocked_sender", verdict=Verdict.PASSED, sentence="Not blocked.", looked_at={"sender": "a"}
)


def ticket() -> Ticket:
    sender = Address(address="alice@example.org", display="Alice")
    article = Article(
        mail_id=TICKETED,
        message_id="one@example.org",
        sender=sender,
        text="It \x1b[31mburns.",
        html=None,
        attachments=(builders.attachment(),),
        received_at=builders.AT,
    )
    return Ticket(
        ticket_id=TICKET_ID,
        number=NUMBER,
        module="ticket",
        mailbox="support",
        origin_mail_id=TICKETED,
        subject="Printer \x1b[2J on fire",
        requester=sender,
        classification=builders.classified().classification,
        articles=(article,),
        created_at=builders.AT + timedelta(seconds=2),
        received_at=builders.AT,
    )


def decisions() -> list[DecisionWrite]:
    of_ticket = {"ticket_id": TICKET_ID, "number": NUMBER}
    made: dict[str, Decision] = {
        TICKETED: builders.decision(
            kind=Kind.TICKET, reason=Reason.TICKET_CREATED, sentence="Ticket opened.", **of_ticket
        ),
        REPEAT: builders.decision(kind=Kind.DUPLICATE, reason=Reason.DUPLICATE_OF, sentence="A repeat.", **of_ticket),
        REJECTED: builders.decision(),
    }
    return [DecisionWrite(mail_id=mail, decision=one, trace=(STEP,)) for mail, one in made.items()]


def sighting(uid: int, mail: str) -> Sighting:
    place = {"mailbox": "support", "folder": "INBOX", "uid_validity": 7, "uid": uid}
    return Sighting(**place, content_id=mail, mail_id=mail, seen_at=builders.AT)


async def write_books(store: Store) -> None:
    mails = (TICKETED, REPEAT, REJECTED, STUCK, FLYING)
    headline = Headline(message_id="one@example.org", sender="alice@example.org", subject="Printer on fire")
    headlines = {TICKETED: headline, REJECTED: Headline(sender="eve@spam.example", subject="Win \x1b]0;now")}
    await store.ledger.insert_many(
        [builders.entry(mail, uid=uid, headline=headlines.get(mail, Headline())) for uid, mail in enumerate(mails, 1)]
    )
    await store.sightings.insert_many(
        [
            Sighting(
                mailbox="support",
                folder="INBOX",
                uid_validity=7,
                uid=uid,
                content_id=mail,
                mail_id=mail,
                seen_at=builders.AT,
            )
            for uid, mail in enumerate(mails, 1)
        ]
    )
    await store.ledger.decide_many(decisions())
    await store.tickets.insert_many([ticket()])
    await store.tickets.count_duplicates([(TICKET_ID, REPEAT)])
    await store.ledger.mark_done([TICKETED, REPEAT, REJECTED])
    failure = Failure(stage="filter", code="parse_crashed", what="the parser was killed", at=builders.AT)
    await store.ledger.quarantine(STUCK, failure)


@pytest.fixture
def books(cli):
    cli.store(write_books)
    return cli


@pytest.mark.parametrize(
    "what", ["<one@example.org>", "one@example.org", "Alice@Example.org", TICKETED, TICKETED.upper()]
)
def test_trace_finds_a_mail_by_message_id_sender_and_mail_id(books, what: str):
    (found,) = json.loads(books.here("trace", what, "--output", "json").out)
    assert found["mail_id"] == TICKETED
    steps = [(one["stage"], one["step"], one["verdict"]) for one in found["timeline"]]
    assert steps == [
        ("server", "delivered", ""),
        ("fetcher", "fetched", "stored"),
        ("filter", "blocked_sender", "passed"),
        ("ledger", "ticket_created", "ticket"),
        ("ticket_writer", "ticket", "written"),
        ("outbox", "ticket.created", "published"),
    ]


def test_trace_by_ticket_number_shows_the_mail_and_its_repeats(books):
    found = json.loads(books.here("trace", NUMBER.lower(), "-o", "json").out)
    assert {one["mail_id"] for one in found} == {TICKETED, REPEAT}


def test_trace_for_people_says_each_step_and_the_end_and_obeys_no_mail(books):
    answer = books("trace", "eve@spam.example")
    assert answer.code == 0
    assert "Not blocked." in answer.out
    assert answer.out.strip().endswith("The sender is blocked.")
    assert "\x1b" not in answer.out


def test_trace_by_subject(books):
    (found,) = json.loads(books.here("trace", "on FIRE", "--subject", "-o", "json").out)
    assert found["mail_id"] == TICKETED


def test_trace_that_finds_nothing_exits_3_and_says_what_that_can_mean(books):
    answer = books("trace", "nobody@example.net")
    assert (answer.code, answer.out) == (3, "")
    assert answer.errors[0].startswith("error: no mail in the books matches nobody@example.net")
    assert any("No mailbox is configured" in line for line in answer.errors)


def test_the_books_balance(books):
    answer = books("audit", "-o", "json")
    result = json.loads(answer.out)
    assert (answer.code, result["balanced"], result["findings"]) == (0, True, [])
    (row,) = result["rows"]
    ends = {
        name: row[name] for name in ("ticketed", "duplicates", "rejected", "quarantined", "in_flight", "unaccounted")
    }
    assert ends == {"ticketed": 1, "duplicates": 1, "rejected": 1, "quarantined": 1, "in_flight": 1, "unaccounted": 0}
    assert (row["sightings"], row["ledger"], row["holes"]) == (5, 5, 0)


def test_a_lost_ticket_and_a_sighting_without_ledger_unbalance_the_books(books):
    async def damage(store: Store) -> None:
        await store.collection("tickets").delete({"_id": TICKET_ID})
        await store.sightings.insert_many([sighting(9, "z" * 52)])

    books.store(damage)
    answer = books("audit")
    assert answer.code == 1
    text = "\n".join(answer.errors)
    assert "(ticket_missing, mailbox support)" in text
    assert "(duplicate_not_counted, mailbox support)" in text
    assert "(sighting_without_ledger, mailbox support)" in text
    assert len(answer.errors) == 3
    assert "The books do not balance" in answer.out


def test_a_ticket_without_a_decision_unbalances_the_books(books):
    async def damage(store: Store) -> None:
        await store.collection("mails").delete({"_id": TICKETED})

    books.store(damage)
    answer = books.here("audit")
    assert answer.code == 1
    assert any("ticket_without_decision" in line and NUMBER in line for line in answer.errors)


def test_an_event_that_is_owed_is_reported_and_does_not_unbalance(books):
    late, ticket_id = "f" * 52, identity.ticket_id("f" * 52)
    names = {"ticket_id": ticket_id, "number": "INC-000002"}
    opened = ticket().model_copy(update={**names, "origin_mail_id": late})
    decided = builders.decision(kind=Kind.TICKET, reason=Reason.TICKET_CREATED, **names)

    async def owe(store: Store) -> None:
        await store.ledger.insert_many([builders.entry(late, uid=8)])
        await store.ledger.decide_many([DecisionWrite(mail_id=late, decision=decided, trace=())])
        await store.tickets.insert_many([opened.model_copy(update={"outbox": (ticket_created(opened),)})])
        await store.ledger.mark_done([late])

    books.store(owe)
    answer = books.here("audit")
    assert answer.code == 0
    assert "1 event(s) are written and not published yet" in answer.out
    (found,) = json.loads(books.here("trace", late, "-o", "json").out)
    assert found["timeline"][-1]["verdict"] == "owed"


def test_a_ticket_is_shown_with_its_whole_conversation_and_quotes_below_a_line(books):
    async def answer(store: Store) -> None:
        text = "It is out.\n\nOn Monday, support wrote:\n> We received your mail.\n"
        article = builders.article("r" * 52, kind=ArticleKind.REPLY, text=text)
        await store.articles.insert_many([Appended(ticket_id=TICKET_ID, article=article, at=builders.AT)])

    books.store(answer)
    shown = books("tickets", "show", NUMBER).out
    assert "original from alice@example.org" in shown and "reply from alice@example.org" in shown
    new, line, quoted = shown[shown.index("It is out.") :].partition("--- quoted, or signature ---")
    assert line and "wrote:" not in new and "> We received your mail." in quoted
    found = json.loads(books("tickets", "show", NUMBER, "-o", "json").out)
    assert [one["kind"] for one in found["articles"]] == ["original", "reply"]
    assert found["articles"][1]["text"].endswith("mail.\n") and found["articles"][1]["new"].strip() == "It is out."
    (listed,) = json.loads(books("tickets", "list", "-o", "json").out)
    assert listed["messages"] == 2


def test_a_ticket_is_closed_and_opened_again_on_record(books):
    for command, state in (("close", "closed"), ("close", "closed"), ("reopen", "open")):
        answer = books("tickets", command, NUMBER.lower())
        assert (answer.code, answer.out.strip()) == (0, f"{NUMBER} is {state}.")
    assert json.loads(books("tickets", "close", NUMBER, "-o", "json").out)["state"] == "closed"
    assert books("tickets", "close", "INC-999999").code == 3

    async def recorded(store: Store) -> list[tuple[str, str]]:
        return [(one.action, one.name) for one in await store.audit.page(kind="Ticket")]

    assert books.store(recorded) == [("close", NUMBER), ("reopen", NUMBER), ("close", NUMBER)]


def test_tickets_are_listed_and_shown_by_number(books):
    (one,) = json.loads(books("tickets", "list", "-o", "json").out)
    assert (one["number"], one["requester"], one["duplicates"]) == (NUMBER, "alice@example.org", 1)
    shown = books("tickets", "show", NUMBER.lower())
    assert "a.pdf" in shown.out
    assert "\x1b" not in shown.out
    assert json.loads(books("tickets", "list", "--module", "request", "-o", "json").out) == []
    assert books("tickets", "show", "INC-999999").code == 3


def test_a_quarantined_mail_is_listed_and_replayed_once(books):
    (one,) = json.loads(books.here("quarantine", "list", "-o", "json").out)
    assert (one["mail_id"], one["what"]) == (STUCK, "the parser was killed")
    assert books.here("quarantine", "replay", STUCK).code == 0
    assert books.store(lambda store: store.ledger.get(STUCK)).state is State.STORED
    again = books.here("quarantine", "replay", STUCK)
    assert again.code == 3
    assert again.errors[0].startswith("error: not in quarantine")
