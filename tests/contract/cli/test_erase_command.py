"""`erase`: afterwards the person is nowhere in the store, the books balance, and a mail that comes again is known."""

import json
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient

from services.console import erasure, replays
from services.console.books import balance
from services.console.facts import read_facts
from services.console.replays import Order
from shared.domain.budgets import Budgets
from shared.domain.decision import Classification, Kind, Reason
from shared.domain.email import Address, Headline
from shared.domain.identity import ticket_id
from shared.domain.ledger import DecisionWrite
from shared.domain.mailbox import Module
from shared.domain.outbound import Outbound
from shared.domain.ticket import Acknowledgement, AcknowledgementState, Appended, Ticket
from shared.store.client import Store
from shared.store.fingerprints import Claim
from shared.store.settings import StoreSettings
from tests.contract.cli.conftest import Line
from tests.support import builders
from tests.support.books import BLOCKED, OPENED, REPEAT, SENDER, STUCK, STUCK_TOO, SUBJECTS, write_books
from tests.support.builders import AT
from tests.support.dying import dies
from tests.support.mails import mail

WORDS = (
    "ann@people.example",
    "ann example",
    "it burns",
    "printer on fire",
    "offer for new printers",
    "scanner is slow",
)
"""What the person is, and wrote."""
REPLY, LARGE, OTHERS, COLLEAGUE = (letter * 52 for letter in "ghij")
WRITTEN = "AnN@PeOpLe.ExAmPlE"
ORDER = Order("cli ada", "Rubbish.")


async def write_person(store: Store) -> None:
    """The person's mails of every end, and a ticket of somebody else that they answered."""
    await write_books(store)
    ids = {REPLY: SENDER, LARGE: SENDER, OTHERS: "bob@people.example", COLLEAGUE: "bob@people.example"}
    lines = {one: Headline(message_id=f"<{one}>", sender=sender, subject="It burns") for one, sender in ids.items()}
    lines[OTHERS] = Headline(message_id=f"<{OTHERS}>", sender=ids[OTHERS], subject="Lunch")
    entries = [builders.entry(one, uid=50 + at, headline=line) for at, (one, line) in enumerate(lines.items())]
    await store.ledger.insert_many(entries)
    letter = mail(sender=WRITTEN, subject="It BURNS", text="IT burns\n")
    await store.raw.put_many({REPLY: letter, LARGE: letter + b"it burns " * 150_000})
    await store.raw.put_many(
        {OTHERS: mail(sender="bob@people.example", subject="Lunch", text="Lunch?\n"), COLLEAGUE: letter}
    )
    await store.tickets.insert_many([_ticket_of_bob()])
    replies = {REPLY: ticket_id(OTHERS), COLLEAGUE: ticket_id(OPENED)}
    for one, ticket in replies.items():
        sender = Address(address=ids[one], display="Ann Example")
        article = builders.article(one, sender=sender, text="> It burns", html="<b>it BURNS</b>")
        await store.articles.insert_many([Appended(ticket_id=ticket, article=article, at=AT)])
    writes = {
        REPLY: {"kind": Kind.REPLY, "reason": Reason.REPLY_APPENDED, "ticket_id": ticket_id(OTHERS)},
        COLLEAGUE: {"kind": Kind.REPLY, "reason": Reason.REPLY_APPENDED, "ticket_id": ticket_id(OPENED)},
        LARGE: {"sentence": f"The sender {SENDER} is blocked."},
        OTHERS: {"kind": Kind.TICKET, "reason": Reason.TICKET_CREATED, "ticket_id": ticket_id(OTHERS)},
    }
    await store.ledger.decide_many(
        [DecisionWrite(mail_id=one, decision=builders.decision(**fields), trace=()) for one, fields in writes.items()]
    )
    await store.ledger.mark_done(writes)
    await store.fingerprints.owners([Claim(key="key-of-ann", mail_id=OPENED, at=AT)])
    await store.budgets.spend(Budgets(), ticket_id(OPENED), SENDER, "people.example", AT)
    refused = Acknowledgement(state=AcknowledgementState.FAILED, sentence=f"550 <{SENDER}> is unknown", at=AT)
    await store.outbound.insert_many(
        [
            Outbound(
                ticket_id=ticket_id(OPENED),
                number="INC-000042",
                mailbox="support",
                status=refused,
                since=AT,
                taken_at=AT,
            )
        ]
    )
    # The reply of books.py has no row in the ledger: it is not ours to look at here.
    await store.collection("articles").delete({"_id": "f" * 52})


def _ticket_of_bob() -> Ticket:
    return Ticket(
        ticket_id=ticket_id(OTHERS),
        number="INC-000043",
        module=Module.TICKET,
        mailbox="support",
        origin_mail_id=OTHERS,
        subject="Lunch",
        requester=Address(address="bob@people.example", display="Bob"),
        participants=("bob@people.example", SENDER),
        classification=Classification(),
        articles=(builders.article(OTHERS, sender=None, text="Lunch?", subject="Lunch"),),
        created_at=AT,
        received_at=AT,
    )


async def discard_the_stuck(store: Store) -> None:
    entries = await store.ledger.get_many([STUCK, STUCK_TOO])
    await replays.discard(store, list(entries.values()), ORDER, "/test")
    await store.ledger.mark_done([STUCK, STUCK_TOO])


async def traces_of(settings: StoreSettings) -> set[tuple[str, str]]:
    """Where in the raw documents of every collection, GridFS among them, one of the words stands, whatever case."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(settings.url.get_secret_value())
    database = client[settings.database]
    found: set[tuple[str, str]] = set()
    listed = await database.list_collection_names()
    # The embedded server lists those of GridFS under names by which it cannot be asked for them.
    for name in {one.replace("raw_large_", "raw_large.") for one in listed}:
        for one in await database[name].find({}, batch_size=1000).to_list(None):
            text = repr(one).lower()
            found |= {(name, word) for word in WORDS if word in text}
    client.close()
    return found


def held(line: Line, *more: str) -> tuple[int, dict[str, Any]]:
    answer = line.here("-o", "json", "erase", "--sender", WRITTEN, *more)
    return answer.code, json.loads(answer.out)


def test_the_person_is_in_no_document_any_more_and_the_books_balance(cli: Line) -> None:
    cli("store", "init")
    cli.store(write_person)
    books = cli.store(read_facts)
    assert cli.store(lambda _: traces_of(cli.settings)), "there was something to find"
    code, told = held(cli, "--dry-run")
    counts = {"mails": 8, "raws": 8, "tickets": 1, "articles": 2, "takes_part": 1, "left": 2}
    assert (code, told["held"], told["left"]) == (0, counts, None)
    code, told = held(cli, "--yes")
    assert (code, told["left"]["left"]) == (1, 2), "two are in quarantine"
    cli.store(discard_the_stuck)
    code, told = held(cli, "--yes")
    assert (code, told["left"]["mails"]) == (0, 0)
    assert cli.store(lambda _: traces_of(cli.settings)) == set()
    assert cli.store(_sums) == _of(books, discarded=2)


async def _sums(store: Store) -> dict[str, int]:
    return _of(await read_facts(store))


def _of(facts: Any, discarded: int = 0) -> dict[str, int]:
    found = balance(facts)
    assert found.balanced, found.findings
    total = found.total
    names = ("ledger", "ticketed", "appended", "duplicates")
    return {name: getattr(total, name) for name in names} | {"rejected": total.rejected + discarded}


def test_what_stays_is_a_shell_and_other_people_keep_theirs(cli: Line) -> None:
    cli("store", "init")
    cli.store(write_person)
    cli.store(discard_the_stuck)
    assert held(cli, "--yes")[0] == 0

    async def looked(store: Store) -> None:
        shell = await store.tickets.by_number("INC-000042")
        assert shell is not None
        assert (shell.requester, shell.subject, shell.duplicates) == (None, "", (REPEAT,))
        assert shell.erased_at is not None
        assert shell.classification.service == "printing"
        bob = await store.tickets.by_number("INC-000043")
        assert bob is not None
        assert (bob.subject, bob.participants, bob.erased_at) == ("Lunch", ("bob@people.example",), None)
        assert await store.raw.has([*SUBJECTS, REPLY, LARGE, COLLEAGUE, OTHERS]) == {OTHERS}
        again = [builders.entry(one) for one in (OPENED, BLOCKED, REPLY)]
        assert await store.ledger.insert_many(again) == frozenset(), "a mail that comes again is known"

    cli.store(looked)
    shown = cli.here("tickets", "show", "INC-000042")
    assert (shown.code, "erased" in shown.out.lower()) == (0, True)
    assert "erased" in cli.here("trace", OPENED).out


def test_the_audit_log_knows_that_it_was_done_and_not_of_whom(cli: Line) -> None:
    cli("store", "init")
    cli.store(write_person)
    held(cli, "--yes")
    (record,) = [one for one in cli.store(lambda store: store.audit.page()) if one.action == "erase"]
    assert (record.kind, record.outcome, "ann" in record.name) == ("Person", "done", False)
    assert record.name == cli.store(lambda store: store.mark_keys.digest(SENDER))
    assert record.name != cli.store(lambda store: store.mark_keys.digest("bob@people.example"))


def test_it_says_what_it_cannot_reach_and_asks_before_it_begins(cli: Line) -> None:
    cli("store", "init")
    cli.store(write_person)
    cli.store(_blocks_ann)
    answer = cli.here("erase", "--sender", WRITTEN)
    assert (answer.code, "--yes" in answer.errors[-1]) == (1, True)
    for words in (
        "events that were sent",
        "in the mailbox on their server",
        "backups of the store",
        "mailbox blocking",
    ):
        assert words in answer.out
    kept = cli.store(lambda store: store.ledger.get(OPENED))
    assert kept is not None
    assert kept.headline.sender == SENDER
    assert cli.here("erase", "--sender", "nobody").errors[-1].startswith("error: nobody is no address")


async def _blocks_ann(store: Store) -> None:
    await store.mailboxes.put(builders.mailbox("blocking", domains={"blockedSenders": [SENDER]}), {}, create=True)


POINTS = (
    "store.after_fading",
    "store.after_faded_words",
    "store.after_small_raws_deleted",
    "store.after_chunks_deleted",
    "store.after_erased_raw",
    "store.after_erased_article",
    "store.after_erased_acknowledgement",
    "store.after_erased_ticket",
    "store.after_left_ticket",
    "store.after_erased_fingerprints",
    "store.after_erased_budget",
)


@pytest.mark.parametrize("point", POINTS)
async def test_killed_anywhere_it_is_run_again(store: Store, store_settings: StoreSettings, point: str) -> None:
    await write_person(store)
    await discard_the_stuck(store)
    await dies(store_settings, point, "erases", WRITTEN)
    scope = await erasure.look(store, WRITTEN)
    left = await erasure.erase(store, "test", scope, await erasure.count(store, scope))
    assert left.left == 0
    assert await traces_of(store_settings) == set()
    assert balance(await read_facts(store)).balanced


async def test_what_still_owes_an_event_waits_until_it_was_sent(store: Store) -> None:
    """An event is promised; taking it out of the store would break that."""
    await write_person(store)
    await store.collection("tickets").update({"_id": ticket_id(OPENED)}, {"$set": {"owed_ms": 1}})
    scope = await erasure.look(store, SENDER)
    left = await erasure.erase(store, "test", scope, await erasure.count(store, scope))
    assert (left.left, left.tickets) == (3, 1)
    kept = await store.ledger.get(OPENED)
    assert kept is not None
    assert kept.headline.sender == SENDER
    await store.tickets.mark_published([ticket_id(OPENED)])
    again = await erasure.look(store, SENDER)
    assert (await erasure.erase(store, "test", again, await erasure.count(store, again))).tickets == 0
